import type { Damage, HostRows, ProcessServer } from '@app/fleet';
import type { GuardedStatement } from '../connection-transaction.js';
import { insertHealth, insertLease } from './entry.js';
import { DELETE_NAMES_OF, insertInitialNames } from './name-history.js';

/** Deletes rows without an entry. Another number of rows than was read means that the host registered meanwhile. */
const deleteOrphans = (hostId: string, { hasHealth, lease, names }: HostRows): GuardedStatement[] =>
  [
    { table: 'process_server_health', expectedRows: Number(hasHealth) },
    { table: 'process_server_lease', expectedRows: Number(lease !== null) },
    { table: 'process_server_name_history', expectedRows: names },
  ].map(({ table, expectedRows }) => ({
    sql: `DELETE FROM ${table} WHERE host_id = ?`,
    parameters: [hostId],
    expectedRows,
  }));
const DELETE_TOMBSTONES = 'DELETE FROM tombstone WHERE host_id = ?';

/** Params: generation, host id. */
const SET_GENERATION = 'UPDATE process_server AS p SET p.generation = ? WHERE p.host_id = ?';
const CANCEL_REMOVAL = `
  UPDATE process_server AS p
     SET p.decommissioned_at = NULL, p.decommissioned_by = NULL, p.decommission_reason = NULL, p.remove_by = NULL, p.decommissioned_available_ms = NULL
   WHERE p.host_id = ?`;
/**
 * A lease with a lower generation lacks the credential of the last registration, so it is revoked. Assignments run from left to
 * right. Params: generation, generation, retired, retired, available ms, host id.
 */
const REPAIR_LEASE = `
  UPDATE process_server_lease AS l
     SET l.revoked = IF(l.generation < ?, 1, l.revoked), l.generation = ?, l.retired = ?,
         l.expires_available_ms = IF(? = 1, LEAST(l.expires_available_ms, ?), l.expires_available_ms), l.report_fingerprint = REPEAT(CHAR(0), 16)
   WHERE l.host_id = ?`;

/** Repairs the rows of a locked host as `damage` describes; `entry` is the repaired entry. */
export function repairStatements(
  hostId: string,
  entry: ProcessServer | null,
  { rows, generation, isDecommissioned }: Damage,
  availableMs: number,
): GuardedStatement[] {
  if (!entry || !rows.entry) return deleteOrphans(hostId, rows);
  const statements: GuardedStatement[] = [];
  if (rows.tombstone) statements.push({ sql: DELETE_TOMBSTONES, parameters: [hostId] });
  if (rows.entry.generation !== generation)
    statements.push({ sql: SET_GENERATION, parameters: [generation, hostId], expectedRows: 1 });
  if (rows.entry.isDecommissioned !== isDecommissioned)
    statements.push({ sql: CANCEL_REMOVAL, parameters: [hostId], expectedRows: 1 });
  const retired = Number(isDecommissioned);
  if (!rows.lease) statements.push(insertLease(entry));
  else if (rows.lease.generation !== generation || rows.lease.isRetired !== isDecommissioned) {
    statements.push({
      sql: REPAIR_LEASE,
      parameters: [generation, generation, retired, retired, availableMs, hostId],
      expectedRows: 1,
    });
  }
  if (!rows.hasHealth) statements.push(insertHealth([hostId]));
  if (rows.currentNames !== 1) {
    statements.push(
      { sql: DELETE_NAMES_OF, parameters: [[hostId]] },
      insertInitialNames([{ hostId, name: entry.facts.friendlyName }]),
    );
  }
  return statements;
}

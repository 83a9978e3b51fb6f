import { PlanAlreadyApplied, versionKey, parseVersion, type Decommission, type ProcessServer, type Tombstone } from '@app/fleet';
import { ENTRY_COLUMNS } from '../rows.js';
import type { Transaction } from '../database.js';
import { DELETE_NAMES_OF, writeFirstName, writeNextName } from './names.js';

/** Holds everything of one host until the end of the transaction: whoever changes an entry locks its lease row first. Param: host id. */
export const LOCK_HOST = 'SELECT l.host_id FROM process_server_lease AS l WHERE l.host_id = ? FOR UPDATE';

/** An entry whole. Param: host id. */
export const READ_ENTRY = `
  SELECT ${ENTRY_COLUMNS}
    FROM process_server AS p
    JOIN process_server_lease AS l ON l.host_id = p.host_id
    JOIN process_server_health AS h ON h.host_id = p.host_id
   WHERE p.host_id = ?`;

/** Param: host id. */
export const READ_TOMBSTONE = `
  SELECT t.host_id, t.generation, t.friendly_name, t.ip_address, t.removed_at, t.removed_by, t.reason, t.removal, t.plan_id
    FROM tombstone AS t
   WHERE t.host_id = ?`;

/** A new generation clears what remembered the one before. Params: host id, generation. */
const DELETE_TOMBSTONE = 'DELETE FROM tombstone WHERE host_id = ? AND generation = ?';

const INSERT_ENTRY = 'INSERT INTO process_server SET ?';
const INSERT_LEASE = 'INSERT INTO process_server_lease SET ?';
const INSERT_HEALTH = 'INSERT INTO process_server_health SET host_id = ?, load_rank = 0';

/** Registers again: all columns of the next generation. Params: columns, host id, the generation that was read. Matches 1. */
const UPDATE_ENTRY = 'UPDATE process_server AS p SET ? WHERE p.host_id = ? AND p.generation = ?';
const UPDATE_LEASE = 'UPDATE process_server_lease AS l SET ? WHERE l.host_id = ? AND l.generation = ?';
/** Another machine took the host id: nothing that the old one reported holds. Param: host id. */
const CLEAR_HEALTH = `
  UPDATE process_server_health AS h
     SET h.load_reported_at = NULL, h.load_rank = 0, h.services = NULL, h.services_down_at = NULL,
         h.protected_machine_count = NULL, h.replication_pair_count = NULL, h.certificate_expires_at = NULL
   WHERE h.host_id = ?`;

/** Params: at, by, reason, remove by, host id, generation. Matches 1 while nobody else has marked it. */
const MARK_DECOMMISSIONED = `
  UPDATE process_server AS p
     SET p.decommissioned_at = ?, p.decommissioned_by = ?, p.decommission_reason = ?, p.remove_by = ?
   WHERE p.host_id = ? AND p.generation = ? AND p.decommissioned_at IS NULL`;
/** Ends the lease at once. Params: L, host id, generation. */
const RETIRE_LEASE = `
  UPDATE process_server_lease AS l
     SET l.retired = 1, l.ends_listened_ms = LEAST(l.ends_listened_ms, ?)
   WHERE l.host_id = ? AND l.generation = ?`;

/** The purge's one decision: same generation as the operator saw, silent at L unless forced. Params: host id, generation, L, forced. Matches 1 or nothing is removed. */
const DELETE_LEASE_OF_THE_SILENT = `
  DELETE FROM process_server_lease
   WHERE host_id = ? AND generation = ? AND (ends_listened_ms <= ? OR ? = 1)`;
/** Holds the plan until the purge is committed, so that a result is stored before it or knows of it. Param: plan id. Matches 1 while no result is stored. */
const COUNT_PURGE_OF_PLAN = 'UPDATE purge_plan AS g SET g.purges = g.purges + 1 WHERE g.id = ? AND g.result IS NULL';
const DELETE_HEALTH = 'DELETE FROM process_server_health WHERE host_id = ?';
const DELETE_ENTRY = 'DELETE FROM process_server WHERE host_id = ? AND generation = ?';
const INSERT_TOMBSTONE = 'INSERT INTO tombstone SET ?';

/** Params: address, host id, name, host id. A few are enough to say that there are some. */
export const READ_NEIGHBOURS = `
  (SELECT p.host_id, p.friendly_name, p.ip_address FROM process_server AS p WHERE p.ip_address = ? AND p.host_id <> ? LIMIT 10)
  UNION
  (SELECT p.host_id, p.friendly_name, p.ip_address FROM process_server AS p WHERE p.friendly_name = ? AND p.host_id <> ? LIMIT 10)`;

/** A guarded statement matched no row: the record is not what was read, and the whole transaction is tried again. */
export class RecordChanged extends Error {
  /** Read as "row changed since it was read". */
  readonly errno = 1020;
}

async function mustMatch(matched: Promise<number>): Promise<void> {
  if ((await matched) !== 1) throw new RecordChanged('the record changed under the transaction');
}

function entryColumns({ facts, ...entry }: ProcessServer): Record<string, unknown> {
  const version = parseVersion(facts.agentVersion);
  return {
    host_id: entry.hostId,
    generation: entry.generation,
    friendly_name: facts.friendlyName,
    fqdn: facts.fqdn,
    ip_address: facts.ipAddress,
    data_port: facts.dataPort,
    os_type: facts.osType,
    os_version: facts.osVersion,
    agent_version: facts.agentVersion,
    version_key: version ? versionKey(version) : '',
    machine_id: facts.machineId,
    environment: facts.environment,
    cpu_cores: facts.cpuCores,
    memory_bytes: facts.memoryBytes,
    cache_disk_bytes: facts.cacheDiskBytes,
    proxy_used: facts.proxy && Number(facts.proxy.used),
    proxy_address: facts.proxy?.address ?? null,
    proxy_port: facts.proxy?.port ?? null,
    proxy_authenticated: facts.proxy && Number(facts.proxy.authenticated),
    passphrase_id: entry.passphraseId,
    registered_at: entry.registeredAt,
    decommissioned_at: null,
    decommissioned_by: null,
    decommission_reason: null,
    remove_by: null,
  };
}

function leaseColumns({ hostId, generation, lease }: ProcessServer): Record<string, unknown> {
  return {
    host_id: hostId,
    generation,
    credential_hash: Buffer.from(lease.credentialHash, 'hex'),
    retired: 0,
    revoked: 0,
    said: Buffer.alloc(16),
    last_heartbeat_at: lease.lastHeartbeatAt,
    heard_listened_ms: lease.heardAtListenedMs,
    ends_listened_ms: lease.endsAtListenedMs,
    told_interval_seconds: lease.toldIntervalSeconds,
    instance_id: lease.instanceId,
    replaced_instance_ids: JSON.stringify(lease.replacedInstanceIds),
    source_address: lease.sourceAddress,
    skew_ms: lease.skewMs,
  };
}

export async function writeRegistration(transaction: Transaction, before: ProcessServer | null, tombstone: Tombstone | null, entry: ProcessServer): Promise<void> {
  if (!before) {
    await transaction.write(INSERT_ENTRY, [entryColumns(entry)]);
    if (!tombstone && (await transaction.rows(READ_TOMBSTONE, [entry.hostId])).length > 0) {
      throw new RecordChanged('the host id registered and was removed while this registration waited');
    }
    await transaction.write(INSERT_LEASE, [leaseColumns(entry)]);
    await transaction.write(INSERT_HEALTH, [entry.hostId]);
    await writeFirstName(transaction, entry.hostId, entry.facts.friendlyName);
  } else {
    await mustMatch(transaction.write(UPDATE_ENTRY, [entryColumns(entry), entry.hostId, before.generation]));
    await mustMatch(transaction.write(UPDATE_LEASE, [leaseColumns(entry), entry.hostId, before.generation]));
    if (before.facts.machineId !== entry.facts.machineId) await transaction.write(CLEAR_HEALTH, [entry.hostId]);
    if (before.facts.friendlyName !== entry.facts.friendlyName) {
      await writeNextName(transaction, entry.hostId, entry.facts.friendlyName, entry.registeredAt);
    }
  }
  if (tombstone) await mustMatch(transaction.write(DELETE_TOMBSTONE, [tombstone.hostId, tombstone.generation]));
}

export async function writeDecommission(transaction: Transaction, entry: ProcessServer, { at, by, reason, removeBy }: Decommission): Promise<void> {
  await mustMatch(transaction.write(MARK_DECOMMISSIONED, [at, by, reason, removeBy, entry.hostId, entry.generation]));
  await mustMatch(transaction.write(RETIRE_LEASE, [entry.lease.endsAtListenedMs, entry.hostId, entry.generation]));
}

export async function writeRemoval(transaction: Transaction, tombstone: Tombstone, listenedMs: number, evenIfConnected: boolean): Promise<void> {
  const { hostId, generation, planId } = tombstone;
  if (planId && (await transaction.write(COUNT_PURGE_OF_PLAN, [planId])) === 0) throw new PlanAlreadyApplied(planId);
  await mustMatch(transaction.write(DELETE_LEASE_OF_THE_SILENT, [hostId, generation, listenedMs, Number(evenIfConnected)]));
  await transaction.write(DELETE_HEALTH, [hostId]);
  await transaction.write(DELETE_NAMES_OF, [[hostId]]);
  await mustMatch(transaction.write(DELETE_ENTRY, [hostId, generation]));
  await transaction.write(INSERT_TOMBSTONE, [tombstoneColumns(tombstone)]);
}

export function tombstoneColumns(tombstone: Tombstone): Record<string, unknown> {
  return {
    host_id: tombstone.hostId,
    generation: tombstone.generation,
    friendly_name: tombstone.friendlyName,
    ip_address: tombstone.ipAddress,
    removed_at: tombstone.removedAt,
    removed_by: tombstone.removedBy,
    reason: tombstone.reason,
    removal: tombstone.removal,
    plan_id: tombstone.planId,
  };
}

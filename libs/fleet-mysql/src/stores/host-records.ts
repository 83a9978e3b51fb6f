import { damageOf, type HostRecord, type HostRows, type ProcessServer } from '@app/fleet';
import type { Transaction } from '../connection-transaction.js';
import { TOMBSTONE } from '../entities/fleet-tables.js';
import type { Nullable, RowOf } from '../entities/table.js';
import { toProcessServer, type EntryRow } from '../statements/rows.js';
import { readHostsParameters, READ_HOSTS } from '../statements/hosts.js';

const REMOVAL = TOMBSTONE.omit('host_id', 'generation', 'friendly_name', 'ip_address');

/** A row of `READ_HOSTS`. */
interface HostRow extends Nullable<EntryRow>, Nullable<RowOf<typeof REMOVAL>> {
  readonly known_host_id: string;
  readonly lease_generation: number | null;
  readonly retired: number | null;
  readonly has_health: number;
  readonly names: number;
  readonly current_names: number;
  readonly tombstone_generation: number | null;
  readonly tombstone_name: string | null;
  readonly tombstone_address: string | null;
}

/** Substitute for a missing lease: expired, with a revoked credential, so that the process server registers again. */
const MISSING_LEASE = {
  credential_hash: Buffer.alloc(32),
  revoked: 1,
  last_heartbeat_at: null,
  last_seen_available_ms: 0,
  expires_available_ms: 0,
  assigned_interval_seconds: 0,
  instance_id: null,
  replaced_instance_ids: '[]',
  skew_ms: null,
};

/** The records of these hosts in one consistent read. Unknown hosts are absent. */
export async function readRecords(
  reader: Pick<Transaction, 'rows'>,
  hostIds: readonly string[],
): Promise<Map<string, HostRecord>> {
  if (hostIds.length === 0) return new Map();
  const rows = await reader.rows<HostRow>(READ_HOSTS, readHostsParameters(hostIds));
  return new Map(rows.map((row) => [row.known_host_id, toHostRecord(row)]));
}

function toHostRecord(row: HostRow): HostRecord {
  const rows = toHostRows(row);
  const damage = damageOf(rows);
  const entry = rows.entry && toEntry(row);
  if (!damage) return { entry, tombstone: rows.tombstone };
  return { entry: entry && asRepaired(entry, damage), tombstone: entry ? null : rows.tombstone, damage };
}

const asRepaired = (
  entry: ProcessServer,
  { generation, isDecommissioned }: { generation: number; isDecommissioned: boolean },
): ProcessServer => ({
  ...entry,
  generation,
  decommission: isDecommissioned ? entry.decommission : null,
});

function toHostRows(row: HostRow): HostRows {
  return {
    entry:
      row.generation === null ? null : { generation: row.generation, isDecommissioned: row.decommissioned_at !== null },
    lease: row.lease_generation === null ? null : { generation: row.lease_generation, isRetired: row.retired === 1 },
    hasHealth: row.has_health === 1,
    names: row.names,
    currentNames: row.current_names,
    tombstone:
      row.tombstone_generation === null
        ? null
        : REMOVAL.toDomain(row as RowOf<typeof REMOVAL>, {
            hostId: row.known_host_id,
            generation: row.tombstone_generation,
            friendlyName: row.tombstone_name ?? '',
            ipAddress: row.tombstone_address ?? '',
          }),
  };
}

function toEntry(row: HostRow): ProcessServer {
  const entry = row as unknown as EntryRow;
  return toProcessServer(
    row.lease_generation === null ? { ...entry, ...MISSING_LEASE, source_address: entry.ip_address } : entry,
  );
}

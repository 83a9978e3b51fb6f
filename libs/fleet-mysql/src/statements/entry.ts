import {
  nameKey,
  osKeyOf,
  type Decommission,
  type PossibleDuplicate,
  type ProcessServer,
  type RecordWrite,
  type Tombstone,
} from '@app/fleet';
import type { GuardedStatement } from '../database.js';
import { TOMBSTONE } from '../entities/fleet-tables.js';
import { HEALTH, LEASE, PROCESS_SERVER } from '../entities/process-server.js';
import type { RowOf } from '../entities/table.js';
import { MARK_REVIEW_DUE } from './health-review.js';
import { CLEAR_HEALTH, WITHDRAW_REPORTS } from './health-reports.js';
import { DELETE_NAMES_OF, insertInitialNames } from './name-history.js';
import { FACTS, PLAIN_LEASE } from './rows.js';
import { versionKeyOf } from './counters.js';

/**
 * Locks these hosts until the end of the transaction: every change of an entry locks the lease row first. In key order. The index
 * is forced, since a scan of a small table would wait for rows that other transactions have locked. Param: host ids.
 */
export const LOCK_HOSTS =
  'SELECT l.host_id FROM process_server_lease AS l FORCE INDEX (PRIMARY) WHERE l.host_id IN (?) ORDER BY l.host_id FOR UPDATE';
/** The same without the hosts that another transaction has locked. */
export const LOCK_HOSTS_SKIP_LOCKED = `${LOCK_HOSTS} SKIP LOCKED`;

/** A new generation deletes the tombstone of the previous one. Params: host id, generation. */
const DELETE_TOMBSTONE = 'DELETE FROM tombstone WHERE host_id = ? AND generation = ?';
/** Params: host id, generation. */
const DELETE_EARLIER_TOMBSTONE = 'DELETE FROM tombstone WHERE host_id = ? AND generation < ?';
/** Must match nothing: a tombstone means that the host registered and was removed meanwhile. Param: host ids. */
const ASSERT_NO_NEW_TOMBSTONES =
  'DELETE t FROM tombstone AS t FORCE INDEX (PRIMARY) WHERE t.host_id IN (?) AND t.generation > 0';

/** All columns of the next generation. Params: columns, host id, previous generation. Matches 1. */
const UPDATE_ENTRY = 'UPDATE process_server AS p SET ? WHERE p.host_id = ? AND p.generation = ?';
const UPDATE_LEASE = 'UPDATE process_server_lease AS l SET ? WHERE l.host_id = ? AND l.generation = ?';
/** Params: at, available ms, by, reason, remove by, host id, generation. Matches 1 unless the entry is already decommissioned. */
const MARK_DECOMMISSIONED = `
  UPDATE process_server AS p
     SET p.decommissioned_at = ?, p.decommissioned_available_ms = ?, p.decommissioned_by = ?, p.decommission_reason = ?, p.remove_by = ?
   WHERE p.host_id = ? AND p.generation = ? AND p.decommissioned_at IS NULL`;
/** Ends the lease at once. Params: available ms, host id, generation. */
const MARK_LEASE_RETIRED = `
  UPDATE process_server_lease AS l
     SET l.retired = 1, l.expires_available_ms = LEAST(l.expires_available_ms, ?)
   WHERE l.host_id = ? AND l.generation = ?`;

/** Params: host id, generation. Matches 1. */
const REVOKE_CREDENTIAL = 'UPDATE process_server_lease AS l SET l.revoked = 1 WHERE l.host_id = ? AND l.generation = ?';

/**
 * Decides a purge: the generation is the one that the operator saw, and the lease has expired unless the purge is forced.
 * Params: host id, generation, available ms, forced. Matches 1, or nothing is removed.
 */
const DELETE_EXPIRED_LEASE = `
  DELETE FROM process_server_lease
   WHERE host_id = ? AND generation = ? AND (expires_available_ms <= ? OR ? = 1)`;
/**
 * Locks the plan until the purges are committed, so that a result is stored either before them or with them.
 * Params: number of purges, plan id. Matches 1 while no result is stored.
 */
export const COUNT_PURGES_OF_PLAN =
  'UPDATE purge_plan AS g SET g.purges = g.purges + ? WHERE g.id = ? AND g.result IS NULL';
const DELETE_HEALTH = 'DELETE FROM process_server_health WHERE host_id = ?';
const DELETE_ENTRY = 'DELETE FROM process_server WHERE host_id = ? AND generation = ?';

/** Columns that should be unique for each entry, with their indexes. */
export const IDENTITY_INDEXES = {
  ip_address: 'ix_ip_address',
  name_key: 'ix_name_key',
  machine_id: 'ix_machine_id',
} as const;

const DUPLICATE = PROCESS_SERVER.pick('host_id', 'friendly_name', 'ip_address', 'machine_id');
export type DuplicateRow = RowOf<typeof DUPLICATE> & { readonly place: number };
export const toPossibleDuplicate = (row: DuplicateRow): PossibleDuplicate => DUPLICATE.toDomain(row, {});

/** Params: place in the batch, address, host id; the same with the name key and with the machine id. Ten of each are enough as examples. */
export const FIND_POSSIBLE_DUPLICATES = Object.entries(IDENTITY_INDEXES)
  .map(
    ([column, index]) => `
  (SELECT ? AS place, ${DUPLICATE.of('p')} FROM process_server AS p FORCE INDEX (${index}) WHERE p.${column} = ? AND p.host_id <> ? LIMIT 10)`,
  )
  .join(' UNION ');

const entryColumns = ({
  facts,
  hostId,
  generation,
  passphraseId,
  enrolmentId,
  registeredAt,
}: ProcessServer): RowOf<typeof PROCESS_SERVER> =>
  FACTS.toRow(facts, {
    host_id: hostId,
    generation,
    name_key: nameKey(facts.friendlyName),
    version_key: versionKeyOf(facts.agentVersion),
    os_key: osKeyOf(facts.osType),
    proxy_used: facts.proxy && Number(facts.proxy.used),
    proxy_address: facts.proxy?.address ?? null,
    proxy_port: facts.proxy?.port ?? null,
    proxy_authenticated: facts.proxy && Number(facts.proxy.authenticated),
    passphrase_id: passphraseId,
    enrolment_id: enrolmentId,
    registered_at: registeredAt,
    decommissioned_at: null,
    decommissioned_available_ms: null,
    decommissioned_by: null,
    decommission_reason: null,
    remove_by: null,
  });

/** The columns of the lease of a new generation, without `event_bounds` and `never_connected`. */
const leaseColumns = ({ hostId, generation, lease, decommission }: ProcessServer) =>
  PLAIN_LEASE.toRow(lease, {
    host_id: hostId,
    generation,
    credential_hash: Buffer.from(lease.credentialHash, 'hex'),
    retired: Number(decommission !== null),
    revoked: Number(lease.revoked),
    report_fingerprint: Buffer.alloc(16),
    replaced_instance_ids: JSON.stringify(lease.replacedInstanceIds),
    ignored_fields: null,
  });

type Removal = Extract<RecordWrite, { to: 'removed' }>;

/** A registration and the record that it replaces. */
export interface Registration {
  readonly before: ProcessServer | null;
  readonly tombstone: Tombstone | null;
  readonly entry: ProcessServer;
}

/** Inserts entries of hosts that have none, in key order. */
export function insertEntries(registrations: readonly Registration[]): GuardedStatement[] {
  if (registrations.length === 0) return [];
  const entries = registrations.map(({ entry }) => entry);
  const hostIds = entries.map(({ hostId }) => hostId);
  return [
    PROCESS_SERVER.insert(entries.map(entryColumns)),
    ...registrations.flatMap(({ tombstone }) =>
      tombstone
        ? [{ sql: DELETE_TOMBSTONE, parameters: [tombstone.hostId, tombstone.generation], expectedRows: 1 }]
        : [],
    ),
    { sql: ASSERT_NO_NEW_TOMBSTONES, parameters: [hostIds], expectedRows: 0 },
    LEASE.insert(entries.map((entry) => Object.assign(leaseColumns(entry), { never_connected: 1 }))),
    insertHealth(hostIds),
    insertInitialNames(entries.map(({ hostId, facts }) => ({ hostId, name: facts.friendlyName }))),
  ];
}

/** Inserts the missing lease of an entry. */
export const insertLease = (entry: ProcessServer): GuardedStatement => LEASE.insert([leaseColumns(entry)]);

/** Inserts health rows without a report. */
export const insertHealth = (hostIds: readonly string[]): GuardedStatement =>
  HEALTH.insert(hostIds.map((host_id) => ({ host_id, load_severity: 0 })));

/** Writes the next generation of an entry, without its name history. */
export function updateEntry(before: ProcessServer, entry: ProcessServer): GuardedStatement[] {
  return [
    { sql: UPDATE_ENTRY, parameters: [entryColumns(entry), entry.hostId, before.generation], expectedRows: 1 },
    { sql: UPDATE_LEASE, parameters: [leaseColumns(entry), entry.hostId, before.generation], expectedRows: 1 },
    {
      sql: before.facts.machineId === entry.facts.machineId ? WITHDRAW_REPORTS : CLEAR_HEALTH,
      parameters: [entry.hostId],
    },
  ];
}

export const markDecommissioned = (
  entry: ProcessServer,
  { at, by, reason, removeBy }: Decommission,
  availableMs: number,
): GuardedStatement[] => [
  {
    sql: MARK_DECOMMISSIONED,
    parameters: [at, availableMs, by, reason, removeBy, entry.hostId, entry.generation],
    expectedRows: 1,
  },
  {
    sql: MARK_LEASE_RETIRED,
    parameters: [entry.lease.expiresAvailableMs, entry.hostId, entry.generation],
    expectedRows: 1,
  },
  { sql: MARK_REVIEW_DUE, parameters: [[entry.hostId]] },
];

export const markRevoked = ({ hostId, generation }: ProcessServer): GuardedStatement[] => [
  { sql: REVOKE_CREDENTIAL, parameters: [hostId, generation], expectedRows: 1 },
];

/** Replaces the tombstone of an earlier generation, if any. */
export const writeTombstone = (tombstone: Tombstone): GuardedStatement[] => [
  { sql: DELETE_EARLIER_TOMBSTONE, parameters: [tombstone.hostId, tombstone.generation] },
  insertTombstones([tombstone]),
];

export const deleteEntry = (
  { tombstone, allowConnected, entryGeneration: generation = tombstone.generation }: Removal,
  availableMs: number,
): GuardedStatement[] => [
  {
    sql: DELETE_EXPIRED_LEASE,
    parameters: [tombstone.hostId, generation, availableMs, Number(allowConnected)],
    expectedRows: 1,
  },
  { sql: DELETE_HEALTH, parameters: [tombstone.hostId] },
  { sql: DELETE_NAMES_OF, parameters: [[tombstone.hostId]] },
  { sql: DELETE_ENTRY, parameters: [tombstone.hostId, generation], expectedRows: 1 },
  insertTombstones([tombstone]),
];

export const insertTombstones = (tombstones: readonly Tombstone[]): GuardedStatement =>
  TOMBSTONE.insert(tombstones.map((tombstone) => TOMBSTONE.toRow(tombstone, {})));

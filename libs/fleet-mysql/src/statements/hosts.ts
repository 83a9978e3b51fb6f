import { ENTRY_COLUMNS } from './rows.js';

/** The tables that have rows by host id. */
const TABLES_OF_HOSTS = [
  'process_server',
  'process_server_lease',
  'process_server_health',
  'process_server_name_history',
  'tombstone',
] as const;

/**
 * All rows of these hosts in one consistent read, even rows that contradict each other. A host without rows is absent.
 * Params: host ids, five times.
 */
export const READ_HOSTS = `
  SELECT k.host_id AS known_host_id, ${ENTRY_COLUMNS},
         l.generation AS lease_generation, l.retired, h.host_id IS NOT NULL AS has_health,
         (SELECT COUNT(*) FROM process_server_name_history AS n WHERE n.host_id = k.host_id) AS names,
         (SELECT COUNT(*) FROM process_server_name_history AS n WHERE n.host_id = k.host_id AND n.valid_until IS NULL) AS current_names,
         t.generation AS tombstone_generation, t.friendly_name AS tombstone_name, t.ip_address AS tombstone_address,
         t.removed_at, t.removed_by, t.reason, t.removal, t.plan_id
    FROM (${TABLES_OF_HOSTS.map((table) => `SELECT x.host_id FROM ${table} AS x WHERE x.host_id IN (?)`).join(' UNION ')}) AS k
    LEFT JOIN process_server AS p ON p.host_id = k.host_id
    LEFT JOIN process_server_lease AS l ON l.host_id = k.host_id
    LEFT JOIN process_server_health AS h ON h.host_id = k.host_id
    LEFT JOIN tombstone AS t ON t.host_id = k.host_id`;

export const readHostsParameters = (hostIds: readonly string[]): unknown[] => TABLES_OF_HOSTS.map(() => hostIds);

/** The last host id of a range of entries. Params: after host id, number of entries minus one. */
export const READ_END_OF_RANGE =
  'SELECT p.host_id FROM process_server AS p WHERE p.host_id > ? ORDER BY p.host_id LIMIT 1 OFFSET ?';

const orphansOf = (table: string): string => `
  (SELECT c.host_id FROM ${table} AS c LEFT JOIN process_server AS p ON p.host_id = c.host_id
    WHERE c.host_id > ? AND c.host_id <= ? AND p.host_id IS NULL LIMIT 1000)`;

/**
 * Hosts in a range whose rows may contradict each other; `damageOf` decides.
 * Params: after host id, up to host id, four times.
 */
export const READ_SUSPECTS = `
  (SELECT p.host_id
     FROM process_server AS p
     LEFT JOIN process_server_lease AS l ON l.host_id = p.host_id
     LEFT JOIN process_server_health AS h ON h.host_id = p.host_id
     LEFT JOIN tombstone AS t ON t.host_id = p.host_id
    WHERE p.host_id > ? AND p.host_id <= ?
      AND (l.host_id IS NULL OR h.host_id IS NULL OR t.host_id IS NOT NULL OR l.generation <> p.generation
        OR l.retired <> (p.decommissioned_at IS NOT NULL)
        OR (SELECT COUNT(*) FROM process_server_name_history AS n WHERE n.host_id = p.host_id AND n.valid_until IS NULL) <> 1))
  UNION ${orphansOf('process_server_lease')}
  UNION ${orphansOf('process_server_health')}
  UNION ${orphansOf('process_server_name_history')}`;

export const readSuspectsParameters = (after: string, upTo: string): string[] => [
  after,
  upTo,
  after,
  upTo,
  after,
  upTo,
  after,
  upTo,
];

/** Hosts that have an entry. Param: host ids. */
export const FIND_ENTRIES = 'SELECT p.host_id FROM process_server AS p WHERE p.host_id IN (?)';

/** Locks entries that have no lease row to lock. Param: host ids. */
export const LOCK_ENTRIES =
  'SELECT p.host_id FROM process_server AS p FORCE INDEX (PRIMARY) WHERE p.host_id IN (?) ORDER BY p.host_id FOR UPDATE';

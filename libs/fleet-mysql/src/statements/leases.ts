import { LEASE, PROCESS_SERVER } from '../entities/process-server.js';

/** Commits of two replicas are out of order by no more than this. A later timestamp was written before the clock stepped back. */
const OUT_OF_ORDER_MS = 60_000;

/** The time of the last heartbeat never decreases, unless the clock has stepped back. Params: `lastHeartbeatParameters`. */
const LATEST_HEARTBEAT = 'IF(l.last_heartbeat_at BETWEEN ? AND ?, l.last_heartbeat_at, ?)';

/** Parameters of LATEST_HEARTBEAT. */
export const lastHeartbeatParameters = (now: Date): readonly Date[] => [
  now,
  new Date(now.getTime() + OUT_OF_ORDER_MS),
  now,
];

/**
 * Renews active leases whose heartbeat has the same fingerprint as the last one, which includes credential and generation.
 * Never inserts. Locks rows in the order of the array, which is key order. The index is forced, since a scan of a small table
 * would wait for rows that other transactions have locked.
 * Params: the heartbeats as JSON arrays, `lastHeartbeatParameters`, available ms (twice). Matches the unchanged heartbeats.
 */
export const RENEW_UNCHANGED_LEASES = `
  UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
           host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]',
           report_fingerprint CHAR(32) CHARACTER SET ascii PATH '$[1]',
           expires_available_ms BIGINT PATH '$[2]',
           assigned_interval_seconds INT UNSIGNED PATH '$[3]',
           skew_ms BIGINT PATH '$[4]')) AS b
  STRAIGHT_JOIN process_server_lease AS l FORCE INDEX (PRIMARY) ON l.host_id = b.host_id
     SET l.last_heartbeat_at = ${LATEST_HEARTBEAT},
         l.last_seen_available_ms = GREATEST(l.last_seen_available_ms, ?),
         l.expires_available_ms = GREATEST(l.expires_available_ms, b.expires_available_ms),
         l.assigned_interval_seconds = b.assigned_interval_seconds,
         l.skew_ms = COALESCE(b.skew_ms, l.skew_ms)
   WHERE l.report_fingerprint = UNHEX(b.report_fingerprint)
     AND l.retired = 0
     AND l.revoked = 0
     AND l.expires_available_ms > ?`;

export const LOCKED_LEASE = LEASE.omit(
  'last_seen_available_ms',
  'assigned_interval_seconds',
  'skew_ms',
  'ignored_fields',
  'never_connected',
);
export const REGISTERED_FACTS = PROCESS_SERVER.pick(
  'host_id',
  'machine_id',
  'agent_version',
  'os_key',
  'registered_at',
);

/** Locks the leases of a batch and their health rows, without the hosts of which another transaction has locked either. Param: host ids. */
export const LOCK_LEASES_SKIP_LOCKED = `
  SELECT ${LOCKED_LEASE.of('l')}
    FROM process_server_lease AS l FORCE INDEX (PRIMARY)
   STRAIGHT_JOIN process_server_health AS h FORCE INDEX (PRIMARY) ON h.host_id = l.host_id
   WHERE l.host_id IN (?)
   ORDER BY l.host_id
     FOR UPDATE SKIP LOCKED`;

/** Registered facts of hosts whose leases are locked. Param: host ids. */
export const READ_REGISTERED_FACTS = `
  SELECT ${REGISTERED_FACTS.of('p')}
    FROM process_server AS p
   WHERE p.host_id IN (?)`;

/** Finds why hosts could not be locked, in one consistent read. A removal of null: entry, lease and health exist. Params: host ids (twice). */
export const CLASSIFY_UNLOCKED_HOSTS = `
  SELECT l.host_id, NULL AS removal, l.generation
    FROM process_server_lease AS l
    JOIN process_server AS p ON p.host_id = l.host_id
    JOIN process_server_health AS h ON h.host_id = l.host_id
   WHERE l.host_id IN (?)
  UNION ALL
  SELECT t.host_id, t.removal, t.generation FROM tombstone AS t WHERE t.host_id IN (?)`;

/** Writes accepted heartbeats to locked leases. Params: the heartbeats as JSON, `lastHeartbeatParameters`, available ms. */
export const UPDATE_LOCKED_LEASES = `
  UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
           host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PATH '$.hostId',
           generation INT UNSIGNED PATH '$.generation',
           report_fingerprint CHAR(32) CHARACTER SET ascii PATH '$.fingerprint',
           expires_available_ms BIGINT PATH '$.expiresAvailableMs',
           assigned_interval_seconds INT UNSIGNED PATH '$.assignedIntervalSeconds',
           skew_ms BIGINT PATH '$.skewMs',
           skew_unknown TINYINT PATH '$.skewUnknown',
           instance_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.instanceId',
           replaced_instance_ids VARCHAR(1100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.replacedInstanceIds',
           source_address VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin PATH '$.sourceAddress',
           ignored_fields VARCHAR(3000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.ignoredFields',
           event_bounds VARCHAR(1000) CHARACTER SET ascii COLLATE ascii_bin PATH '$.eventBounds')) AS b
  STRAIGHT_JOIN process_server_lease AS l FORCE INDEX (PRIMARY) ON l.host_id = b.host_id
     SET l.last_heartbeat_at = ${LATEST_HEARTBEAT},
         l.never_connected = 0,
         l.last_seen_available_ms = GREATEST(l.last_seen_available_ms, ?),
         l.expires_available_ms = GREATEST(l.expires_available_ms, b.expires_available_ms),
         l.assigned_interval_seconds = b.assigned_interval_seconds,
         l.skew_ms = IF(b.skew_unknown = 1, NULL, COALESCE(b.skew_ms, l.skew_ms)),
         l.report_fingerprint = UNHEX(b.report_fingerprint),
         l.instance_id = b.instance_id,
         l.replaced_instance_ids = b.replaced_instance_ids,
         l.source_address = b.source_address,
         l.ignored_fields = b.ignored_fields,
         l.event_bounds = b.event_bounds
   WHERE l.generation = b.generation AND l.retired = 0`;

/** Writes the version of a heartbeat. Params: version, version key, host id, generation. */
export const UPDATE_VERSION = `
  UPDATE process_server AS p
     SET p.agent_version = ?, p.version_key = ?
   WHERE p.host_id = ? AND p.generation = ?`;

/** Param: host ids. */
export const READ_OPERATING_SYSTEMS =
  'SELECT p.host_id, p.os_key FROM process_server AS p FORCE INDEX (PRIMARY) WHERE p.host_id IN (?)';

import type { LoadSignal } from '@app/fleet';
import { LEASE, PROCESS_SERVER } from '../entities/process-server.js';

/** Bits of the load signals that exceed their thresholds. */
export const EXCEEDED_BITS: Readonly<Record<LoadSignal, number>> = { cpu: 1, memory: 2, cache: 4, upload: 8 };

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

/** Since when a load signal exceeds its threshold; kept while the previous report is valid. Params: the range of valid reports, now. */
const exceededAt = (signal: LoadSignal): string =>
  `IF(b.exceeded & ${EXCEEDED_BITS[signal]}, COALESCE(IF(h.load_reported_at BETWEEN ? AND ?, h.${signal}_exceeded_at, NULL), ?), NULL)`;

/**
 * Writes the load reports of accepted heartbeats, except unchanged reports that were written recently. Assignments run from left to
 * right, so a column that another assignment reads is assigned after it. Params: `updateLoadReports`.
 */
export const UPDATE_LOAD_REPORTS = `
  UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
           host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]',
           load_severity TINYINT PATH '$[1]',
           exceeded TINYINT PATH '$[2]',
           cpu_percent DOUBLE PATH '$[3]',
           total_memory_bytes BIGINT PATH '$[4]',
           available_memory_bytes BIGINT PATH '$[5]',
           total_cache_bytes BIGINT PATH '$[6]',
           free_cache_bytes BIGINT PATH '$[7]',
           throughput_bytes_per_second BIGINT PATH '$[8]',
           pending_upload_bytes BIGINT PATH '$[9]')) AS b
  STRAIGHT_JOIN process_server_health AS h FORCE INDEX (PRIMARY) ON h.host_id = b.host_id
     SET h.cpu_exceeded_at = ${exceededAt('cpu')},
         h.memory_exceeded_at = ${exceededAt('memory')},
         h.cache_exceeded_at = ${exceededAt('cache')},
         h.upload_exceeded_at = ${exceededAt('upload')},
         h.load_reported_at = ?,
         h.load_report_bucket = ?,
         h.load_severity = b.load_severity,
         h.cpu_percent = b.cpu_percent,
         h.total_memory_bytes = b.total_memory_bytes,
         h.available_memory_bytes = b.available_memory_bytes,
         h.total_cache_bytes = b.total_cache_bytes,
         h.free_cache_bytes = b.free_cache_bytes,
         h.throughput_bytes_per_second = b.throughput_bytes_per_second,
         h.pending_upload_bytes = b.pending_upload_bytes
   WHERE h.load_reported_at IS NULL
      OR h.load_reported_at NOT BETWEEN ? AND ?
      OR NOT (h.cpu_percent <=> b.cpu_percent
          AND h.total_memory_bytes <=> b.total_memory_bytes
          AND h.available_memory_bytes <=> b.available_memory_bytes
          AND h.total_cache_bytes <=> b.total_cache_bytes
          AND h.free_cache_bytes <=> b.free_cache_bytes
          AND h.throughput_bytes_per_second <=> b.throughput_bytes_per_second
          AND h.pending_upload_bytes <=> b.pending_upload_bytes)`;

/** The column is text on MariaDB and JSON on MySQL, where JSON never equals text. */
const SAME_SERVICES = "(h.services = b.services OR h.services = JSON_EXTRACT(b.services, '$'))";

/**
 * Writes the other reports of accepted heartbeats. Absent members stay unchanged. The report time of an unchanged value is written
 * once a minute. A column that another assignment reads is assigned after it. Params: `updateStatusReports`.
 */
export const UPDATE_STATUS_REPORTS = `
  UPDATE JSON_TABLE(CONVERT(? USING utf8mb4), '$[*]' COLUMNS (
           host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]',
           services LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$[1]',
           services_down TINYINT PATH '$[2]',
           protected_machine_count INT UNSIGNED PATH '$[3]',
           replication_pair_count INT UNSIGNED PATH '$[4]',
           certificate_expires_at VARCHAR(24) CHARACTER SET ascii PATH '$[5]',
           churn_bytes_per_day BIGINT UNSIGNED PATH '$[6]')) AS b
  STRAIGHT_JOIN process_server_health AS h FORCE INDEX (PRIMARY) ON h.host_id = b.host_id
     SET h.services_reported_at = CASE
           WHEN b.services IS NULL THEN h.services_reported_at
           WHEN h.services_reported_at BETWEEN ? AND ? AND ${SAME_SERVICES} THEN h.services_reported_at
           ELSE ? END,
         h.certificate_known_at = CASE
           WHEN b.certificate_expires_at IS NULL THEN h.certificate_known_at
           WHEN h.certificate_expires_at = CAST(b.certificate_expires_at AS DATETIME(3)) AND h.certificate_reported_at BETWEEN ? AND ? THEN h.certificate_known_at
           ELSE ? END,
         h.certificate_reported_at = CASE
           WHEN b.certificate_expires_at IS NULL THEN h.certificate_reported_at
           WHEN h.certificate_expires_at = CAST(b.certificate_expires_at AS DATETIME(3)) AND h.certificate_reported_at BETWEEN ? AND ? THEN h.certificate_reported_at
           ELSE ? END,
         h.services = COALESCE(b.services, h.services),
         h.services_down_at = CASE b.services_down WHEN 1 THEN LEAST(COALESCE(h.services_down_at, ?), ?) WHEN 0 THEN NULL ELSE h.services_down_at END,
         h.protected_machine_count = COALESCE(b.protected_machine_count, h.protected_machine_count),
         h.protected_machines_unknown = IF(b.protected_machine_count IS NULL, h.protected_machines_unknown, 0),
         h.replication_pair_count = COALESCE(b.replication_pair_count, h.replication_pair_count),
         h.churn_bytes_per_day = COALESCE(b.churn_bytes_per_day, h.churn_bytes_per_day),
         h.certificate_expires_at = COALESCE(b.certificate_expires_at, h.certificate_expires_at)`;

/**
 * Clears the values that accepted heartbeats withdrew or reported in an unusable form. An unusable value does not end an outage of
 * services. Params: a JSON array for each heartbeat: 0 keeps a value, 1 clears it, 2 withdraws the services.
 */
export const CLEAR_REPORTS = `
  UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
           host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]',
           services TINYINT PATH '$[1]',
           protected_machine_count TINYINT PATH '$[2]',
           replication_pair_count TINYINT PATH '$[3]',
           certificate_expires_at TINYINT PATH '$[4]',
           reported_load TINYINT PATH '$[5]',
           churn_bytes_per_day TINYINT PATH '$[6]')) AS b
  STRAIGHT_JOIN process_server_health AS h FORCE INDEX (PRIMARY) ON h.host_id = b.host_id
     SET h.services = IF(b.services > 0, NULL, h.services),
         h.services_reported_at = IF(b.services = 2, NULL, h.services_reported_at),
         h.services_down_at = IF(b.services = 2, NULL, h.services_down_at),
         h.protected_machine_count = IF(b.protected_machine_count = 1, NULL, h.protected_machine_count),
         h.protected_machines_unknown = IF(b.protected_machine_count = 1, 1, h.protected_machines_unknown),
         h.replication_pair_count = IF(b.replication_pair_count = 1, NULL, h.replication_pair_count),
         h.churn_bytes_per_day = IF(b.churn_bytes_per_day = 1, NULL, h.churn_bytes_per_day),
         h.certificate_expires_at = IF(b.certificate_expires_at = 1, NULL, h.certificate_expires_at),
         h.certificate_reported_at = IF(b.certificate_expires_at = 1, NULL, h.certificate_reported_at),
         h.certificate_known_at = IF(b.certificate_expires_at = 1, NULL, h.certificate_known_at),
         h.load_reported_at = IF(b.reported_load = 1, NULL, h.load_reported_at),
         h.load_report_bucket = IF(b.reported_load = 1, NULL, h.load_report_bucket),
         h.load_severity = IF(b.reported_load = 1, 0, h.load_severity),
         h.cpu_exceeded_at = IF(b.reported_load = 1, NULL, h.cpu_exceeded_at),
         h.memory_exceeded_at = IF(b.reported_load = 1, NULL, h.memory_exceeded_at),
         h.cache_exceeded_at = IF(b.reported_load = 1, NULL, h.cache_exceeded_at),
         h.upload_exceeded_at = IF(b.reported_load = 1, NULL, h.upload_exceeded_at)`;

/** Writes the version of a heartbeat. Params: version, version key, host id, generation. */
export const UPDATE_VERSION = `
  UPDATE process_server AS p
     SET p.agent_version = ?, p.version_key = ?
   WHERE p.host_id = ? AND p.generation = ?`;

/**
 * Renews the leases of those who said nothing new: same generation, credential and claims as the last accepted
 * heartbeat, lease still running. Never inserts. Locks in the order of the array, which is the order of the key, and no
 * other row: a small table would be read whole if the index were not forced, and what others hold waited for.
 * Params: the beats as JSON, now (twice), L (twice). Rows matched: as many as had no news; the rest are looked at one by one.
 */
export const RENEW_LEASES_WITHOUT_NEWS = `
  UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
           host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PATH '$.hostId',
           generation INT UNSIGNED PATH '$.generation',
           credential_hash CHAR(64) CHARACTER SET ascii PATH '$.credentialHash',
           said CHAR(32) CHARACTER SET ascii PATH '$.said',
           ends_listened_ms BIGINT PATH '$.endsListenedMs',
           told_interval_seconds INT UNSIGNED PATH '$.toldIntervalSeconds',
           skew_ms BIGINT PATH '$.skewMs')) AS b
  STRAIGHT_JOIN process_server_lease AS l FORCE INDEX (PRIMARY) ON l.host_id = b.host_id
     SET l.last_heartbeat_at = GREATEST(COALESCE(l.last_heartbeat_at, ?), ?),
         l.heard_listened_ms = GREATEST(l.heard_listened_ms, ?),
         l.ends_listened_ms = GREATEST(l.ends_listened_ms, b.ends_listened_ms),
         l.told_interval_seconds = b.told_interval_seconds,
         l.skew_ms = COALESCE(b.skew_ms, l.skew_ms)
   WHERE l.generation = b.generation
     AND l.credential_hash = UNHEX(b.credential_hash)
     AND l.said = UNHEX(b.said)
     AND l.retired = 0
     AND l.revoked = 0
     AND l.ends_listened_ms > ?`;

/** The leases of a group, held; those that somebody else holds are left out. Param: host ids. */
export const LOCK_LEASES = `
  SELECT l.host_id, l.generation, l.credential_hash, l.retired, l.revoked, l.last_heartbeat_at, l.ends_listened_ms,
         l.instance_id, l.previous_instance_id, l.source_address
    FROM process_server_lease AS l FORCE INDEX (PRIMARY)
   WHERE l.host_id IN (?)
   ORDER BY l.host_id
     FOR UPDATE SKIP LOCKED`;

/** What the registration said of hosts whose lease is held. Param: host ids. */
export const READ_REGISTERED_FACTS = `
  SELECT p.host_id, p.machine_id, p.agent_version, p.registered_at
    FROM process_server AS p
   WHERE p.host_id IN (?)`;

/** What is known of hosts whose lease could not be held, from one view of the data: a removal of null means that the entry is there. Params: host ids, twice. */
export const READ_WHEREABOUTS = `
  SELECT l.host_id, NULL AS removal FROM process_server_lease AS l WHERE l.host_id IN (?)
  UNION ALL
  SELECT t.host_id, t.removal FROM tombstone AS t WHERE t.host_id IN (?)`;

/** Writes accepted heartbeats to leases that are held. Params: the beats as JSON, now (twice), L. */
export const RENEW_HELD_LEASES = `
  UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
           host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PATH '$.hostId',
           generation INT UNSIGNED PATH '$.generation',
           said CHAR(32) CHARACTER SET ascii PATH '$.said',
           ends_listened_ms BIGINT PATH '$.endsListenedMs',
           told_interval_seconds INT UNSIGNED PATH '$.toldIntervalSeconds',
           skew_ms BIGINT PATH '$.skewMs',
           instance_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.instanceId',
           previous_instance_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$.previousInstanceId',
           source_address VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin PATH '$.sourceAddress')) AS b
  STRAIGHT_JOIN process_server_lease AS l FORCE INDEX (PRIMARY) ON l.host_id = b.host_id
     SET l.last_heartbeat_at = GREATEST(COALESCE(l.last_heartbeat_at, ?), ?),
         l.heard_listened_ms = GREATEST(l.heard_listened_ms, ?),
         l.ends_listened_ms = GREATEST(l.ends_listened_ms, b.ends_listened_ms),
         l.told_interval_seconds = b.told_interval_seconds,
         l.skew_ms = COALESCE(b.skew_ms, l.skew_ms),
         l.said = UNHEX(b.said),
         l.instance_id = b.instance_id,
         l.previous_instance_id = b.previous_instance_id,
         l.source_address = b.source_address
   WHERE l.generation = b.generation AND l.retired = 0`;

/**
 * Writes what accepted heartbeats reported; what one does not carry stays as it was. Params: the reports as JSON, then now
 * once for the load's instant and once for the services'. A group of values that a report has no flag for is kept.
 */
export const WRITE_HEALTH = `
  UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
           host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PATH '$.hostId',
           load_rank TINYINT PATH '$.loadRank',
           cpu_percent DOUBLE PATH '$.cpuPercent',
           total_memory_bytes BIGINT PATH '$.totalMemoryBytes',
           available_memory_bytes BIGINT PATH '$.availableMemoryBytes',
           total_cache_bytes BIGINT PATH '$.totalCacheBytes',
           free_cache_bytes BIGINT PATH '$.freeCacheBytes',
           throughput_bytes_per_second BIGINT PATH '$.throughputBytesPerSecond',
           pending_upload_bytes BIGINT PATH '$.pendingUploadBytes',
           services LONGTEXT CHARACTER SET utf8mb4 PATH '$.services',
           services_down TINYINT PATH '$.servicesDown',
           protected_machine_count INT PATH '$.protectedMachineCount',
           replication_pair_count INT PATH '$.replicationPairCount',
           certificate_expires_at VARCHAR(24) CHARACTER SET ascii PATH '$.certificateExpiresAt')) AS b
  STRAIGHT_JOIN process_server_health AS h FORCE INDEX (PRIMARY) ON h.host_id = b.host_id
     SET h.load_reported_at = IF(b.load_rank IS NULL, h.load_reported_at, ?),
         h.cpu_percent = IF(b.load_rank IS NULL, h.cpu_percent, b.cpu_percent),
         h.total_memory_bytes = IF(b.load_rank IS NULL, h.total_memory_bytes, b.total_memory_bytes),
         h.available_memory_bytes = IF(b.load_rank IS NULL, h.available_memory_bytes, b.available_memory_bytes),
         h.total_cache_bytes = IF(b.load_rank IS NULL, h.total_cache_bytes, b.total_cache_bytes),
         h.free_cache_bytes = IF(b.load_rank IS NULL, h.free_cache_bytes, b.free_cache_bytes),
         h.throughput_bytes_per_second = IF(b.load_rank IS NULL, h.throughput_bytes_per_second, b.throughput_bytes_per_second),
         h.pending_upload_bytes = IF(b.load_rank IS NULL, h.pending_upload_bytes, b.pending_upload_bytes),
         h.load_rank = COALESCE(b.load_rank, h.load_rank),
         h.services = COALESCE(b.services, h.services),
         h.services_down_at = CASE b.services_down WHEN 1 THEN COALESCE(h.services_down_at, ?) WHEN 0 THEN NULL ELSE h.services_down_at END,
         h.protected_machine_count = COALESCE(b.protected_machine_count, h.protected_machine_count),
         h.replication_pair_count = COALESCE(b.replication_pair_count, h.replication_pair_count),
         h.certificate_expires_at = COALESCE(b.certificate_expires_at, h.certificate_expires_at)`;

/** The version that a heartbeat brought. Params: version, its key, host id, generation. */
export const WRITE_VERSION = `
  UPDATE process_server AS p
     SET p.agent_version = ?, p.version_key = ?
   WHERE p.host_id = ? AND p.generation = ?`;

/** Who is due, oldest first, without a lock. Params: decommissioned at or before, from (twice), after host id, limit. Uses by_decommission. */
export const READ_DUE = `
  SELECT p.host_id, p.decommissioned_at
    FROM process_server AS p
   WHERE p.decommissioned_at <= ? AND p.decommissioned_at >= ? AND (p.decommissioned_at > ? OR p.host_id > ?)
   ORDER BY p.decommissioned_at, p.host_id
   LIMIT ?`;

/** Holds the hosts that nobody else holds, in key order. Param: host ids. */
export const LOCK_DUE_LEASES = `
  SELECT l.host_id
    FROM process_server_lease AS l
   WHERE l.host_id IN (?)
   ORDER BY l.host_id
     FOR UPDATE SKIP LOCKED`;

/** Of the hosts that are held, those that are still due: who has registered since is not. Params: host ids, decommissioned at or before. */
export const RECHECK_DUE = `
  SELECT p.host_id, p.generation, p.friendly_name, p.ip_address, p.decommissioned_at, p.decommissioned_by, p.decommission_reason
    FROM process_server AS p
   WHERE p.host_id IN (?) AND p.decommissioned_at <= ?
   ORDER BY p.host_id
     FOR UPDATE`;

/** Param: host ids that are held. */
export const DELETE_LEASES_OF = 'DELETE FROM process_server_lease WHERE host_id IN (?) AND retired = 1';
export const DELETE_HEALTH_OF = 'DELETE FROM process_server_health WHERE host_id IN (?)';

/** Params: pairs of host id and generation, decommissioned at or before. */
export const DELETE_DUE_ENTRIES = 'DELETE FROM process_server WHERE (host_id, generation) IN (?) AND decommissioned_at <= ?';

/** Param: rows. */
export const INSERT_TOMBSTONES = `
  INSERT INTO tombstone (host_id, generation, friendly_name, ip_address, removed_at, removed_by, reason, removal) VALUES ?`;

/** Params: before, limit. */
export const DELETE_OLD_EVENTS = 'DELETE FROM event WHERE at < ? ORDER BY at LIMIT ?';
export const DELETE_OLD_PLANS = 'DELETE FROM purge_plan WHERE expires_at < ? ORDER BY expires_at LIMIT ?';

/** Params: at, replica, removed, error. */
export const RECORD_PASS = `
  INSERT INTO clean_up_pass (id, at, replica, removed, error) VALUES (1, ?, ?, ?, ?)
  ON DUPLICATE KEY UPDATE at = VALUES(at), replica = VALUES(replica), removed = VALUES(removed), error = VALUES(error)`;

export const READ_LAST_PASS = 'SELECT c.at, c.replica, c.removed, c.error FROM clean_up_pass AS c WHERE c.id = 1';

export const READ_OLDEST_DECOMMISSION = `
  SELECT p.decommissioned_at, p.remove_by
    FROM process_server AS p
   WHERE p.decommissioned_at IS NOT NULL
   ORDER BY p.decommissioned_at, p.host_id
   LIMIT 1`;

import type { Due } from '@app/fleet';
import { CLEAN_UP_RUN } from '../entities/fleet-tables.js';
import { PROCESS_SERVER } from '../entities/process-server.js';
import type { RowOf } from '../entities/table.js';

export type DueRow = RowOf<typeof PROCESS_SERVER> & { decommissioned_at: Date };

/** Decommissioned at or before a time on the wall clock or on the availability clock. Params: `dueParameters`. */
const IS_DUE = '(p.decommissioned_at <= ? OR p.decommissioned_available_ms <= ?)';

/** A limit of null matches nothing: the comparison is then unknown. */
export const dueParameters = ({ decommissionedAt, availableMs }: Due): readonly unknown[] => [
  decommissionedAt,
  availableMs,
];

/** Finds due entries, oldest first, without a lock. Params: `dueParameters`, from (twice), after host id, limit. Uses ix_decommissioned_at. */
export const FIND_DUE_ENTRIES = `
  SELECT p.host_id, p.decommissioned_at
    FROM process_server AS p
   WHERE ${IS_DUE} AND p.decommissioned_at >= ? AND (p.decommissioned_at > ? OR p.host_id > ?)
   ORDER BY p.decommissioned_at, p.host_id
   LIMIT ?`;

/**
 * Locks the hosts that no other transaction has locked, in key order. Param: host ids. Locking statements here force the index:
 * when most of a table is due, the server would scan it and wait for rows that other transactions have locked. MySQL scans the
 * index nevertheless if only key columns are selected, so the generation is selected too.
 */
export const LOCK_DUE_LEASES = `
  SELECT l.host_id, l.generation
    FROM process_server_lease AS l FORCE INDEX (PRIMARY)
   WHERE l.host_id IN (?)
   ORDER BY l.host_id
     FOR UPDATE SKIP LOCKED`;

/**
 * Of the locked hosts, the entries that are still due: not those that registered again, and not rows that contradict each other,
 * which are left to the consistency check. Params: host ids, `dueParameters`.
 */
export const LOCK_DUE_ENTRIES = `
  SELECT ${PROCESS_SERVER.of('p')}
    FROM process_server AS p FORCE INDEX (PRIMARY)
   WHERE p.host_id IN (?) AND ${IS_DUE}
     AND EXISTS (SELECT 1 FROM process_server_lease AS l WHERE l.host_id = p.host_id AND l.generation = p.generation AND l.retired = 1)
     AND NOT EXISTS (SELECT 1 FROM tombstone AS t WHERE t.host_id = p.host_id)
   ORDER BY p.host_id
     FOR UPDATE`;

/** Deletes the health rows of hosts whose leases are locked, before the leases. Param: host ids. */
export const DELETE_HEALTH_OF = `
  DELETE h FROM process_server_lease AS l FORCE INDEX (PRIMARY)
  STRAIGHT_JOIN process_server_health AS h FORCE INDEX (PRIMARY) ON h.host_id = l.host_id
   WHERE l.host_id IN (?) AND l.retired = 1`;
/** Param: locked host ids. */
export const DELETE_LEASES_OF =
  'DELETE l FROM process_server_lease AS l FORCE INDEX (PRIMARY) WHERE l.host_id IN (?) AND l.retired = 1';

/** Params: pairs of host id and generation, `dueParameters`. */
export const DELETE_DUE_ENTRIES = `
  DELETE p FROM process_server AS p FORCE INDEX (PRIMARY)
   WHERE (p.host_id, p.generation) IN (?) AND ${IS_DUE}`;

/** Params: before, limit. */
export const DELETE_OLD_EVENTS = 'DELETE FROM event WHERE at < ? ORDER BY at LIMIT ?';
export const DELETE_OLD_PLANS = 'DELETE FROM purge_plan WHERE expires_at < ? ORDER BY expires_at LIMIT ?';

/** Params: at, replica, removed, error. */
export const RECORD_RUN = `
  INSERT INTO clean_up_run (id, at, replica, removed, error) VALUES (1, ?, ?, ?, ?)
  ON DUPLICATE KEY UPDATE at = VALUES(at), replica = VALUES(replica), removed = VALUES(removed), error = VALUES(error)`;

export const READ_LAST_RUN = `SELECT ${CLEAN_UP_RUN.of('c')} FROM clean_up_run AS c WHERE c.id = 1`;

export const READ_OLDEST_DECOMMISSION = `
  SELECT p.decommissioned_at, p.remove_by
    FROM process_server AS p
   WHERE p.decommissioned_at IS NOT NULL
   ORDER BY p.decommissioned_at, p.host_id
   LIMIT 1`;

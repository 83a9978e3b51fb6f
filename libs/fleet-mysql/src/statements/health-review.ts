import { ENTRY_COLUMNS, type EntryRow } from './rows.js';
import type { HEALTH, LEASE } from '../entities/process-server.js';
import type { RowOf } from '../entities/table.js';

/** Params: host ids. */
export const MARK_REVIEW_DUE = `
  UPDATE process_server_health AS h FORCE INDEX (PRIMARY) SET h.review_due = 1 WHERE h.host_id IN (?) ORDER BY h.host_id`;

/** Params: after host id, limit. */
export const FIND_REVIEW_DUE = `
  SELECT h.host_id FROM process_server_health AS h FORCE INDEX (ix_review_due)
   WHERE h.review_due = 1 AND h.host_id > ? ORDER BY h.host_id LIMIT ?`;

export type ReviewRow = EntryRow &
  Pick<RowOf<typeof HEALTH>, 'published_health' | 'published_errors'> &
  Pick<RowOf<typeof LEASE>, 'event_bounds'>;

/** Locks entries that no other transaction has locked, the lease row first. Param: host ids. */
export const LOCK_REVIEW_DUE = `
  SELECT ${ENTRY_COLUMNS}, h.published_health, h.published_errors, l.event_bounds
    FROM process_server_lease AS l FORCE INDEX (PRIMARY)
   STRAIGHT_JOIN process_server_health AS h FORCE INDEX (PRIMARY) ON h.host_id = l.host_id
   STRAIGHT_JOIN process_server AS p FORCE INDEX (PRIMARY) ON p.host_id = l.host_id
   WHERE l.host_id IN (?) AND h.review_due = 1
   ORDER BY l.host_id
     FOR UPDATE SKIP LOCKED`;

/** Params: the published values as a JSON array of arrays. */
export const PUBLISH_HEALTH = `
  UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
           host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin PATH '$[0]',
           health TINYINT UNSIGNED PATH '$[1]',
           errors SMALLINT UNSIGNED PATH '$[2]',
           due TINYINT UNSIGNED PATH '$[3]')) AS b
  STRAIGHT_JOIN process_server_health AS h FORCE INDEX (PRIMARY) ON h.host_id = b.host_id
     SET h.published_health = b.health, h.published_errors = b.errors, h.review_due = IF(b.due = 1, 1, NULL)`;

/** A report that becomes old changes the health of a Connected process server only. */
const agedReport = (index: string, condition: string, column: string): string => `
  SELECT h.host_id, h.${column} AS position_ms
    FROM process_server_health AS h FORCE INDEX (${index})
   STRAIGHT_JOIN process_server_lease AS l ON l.host_id = h.host_id
   WHERE ${condition} AND l.expires_available_ms > ?
     AND h.${column} >= ? AND (h.${column} > ? OR h.host_id > ?) AND h.${column} <= ?
   ORDER BY h.${column}, h.host_id
   LIMIT ?`;

/** Params: the lowest and the highest bucket, available ms, from (twice), host id, to, limit. */
export const FIND_AGED_LOADS = agedReport(
  'ix_load',
  'h.load_severity IN (1, 2, 3) AND h.load_report_bucket BETWEEN ? AND ?',
  'load_available_ms',
);
/** Params: available ms, from (twice), host id, to, limit. */
export const FIND_AGED_SERVICES = agedReport(
  'ix_services_down',
  'h.services_down_at IS NOT NULL',
  'services_available_ms',
);
/** Params: expires before, available ms, from (twice), host id, to, limit. */
export const FIND_AGED_CERTIFICATES = agedReport(
  'ix_certificate_expiry',
  'h.certificate_expires_at < ?',
  'certificate_available_ms',
);
/** Params: from (twice), host id, to, limit. */
export const FIND_SILENT = `
  SELECT l.host_id, l.last_seen_available_ms AS position_ms
    FROM process_server_lease AS l FORCE INDEX (ix_last_seen)
   WHERE l.last_seen_available_ms >= ? AND (l.last_seen_available_ms > ? OR l.host_id > ?) AND l.last_seen_available_ms <= ?
   ORDER BY l.last_seen_available_ms, l.host_id
   LIMIT ?`;

import { SITE } from '../entities/fleet-tables.js';

export const SITE_RECORD = SITE.omit('id');

/** The single row of the site. It is absent until the first server creates it. */
export const READ_SITE = `SELECT ${SITE_RECORD.of('s')} FROM site AS s WHERE s.id = 1`;
/** Locks the row until the end of the transaction. */
export const LOCK_SITE = `${READ_SITE} FOR UPDATE`;
/** The first replica's row is kept. Params: site id, epoch id. */
export const INSERT_SITE_IF_ABSENT =
  'INSERT IGNORE INTO site (id, site_id, epoch, epoch_id, generation_floor, unfinished) VALUES (1, ?, 0, ?, 0, 0)';
/** Params: epoch, epoch id, generation floor, at. */
export const BEGIN_EPOCH =
  'UPDATE site AS s SET s.epoch = ?, s.epoch_id = ?, s.generation_floor = ?, s.restored_at = ?, s.unfinished = 1 WHERE s.id = 1';
/** Param: epoch id. */
export const FINISH_EPOCH = 'UPDATE site AS s SET s.unfinished = 0 WHERE s.id = 1 AND s.epoch_id = ?';

/** The highest generation of an entry, a lease or a tombstone. No index has generations: each restore reads every row. */
export const READ_HIGHEST_GENERATION = `
  SELECT MAX(x.generation) AS highest
    FROM (SELECT MAX(p.generation) AS generation FROM process_server AS p
          UNION ALL SELECT MAX(l.generation) FROM process_server_lease AS l
          UNION ALL SELECT MAX(t.generation) FROM tombstone AS t) AS x`;

/** Param: at. Matches the keys that are not revoked, expired ones included. */
export const REVOKE_ALL_KEYS = 'UPDATE api_key AS k SET k.revoked_at = ? WHERE k.revoked_at IS NULL';
/** A known passphrase becomes valid again and keeps its id. Params: id, hash, created at. */
export const MAKE_PASSPHRASE_VALID = `
  INSERT INTO passphrase (id, hash, created_at) VALUES (?, ?, ?)
  ON DUPLICATE KEY UPDATE expires_at = NULL`;
/** Expires the plans that were not applied. Params: at (twice). */
export const EXPIRE_PLANS = 'UPDATE purge_plan AS g SET g.expires_at = ? WHERE g.result IS NULL AND g.expires_at > ?';
/** Params: after host id, up to host id, generation floor. */
export const REVOKE_LEASES = `
  UPDATE process_server_lease AS l FORCE INDEX (PRIMARY)
     SET l.revoked = 1
   WHERE l.host_id > ? AND l.host_id <= ? AND l.generation <= ? AND l.revoked = 0`;
/** The last host id of a range of leases. Params: after host id, number of leases minus one. */
export const READ_END_OF_LEASES =
  'SELECT l.host_id FROM process_server_lease AS l WHERE l.host_id > ? ORDER BY l.host_id LIMIT 1 OFFSET ?';

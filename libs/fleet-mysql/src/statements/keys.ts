import { nameKey, type ApiKey } from '@app/fleet';
import type { GuardedStatement } from '../database.js';
import { API_KEY, PASSPHRASE } from '../entities/fleet-tables.js';
import type { RowOf } from '../entities/table.js';

/**
 * Every change of keys or passphrases writes this row first, so that its decision is based on the current state: on one server
 * concurrent changes wait, on a cluster only one of them commits. Params: event id, now.
 */
export const LOCK_KEY_RING = `
  INSERT INTO shared_secret (name, value, created_at) VALUES ('key_ring', ?, ?)
  ON DUPLICATE KEY UPDATE value = VALUES(value), created_at = VALUES(created_at)`;

const KEY = API_KEY.omit('name_key', 'hash');
export type KeyRow = RowOf<typeof KEY>;
const KEY_COLUMNS = KEY.of('k');
const PLAIN_KEY = KEY.omit('id');
const NEW_KEY = PLAIN_KEY.omit('revoked_at', 'last_used_at');
type NewApiKey = Omit<ApiKey, 'revokedAt' | 'lastUsedAt'>;

/** Param: name key. Uses uq_name_key. */
export const READ_KEY_BY_NAME = `SELECT ${KEY_COLUMNS} FROM api_key AS k WHERE k.name_key = ?`;
/** Param: id. */
export const READ_KEY_BY_ID = `SELECT ${KEY_COLUMNS} FROM api_key AS k WHERE k.id = ?`;
/** Counts the other valid admin keys that expire no earlier than the given key. Params: id of the given key, now, its expiry or null. */
export const COUNT_OTHER_ADMIN_KEYS = `
  SELECT COUNT(*) AS others
    FROM api_key AS k
   WHERE k.role = 'admin' AND k.id <> ? AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR (k.expires_at > ? AND k.expires_at >= ?))`;
/** Params: after id, limit. */
export const READ_KEYS = `SELECT ${KEY_COLUMNS} FROM api_key AS k WHERE k.id > ? ORDER BY k.id LIMIT ?`;
/** Params: hash, now. Uses uq_hash. */
export const FIND_VALID_KEY_BY_HASH = `
  SELECT k.id, k.name, k.role
    FROM api_key AS k
   WHERE k.hash = ? AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > ?)`;

/** Params: name key, now. */
export const READ_VALID_KEY =
  'SELECT k.id FROM api_key AS k WHERE k.name_key = ? AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > ?)';

export const toApiKey = (row: KeyRow): ApiKey => PLAIN_KEY.toDomain(row, { keyId: row.id });
export const insertKey = (key: NewApiKey, hash: Buffer): GuardedStatement =>
  API_KEY.insert([NEW_KEY.toRow(key, { id: key.keyId, name_key: nameKey(key.name), hash })]);
/** Params: at, id. */
export const REVOKE_KEY = 'UPDATE api_key AS k SET k.revoked_at = ? WHERE k.id = ? AND k.revoked_at IS NULL';
/** Params: at (twice), id. */
export const RECORD_KEY_USE =
  'UPDATE api_key AS k SET k.last_used_at = GREATEST(COALESCE(k.last_used_at, ?), ?) WHERE k.id = ?';

const SHOWN_PASSPHRASE = PASSPHRASE.omit('hash');
export type PassphraseRow = RowOf<typeof SHOWN_PASSPHRASE>;

/** Param: now. */
export const READ_VALID_PASSPHRASES = `SELECT ${PASSPHRASE.of('s')} FROM passphrase AS s WHERE s.expires_at IS NULL OR s.expires_at > ? ORDER BY s.id`;
/** Params: now, hash. Returns a row for a passphrase that is or was valid. */
export const READ_PASSPHRASE_STATE =
  'SELECT s.expires_at IS NULL OR s.expires_at > ? AS is_valid FROM passphrase AS s WHERE s.hash = ?';
/** Param: ids. None of them can be retired until the transaction ends. */
export const LOCK_PASSPHRASES = 'SELECT s.id, s.expires_at FROM passphrase AS s WHERE s.id IN (?) LOCK IN SHARE MODE';
/** Params: after id, limit. */
export const READ_PASSPHRASES = `SELECT ${SHOWN_PASSPHRASE.of('s')} FROM passphrase AS s WHERE s.id > ? ORDER BY s.id LIMIT ?`;
/** Params: at (twice). */
export const EXPIRE_PASSPHRASES = 'UPDATE passphrase AS s SET s.expires_at = LEAST(COALESCE(s.expires_at, ?), ?)';

import type { Enrolment } from '@app/fleet';
import type { GuardedStatement } from '../database.js';
import { ENROLMENT } from '../entities/fleet-tables.js';
import type { RowOf } from '../entities/table.js';

const SHOWN = ENROLMENT.omit('hash');
const PLAIN = SHOWN.omit('id');
export type EnrolmentRow = RowOf<typeof SHOWN>;
const COLUMNS = SHOWN.of('n');

export const toEnrolment = (row: EnrolmentRow): Enrolment => PLAIN.toDomain(row, { enrolmentId: row.id });

/** Param: id. */
export const READ_ENROLMENT = `SELECT ${COLUMNS} FROM enrolment AS n WHERE n.id = ?`;
export const LOCK_ENROLMENT = `${READ_ENROLMENT} FOR UPDATE`;
/** Param: hash. Uses uq_hash. */
export const FIND_ENROLMENT_BY_HASH = `SELECT ${COLUMNS} FROM enrolment AS n WHERE n.hash = ?`;
/** Params: after id, limit. */
export const READ_ENROLMENTS = `SELECT ${COLUMNS} FROM enrolment AS n WHERE n.id > ? ORDER BY n.id LIMIT ?`;
/** In key order: no registration and no revocation changes these until the transaction ends. Param: ids. */
export const LOCK_ENROLMENTS = `SELECT ${COLUMNS} FROM enrolment AS n FORCE INDEX (PRIMARY) WHERE n.id IN (?) ORDER BY n.id FOR UPDATE`;

/** Params: registrations, id, registrations. Matches 1 while the enrolment permits this many more. */
const COUNT_REGISTRATIONS = `
  UPDATE enrolment AS n
     SET n.registrations = n.registrations + ?
   WHERE n.id = ? AND n.revoked_at IS NULL AND n.registrations + ? <= n.max_registrations`;

export const countRegistrations = (enrolmentId: string, registrations: number): GuardedStatement => ({
  sql: COUNT_REGISTRATIONS,
  parameters: [registrations, enrolmentId, registrations],
  expectedRows: 1,
});

/** Params: at, by, id. Matches 1 unless it is revoked. */
const REVOKE_ENROLMENT =
  'UPDATE enrolment AS n SET n.revoked_at = ?, n.revoked_by = ? WHERE n.id = ? AND n.revoked_at IS NULL';
/** Params: at, by. */
export const REVOKE_ALL_ENROLMENTS =
  'UPDATE enrolment AS n SET n.revoked_at = ?, n.revoked_by = ? WHERE n.revoked_at IS NULL';

export const insertEnrolment = (enrolment: Enrolment, tokenHash: string): GuardedStatement =>
  ENROLMENT.insert([PLAIN.toRow(enrolment, { id: enrolment.enrolmentId, hash: Buffer.from(tokenHash, 'hex') })]);

export const revokeEnrolment = ({ enrolmentId, revokedAt, revokedBy }: Enrolment): GuardedStatement => ({
  sql: REVOKE_ENROLMENT,
  parameters: [revokedAt, revokedBy, enrolmentId],
  expectedRows: 1,
});

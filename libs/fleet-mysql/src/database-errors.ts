export const ER_LOCK_WAIT_TIMEOUT = 1205;
/** A deadlock; on a Galera node also a transaction that failed certification. The server has rolled the transaction back. */
export const ER_LOCK_DEADLOCK = 1213;
/** The server failed in COMMIT. On a Galera node it has committed in some cases. */
const ER_ERROR_DURING_COMMIT = 1180;
/** A row changed since it was read. */
export const ER_CHECKREAD = 1020;
export const ER_DUP_ENTRY = 1062;

/** The server takes no writes for now: it is read only, or a Galera node without its cluster. */
const READ_ONLY_ERRORS = new Set([1290, 1836, 1792, 1047]);

/**
 * Deadlock or failed certification, lock wait, a row that changed since it was read, a COMMIT that failed; and a server that
 * takes no writes for now: see above, no connection to spare for us, disk or table full.
 */
const RETRYABLE_ERRORS = new Set([
  ER_LOCK_DEADLOCK,
  ER_LOCK_WAIT_TIMEOUT,
  ER_CHECKREAD,
  ER_ERROR_DURING_COMMIT,
  ...READ_ONLY_ERRORS,
  1203,
  1226,
  1021,
  1114,
]);
/** The server is going, or it ended our connection or query, or it has no connection to spare. */
const CONNECTION_ERRORS = new Set([1053, 1077, 1079, 1152, 1159, 1161, 1317, 1927, 1040, 1158, 1160]);
const CONNECTION_CODES = new Set([
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_SEQUENCE_TIMEOUT',
  'PROTOCOL_ENQUEUE_AFTER_FATAL_ERROR',
  'PROTOCOL_PACKETS_OUT_OF_ORDER',
  'HANDSHAKE_ERROR',
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ENOENT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
]);

const property = (error: unknown, name: string): unknown =>
  typeof error === 'object' && error !== null ? (error as Record<string, unknown>)[name] : undefined;

/** The server's error number; 0 for what is not the server's. */
export function errorNumber(error: unknown): number {
  const number = property(error, 'errno');
  return typeof number === 'number' ? number : 0;
}

/** The user may not do it: to a database, a table, a column, or at all. */
const PRIVILEGE_ERRORS = new Set([1044, 1142, 1143, 1227, 1370]);
export const isMissingPrivilege = (error: unknown): boolean => PRIVILEGE_ERRORS.has(errorNumber(error));

export const isDuplicateKey = (error: unknown): boolean => errorNumber(error) === ER_DUP_ENTRY;

/** Whether the server refused it as a server that takes no writes; of a COMMIT, its cause tells. */
export const isWriteRejected = (error: unknown): boolean =>
  READ_ONLY_ERRORS.has(errorNumber(error)) || (error instanceof CommitOutcomeUnknown && isWriteRejected(error.cause));

/** The connection cannot be used again; during COMMIT it says that the outcome is unknown. */
export function isConnectionLost(error: unknown): boolean {
  const code = property(error, 'code');
  const closed =
    error instanceof Error && /closed state|connection is closed|Connection lost|Pool is closed/i.test(error.message);
  return (
    closed ||
    property(error, 'fatal') === true ||
    CONNECTION_ERRORS.has(errorNumber(error)) ||
    (typeof code === 'string' && CONNECTION_CODES.has(code))
  );
}

/** The whole transaction may succeed when it is tried again. */
export const isTransient = (error: unknown): boolean =>
  RETRYABLE_ERRORS.has(errorNumber(error)) || isConnectionLost(error);

/** In answer to COMMIT: the transaction is certainly not committed. Any other error leaves that open. */
export const isRolledBack = (error: unknown): boolean => errorNumber(error) === ER_LOCK_DEADLOCK;

/** COMMIT was sent, and no answer says what became of it. The connection is given up. */
export class CommitOutcomeUnknown extends Error {
  readonly fatal = true;

  constructor(cause: unknown) {
    super('the outcome of a COMMIT is unknown', { cause });
  }
}

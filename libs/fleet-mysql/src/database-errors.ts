export const ER_LOCK_WAIT_TIMEOUT = 1205;
/** Deadlock, or failed certification on a Galera node. The server has rolled the transaction back. */
export const ER_LOCK_DEADLOCK = 1213;
/** COMMIT failed. A Galera node may have committed nevertheless. */
const ER_ERROR_DURING_COMMIT = 1180;
/** The row changed after it was read. */
export const ER_CHECKREAD = 1020;
export const ER_DUP_ENTRY = 1062;

/** The server rejects writes: it is read only, or a Galera node outside of the primary component. */
const READ_ONLY_ERRORS = new Set([1290, 1836, 1792, 1047]);

/**
 * Deadlock or failed certification, lock wait, a row that changed after it was read, a failed COMMIT; and a server that cannot
 * write at present: read only, user at its connection limit (1203, 1226), disk full (1021), table full (1114).
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
/** The server shuts down, ended the connection or the query, or is at its connection limit. */
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

/** Error number of the server; 0 for other errors. */
export function errorNumber(error: unknown): number {
  const number = property(error, 'errno');
  return typeof number === 'number' ? number : 0;
}

/** The user lacks a privilege on a database, table, column or routine, or a global one. */
const PRIVILEGE_ERRORS = new Set([1044, 1142, 1143, 1227, 1370]);
export const isMissingPrivilege = (error: unknown): boolean => PRIVILEGE_ERRORS.has(errorNumber(error));

export const isDuplicateKey = (error: unknown): boolean => errorNumber(error) === ER_DUP_ENTRY;

/** Whether the server rejects writes. For a COMMIT of unknown outcome, the cause is checked. */
export const isWriteRejected = (error: unknown): boolean =>
  READ_ONLY_ERRORS.has(errorNumber(error)) || (error instanceof CommitOutcomeUnknown && isWriteRejected(error.cause));

/** The connection cannot be used again. During COMMIT, the outcome is then unknown. */
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

/** A retry of the whole transaction may succeed. */
export const isTransient = (error: unknown): boolean =>
  RETRYABLE_ERRORS.has(errorNumber(error)) || isConnectionLost(error);

/** The error of a COMMIT proves that the transaction was rolled back. Every other error leaves the outcome unknown. */
export const isRolledBack = (error: unknown): boolean => errorNumber(error) === ER_LOCK_DEADLOCK;

/** COMMIT was sent and its outcome is unknown. The connection is destroyed. */
export class CommitOutcomeUnknown extends Error {
  readonly fatal = true;

  constructor(cause: unknown) {
    super('the outcome of a COMMIT is unknown', { cause });
  }
}

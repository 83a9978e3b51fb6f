import type { EventEmitter } from 'node:events';
import { pino, type DestinationStream, type Logger } from 'pino';

/** An error in the log, without the statement of a failed query, which contains the values of all hosts in its batch. */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error) && !(typeof error === 'object' && error !== null && 'message' in error)) return error;
  const { name, message, stack, code, errno, cause } = error as Error & { code?: unknown; errno?: unknown };
  return {
    name,
    message,
    ...(code !== undefined && { code }),
    ...(errno !== undefined && { errno }),
    stack,
    ...(cause !== undefined && { cause: serializeError(cause) }),
  };
}

/** JSON lines with RFC 3339 timestamps. */
export function createLogger(level: string, destination: DestinationStream): Logger {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: serializeError } },
    destination,
  );
}

/** Maximum of buffered bytes while log lines cannot be written (full disk, unread pipe); further lines are lost. */
const MAX_LOG_BUFFER_BYTES = 1_048_576;

/** The log of a program, on standard error. A closed terminal or a full disk loses log lines, but does not stop the program. */
export function openServerLog(level: string): Logger {
  const log = pino.destination({ dest: 2, sync: true, maxLength: MAX_LOG_BUFFER_BYTES, retryEAGAIN: () => false });
  const outputs: EventEmitter[] = [process.stdout, process.stderr, log];
  for (const output of outputs) output.on('error', () => undefined);
  return createLogger(level, log);
}

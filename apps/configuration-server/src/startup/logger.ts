import type { EventEmitter } from 'node:events';
import { pino, type DestinationStream, type Logger } from 'pino';

/** What a log line says of an error: never the statement of a failed query, for it carries the values of everybody in its group. */
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

/** JSON lines with RFC 3339 instants. */
export function createLogger(level: string, destination: DestinationStream): Logger {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers: { err: serializeError } },
    destination,
  );
}

/** Of log lines that cannot be written, e.g. to a full disk or to a pipe that nobody reads, so many bytes wait; the rest is lost. */
const MAX_LOG_BUFFER_BYTES = 1_048_576;

/** The log of a program, on its standard error. A closed terminal or a full disk costs lines of output, and not the program. */
export function openServerLog(level: string): Logger {
  const log = pino.destination({ dest: 2, sync: true, maxLength: MAX_LOG_BUFFER_BYTES, retryEAGAIN: () => false });
  const outputs: EventEmitter[] = [process.stdout, process.stderr, log];
  for (const output of outputs) output.on('error', () => undefined);
  return createLogger(level, log);
}

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

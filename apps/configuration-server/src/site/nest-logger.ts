import type { LoggerService } from '@nestjs/common';
import type { Logger } from 'pino';

/** Writes Nest's messages to the log of the server; those about each module and route of a start are for debugging. */
export function nestLogger(logger: Logger): LoggerService {
  const write =
    (level: 'debug' | 'warn' | 'error' | 'fatal') =>
    (message: unknown, ...details: readonly unknown[]): void =>
      message instanceof Error
        ? logger[level]({ err: message }, message.message)
        : logger[level]({ details }, String(message));
  return { log: write('debug'), warn: write('warn'), error: write('error'), fatal: write('fatal') };
}

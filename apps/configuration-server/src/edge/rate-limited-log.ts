import type { Logger } from 'pino';
import type { Clock } from '@app/fleet';
import { WindowCounter } from '../window-counter.js';

const WINDOW_MS = 60_000;

/** Warnings that outsiders cause: of each message at most so many lines a minute, so that they do not fill the disk. */
export class RateLimitedLog {
  private readonly lines: WindowCounter;
  /** Lines that were not written so far. */
  suppressed = 0;

  constructor(
    private readonly logger: Pick<Logger, 'warn'>,
    clock: Pick<Clock, 'monotonicMs'>,
    private readonly maxPerMinute = 60,
  ) {
    this.lines = new WindowCounter(WINDOW_MS, clock);
  }

  /** The last line of a message in a minute says so; `cs_log_lines_suppressed_total` counts the others. */
  warn(facts: Readonly<Record<string, unknown>>, message: string): void {
    const lines = this.lines.add(message);
    if (lines < this.maxPerMinute) this.logger.warn(facts, message);
    else if (lines === this.maxPerMinute) this.logger.warn({ ...facts, furtherLinesSuppressed: true }, message);
    else this.suppressed += 1;
  }
}

import type { Logger } from 'pino';
import { WindowCounter, type Clock } from '@app/fleet';

const WINDOW_MS = 60_000;

/** Limits warnings that each call can cause to a number of lines a minute for each message, so that they cannot fill the disk. */
export class RateLimitedLog {
  private readonly lines: WindowCounter;
  /** Number of suppressed lines. */
  suppressed = 0;

  constructor(
    private readonly logger: Pick<Logger, 'warn'>,
    clock: Pick<Clock, 'monotonicMs'>,
    private readonly maxPerMinute = 60,
  ) {
    this.lines = new WindowCounter(WINDOW_MS, clock);
  }

  /** The last line of a message in a minute announces the suppression; `cs_log_lines_suppressed_total` counts the suppressed lines. */
  warn(facts: Readonly<Record<string, unknown>>, message: string): void {
    const lines = this.lines.add(message);
    if (lines < this.maxPerMinute) this.logger.warn(facts, message);
    else if (lines === this.maxPerMinute) this.logger.warn({ ...facts, furtherLinesSuppressed: true }, message);
    else this.suppressed += 1;
  }
}

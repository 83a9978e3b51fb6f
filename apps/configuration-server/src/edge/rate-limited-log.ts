import type { Logger } from 'pino';
import type { Clock } from '@app/fleet';

const WINDOW_MS = 60_000;

/** Warnings that outsiders cause: of each message at most so many lines a minute, so that they do not fill the disk. */
export class RateLimitedLog {
  private windowEndsMs = 0;
  private readonly lines = new Map<string, number>();
  /** Lines that were not written so far. */
  suppressed = 0;

  constructor(
    private readonly logger: Pick<Logger, 'warn'>,
    private readonly clock: Pick<Clock, 'monotonicMs'>,
    private readonly maxPerMinute = 60,
  ) {}

  /** The last line of a message in a minute says so; `cs_log_lines_suppressed_total` counts the others. */
  warn(facts: Readonly<Record<string, unknown>>, message: string): void {
    const now = this.clock.monotonicMs();
    if (now >= this.windowEndsMs) {
      this.windowEndsMs = now + WINDOW_MS;
      this.lines.clear();
    }
    const lines = (this.lines.get(message) ?? 0) + 1;
    this.lines.set(message, lines);
    if (lines < this.maxPerMinute) this.logger.warn(facts, message);
    else if (lines === this.maxPerMinute) this.logger.warn({ ...facts, furtherLinesSuppressed: true }, message);
    else this.suppressed += 1;
  }
}

import type { Logger } from 'pino';

/** Delay until the next run, depending on whether this one failed. */
export type JobDelay = number | ((failed: boolean) => number);

/** Repeats one task, never concurrently; a failure is logged and the task is repeated. */
export class PeriodicJob {
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;
  private failing = false;

  constructor(
    private readonly name: string,
    private readonly delayMs: JobDelay,
    private readonly task: () => Promise<unknown>,
    private readonly logger: Logger,
  ) {}

  /** The first run starts immediately. */
  start(): void {
    this.running = this.runOnce();
  }

  /** Resolves when the current run has ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    if (this.timer) clearTimeout(this.timer);
    await this.running;
  }

  private async runOnce(): Promise<void> {
    try {
      await this.task();
      if (this.failing) this.logger.info({ job: this.name }, 'job works again');
      this.failing = false;
    } catch (error) {
      if (!this.failing) this.logger.warn({ job: this.name, err: error }, 'job failed and will be retried');
      this.failing = true;
    }
    if (this.stopped) return;
    const delayMs = typeof this.delayMs === 'number' ? this.delayMs : this.delayMs(this.failing);
    this.timer = setTimeout(() => (this.running = this.runOnce()), delayMs);
  }
}

import type { Logger } from 'pino';
import { PeriodicJob, type JobDelay } from './periodic-job.js';

/** The periodic jobs of all modules, which start together after the last module has started. */
export class Jobs {
  private readonly jobs: PeriodicJob[] = [];

  constructor(private readonly logger: Logger) {}

  add(name: string, delayMs: JobDelay, task: () => Promise<unknown>): void {
    this.jobs.push(new PeriodicJob(name, delayMs, task, this.logger));
  }

  start(): void {
    for (const job of this.jobs) job.start();
  }

  /** Resolves when the current runs have ended. */
  async stop(): Promise<void> {
    await Promise.all(this.jobs.map((job) => job.stop()));
  }
}

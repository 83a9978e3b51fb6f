import type { Logger } from 'pino';
import type { CleanUp, CleanUpDeadlineMonitor } from '@app/fleet';

/** Runs the clean-up, and counts its results for the metrics. */
export class CleanUpJob {
  removed = 0;
  failedRuns = 0;

  constructor(
    private readonly cleanUp: CleanUp,
    private readonly deadlineMonitor: CleanUpDeadlineMonitor,
    private readonly logger: Logger,
  ) {}

  async run(): Promise<void> {
    try {
      const { removed } = await this.cleanUp.run();
      this.removed += removed;
      if (removed > 0) this.logger.info({ removed }, 'decommissioned entries removed');
    } catch (error) {
      this.failedRuns += 1;
      throw error;
    } finally {
      const overdueSeconds = await this.deadlineMonitor.overdueSeconds().catch(() => 0); // the run itself reports an unavailable database
      if (overdueSeconds > 0) this.logger.error({ overdueSeconds }, 'a decommissioned entry is overdue for removal');
    }
  }
}

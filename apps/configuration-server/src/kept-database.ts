import type { Logger } from 'pino';
import { isRunning, openPrivateDatabase, type PrivateDatabase } from '@app/platform';
import { PeriodicJob } from './operations/periodic-job.js';

const WATCH_INTERVAL_MS = 500;

/** The private database for as long as we serve: when it dies, it is started again on its data, and recovers what it acknowledged. */
export class DatabaseSupervisor {
  private readonly watchJob: PeriodicJob;

  private constructor(
    private database: PrivateDatabase,
    private readonly directory: string,
    private readonly logger: Logger,
    private readonly progress: (line: string) => void,
  ) {
    this.watchJob = new PeriodicJob(
      'database-watch',
      () => this.restartIfExited(),
      () => WATCH_INTERVAL_MS,
      logger,
    );
    this.watchJob.start();
  }

  static async open(directory: string, logger: Logger, progress: (line: string) => void): Promise<DatabaseSupervisor> {
    return new DatabaseSupervisor(
      await openPrivateDatabase({ directory, profile: 'production', progress }),
      directory,
      logger,
      progress,
    );
  }

  get address(): PrivateDatabase['address'] {
    return this.database.address;
  }

  async stop(): Promise<void> {
    await this.watchJob.stop();
    await this.database.stop();
  }

  private async restartIfExited(): Promise<void> {
    if (isRunning(this.database.pid)) return;
    this.logger.error({ pid: this.database.pid }, 'the private database has ended by itself; starting it again');
    this.database = await openPrivateDatabase({
      directory: this.directory,
      profile: 'production',
      progress: this.progress,
    });
    this.logger.info({ pid: this.database.pid }, 'the private database runs again');
  }
}

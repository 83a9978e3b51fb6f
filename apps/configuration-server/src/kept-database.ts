import type { Logger } from 'pino';
import { isRunning, openPrivateDatabase, type PrivateDatabase } from '@app/platform';
import { RepeatingJob } from './jobs/repeating-job.js';

const LOOK_EVERY_MS = 500;

/** The private database for as long as we serve: when it dies, it is started again on its data, and recovers what it acknowledged. */
export class KeptDatabase {
  private readonly looking: RepeatingJob;

  private constructor(
    private database: PrivateDatabase,
    private readonly directory: string,
    private readonly logger: Logger,
    private readonly progress: (line: string) => void,
  ) {
    this.looking = new RepeatingJob(
      'keep the private database',
      () => this.look(),
      () => LOOK_EVERY_MS,
      logger,
    );
    this.looking.start();
  }

  static async open(directory: string, logger: Logger, progress: (line: string) => void): Promise<KeptDatabase> {
    return new KeptDatabase(
      await openPrivateDatabase({ directory, size: 'serving', progress }),
      directory,
      logger,
      progress,
    );
  }

  get address(): PrivateDatabase['address'] {
    return this.database.address;
  }

  async stop(): Promise<void> {
    await this.looking.stop();
    await this.database.stop();
  }

  private async look(): Promise<void> {
    if (isRunning(this.database.pid)) return;
    this.logger.error({ pid: this.database.pid }, 'the private database has ended by itself; starting it again');
    this.database = await openPrivateDatabase({ directory: this.directory, size: 'serving', progress: this.progress });
    this.logger.info({ pid: this.database.pid }, 'the private database runs again');
  }
}

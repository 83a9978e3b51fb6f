import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { isProcessRunning } from '@app/platform';
import { openPrivateDatabase, type PrivateDatabase, type PrivateDatabaseOptions } from './private-database.js';

const CHECK_EVERY_MS = 500;

/** A private database that is restarted when it exits, until it is stopped. */
export class SupervisedDatabase {
  private readonly stopping = new AbortController();
  private readonly supervision: Promise<void>;

  private constructor(
    private database: PrivateDatabase,
    private readonly options: PrivateDatabaseOptions,
    private readonly logger: Logger,
  ) {
    this.supervision = this.supervise();
  }

  static async open(options: PrivateDatabaseOptions, logger: Logger): Promise<SupervisedDatabase> {
    return new SupervisedDatabase(await openPrivateDatabase(options), options, logger);
  }

  get address(): PrivateDatabase['address'] {
    return this.database.address;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.supervision;
    await this.database.stop();
  }

  private async supervise(): Promise<void> {
    const { signal } = this.stopping;
    while (await pause(CHECK_EVERY_MS, true, { signal }).catch(() => false)) {
      const { pid } = this.database;
      if (isProcessRunning(pid)) continue;
      this.logger.error({ pid }, 'the private database exited unexpectedly; restarting it');
      try {
        this.database = await openPrivateDatabase(this.options);
        this.logger.info({ pid: this.database.pid }, 'the private database is running again');
      } catch (error) {
        this.logger.error({ err: error }, 'the private database did not start; its start will be retried');
      }
    }
  }
}

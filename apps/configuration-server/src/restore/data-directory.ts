import type { Logger } from 'pino';
import { whileSaying } from '@app/platform';
import type { DirectoryState } from '../fleet/replica-status.js';
import { RepeatingJob } from '../jobs/repeating-job.js';
import type { SecretFiles } from '../secret-files.js';
import { RemovedHostsFile } from './removed-hosts-file.js';
import { SiteHistory, type SiteHistoryParts } from './site-history.js';

const KEEP_EVERY_MS = 10_000;
const DAY_MS = 24 * 3_600_000;

/** How a start treats the database that it finds. */
export interface StartOfHistory {
  readonly isRestored: boolean;
  readonly isNewDatabase: boolean;
  /** Records of removals are kept as long as events. */
  readonly eventRetentionDays: number;
}

/** What a data directory keeps of its site, for the day on which the database is restored from a backup. */
export class DataDirectory implements DirectoryState {
  readonly removedHosts: RemovedHostsFile;
  private history: SiteHistory | null = null;
  private keeping: RepeatingJob | null = null;
  private availableMs: () => number = () => 0;

  constructor(
    private readonly path: string,
    private readonly files: SecretFiles,
    private readonly logger: Logger,
  ) {
    this.removedHosts = new RemovedHostsFile(path, logger);
  }

  get problems(): readonly string[] {
    return this.history?.problems ?? [];
  }

  get advice(): string | null {
    return this.history?.advice ?? null;
  }

  /** Before anything is served: restores where that is asked for, and warns where the database contradicts the directory. */
  async settle(parts: Omit<SiteHistoryParts, 'dataDirectory' | 'files' | 'removedHosts'>, { eventRetentionDays, ...start }: StartOfHistory, progress: (line: string) => void): Promise<void> {
    const { removedHosts, files } = this;
    const history = new SiteHistory({ ...parts, dataDirectory: this.path, files, removedHosts });
    this.history = history;
    const result = await whileSaying(progress, 'Comparing the database with the data directory', history.settle(start));
    if (result) progress(`The database was restored from a backup: epoch ${result.epoch}, ${result.removed} hosts removed again. All process servers register again, with generations above ${result.generationFloor}.`);
    await removedHosts.compact(new Date(parts.clock.now().getTime() - eventRetentionDays * DAY_MS)).catch((error: unknown) => this.logger.warn({ err: error }, 'the records of removed hosts were not compacted'));
    const { problems, advice } = history;
    if (problems.length > 0) this.logger.error({ problems }, advice ?? 'the data directory cannot be used in full');
    if (advice) progress(`\n${advice}`);
  }

  /** From now on what it keeps follows the database. */
  keep(availableMs: () => number): void {
    this.availableMs = availableMs;
    this.keeping = new RepeatingJob('keep the state of the site', () => this.keepOnce(), () => KEEP_EVERY_MS, this.logger);
    this.keeping.start();
  }

  /** Once more, as the last thing. */
  async stop(): Promise<void> {
    if (!this.keeping) return;
    await this.keeping.stop();
    await this.keepOnce();
  }

  private async keepOnce(): Promise<void> {
    await this.history?.keep(this.availableMs());
  }
}

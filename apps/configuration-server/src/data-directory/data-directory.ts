import { join } from 'node:path';
import type { Logger } from 'pino';
import { UnsafeFile, withProgress } from '@app/platform';
import type { DirectoryState } from '../site/app-options.js';
import { PeriodicJob } from '../site/periodic-job.js';
import type { SecretFiles } from './secret-files.js';
import { RemovedHostsFile } from './removed-hosts-file.js';
import { SiteHistory, type RestoreResult, type SiteHistoryParts } from './site-history.js';

const SAVE_INTERVAL_MS = 10_000;

/** How a start treats the existing database. */
export interface DatabaseOrigin {
  readonly isRestored: boolean;
  readonly isNewDatabase: boolean;
}

/** The record of the site that a data directory keeps for a later restore of the database from a backup. */
export class DataDirectory implements DirectoryState {
  readonly removedHosts: RemovedHostsFile;
  private history: SiteHistory | null = null;
  private saveJob: PeriodicJob | null = null;
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

  /** Runs before the server listens: restores if requested, and warns if the database contradicts the directory. */
  async reconcile(
    parts: Omit<SiteHistoryParts, 'dataDirectory' | 'files' | 'removedHosts'>,
    start: DatabaseOrigin,
    progress: (line: string) => void,
  ): Promise<void> {
    const { removedHosts, files } = this;
    const history = new SiteHistory({ ...parts, dataDirectory: this.path, files, removedHosts });
    this.history = history;
    const result = await withProgress(
      progress,
      'Comparing the database with the data directory',
      history.reconcile(start),
    );
    if (result) progress(this.summaryOf(result, start));
    await removedHosts.compact().catch((error: unknown) => {
      if (error instanceof UnsafeFile) throw error;
      this.logger.warn({ err: error }, 'the records of removed hosts were not compacted');
    });
    const { problems, advice } = history;
    if (problems.length > 0) this.logger.error({ problems }, advice ?? 'the data directory is only partly usable');
    if (advice) progress(`\n${advice}`);
  }

  private summaryOf(
    { hasBegun, epoch, generationFloor, removed }: RestoreResult,
    { isRestored }: DatabaseOrigin,
  ): string {
    if (hasBegun)
      return `The database was restored from a backup: epoch ${epoch}, ${removed} hosts removed again. All process servers register again, with generations above ${generationFloor}.`;
    const joined = `The database is in epoch ${epoch}, started by an earlier start or another data directory; ${removed} hosts recorded as removed in this data directory were removed again.`;
    return isRestored
      ? `${joined} No new epoch was started. If a backup was loaded since then, stop the server, remove ${join(this.path, 'site.json')} and start with --restored again.`
      : joined;
  }

  /** From now on the directory record follows the database. */
  startTracking(availableMs: () => number): void {
    this.availableMs = availableMs;
    this.saveJob = new PeriodicJob('site-state-save', SAVE_INTERVAL_MS, () => this.saveState(), this.logger);
    this.saveJob.start();
  }

  /** Final save of the directory record. */
  async stop(): Promise<void> {
    if (!this.saveJob) return;
    await this.saveJob.stop();
    await this.saveState();
  }

  private async saveState(): Promise<void> {
    await this.history?.save(this.availableMs());
  }
}

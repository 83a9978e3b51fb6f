import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import {
  directoryDifference,
  removeAgain,
  wasRestoredElsewhere,
  type Clock,
  type DirectoryDifference,
  type DirectoryRecord,
  type Identifiers,
  type Randomness,
  type Registry,
} from '@app/fleet';
import {
  ConsistencyStore,
  readAvailability,
  RegistryStore,
  RestoreStore,
  PendingWrites,
  type Database,
  type KeyRingStore,
  type SiteRecord,
} from '@app/fleet-mysql';
import { ensurePassphraseHash, stageAdminKey, commitStagedSecrets, type SecretFiles } from './secret-files.js';
import { DirectoryRecordFile } from './directory-record-file.js';
import type { RemovedHostsFile } from './removed-hosts-file.js';

/** Each removed host is looked up in its own transaction; this many run concurrently. */
const REMOVALS_PER_BATCH = 100;

/** A disagreement between the database and the data directory. */
export type SiteProblem =
  DirectoryDifference | 'passphrase_file_unknown' | 'removed_hosts_not_recorded' | 'data_directory_not_writable';

/** How a start brought this data directory into the epoch of the database. */
export interface RestoreResult {
  /** False if another data directory began the epoch, or an earlier start left it unfinished. */
  readonly hasBegun: boolean;
  readonly epoch: number;
  readonly generationFloor: number;
  /** Hosts removed again according to the data directory. */
  readonly removed: number;
}

export interface SiteHistoryParts {
  readonly replica: string;
  readonly dataDirectory: string;
  readonly database: Database;
  readonly clock: Clock;
  readonly identifiers: Identifiers;
  readonly randomness: Randomness;
  readonly keys: KeyRingStore;
  readonly files: SecretFiles;
  readonly removedHosts: RemovedHostsFile;
}

/**
 * Compares the database with the record in the data directory, and starts a new epoch for a database that was restored from a backup.
 * Each step is idempotent: the next start completes one that was killed.
 */
export class SiteHistory {
  private readonly store: RestoreStore;
  private readonly registry: Registry;
  private readonly recordFile: DirectoryRecordFile;
  private record: DirectoryRecord | null = null;
  private difference: DirectoryDifference | null = null;
  private isPassphraseUnknown = false;
  private isUnwritable = false;

  constructor(private readonly parts: SiteHistoryParts) {
    const { database, clock, identifiers } = parts;
    this.store = new RestoreStore(database, clock, identifiers);
    this.registry = new RegistryStore(database, clock, identifiers, new PendingWrites());
    this.recordFile = new DirectoryRecordFile(parts.dataDirectory);
  }

  /**
   * Runs before the server listens. `isRestored`: the operator states that the database is a backup. `isNewDatabase`: this start created
   * the database. Null if nothing was restored. @throws FleetError `generations_exhausted`.
   */
  async reconcile({
    isRestored,
    isNewDatabase,
  }: {
    readonly isRestored: boolean;
    readonly isNewDatabase: boolean;
  }): Promise<RestoreResult | null> {
    const { identifiers, clock, removedHosts } = this.parts;
    const record = isNewDatabase ? null : await this.recordFile.read();
    let site = await this.store.findOrCreate(record?.siteId ?? identifiers.newId(clock.now()));
    removedHosts.siteId = site.siteId;
    const startsEpoch = isRestored && !wasRestoredElsewhere(record, site);
    if (startsEpoch) site = await this.beginEpoch(site, record);
    const isNew = site.isUnfinished || wasRestoredElsewhere(record, site);
    const removed = isNew ? await this.completeEpoch(site) : 0;
    await this.compare(startsEpoch ? null : record, site);
    return isNew ? { hasBegun: startsEpoch, epoch: site.epoch, generationFloor: site.generationFloor, removed } : null;
  }

  /** Advice for the operator; null if a restore is not needed. */
  get advice(): string | null {
    const directory = resolve(this.parts.dataDirectory);
    const problem =
      this.difference ?? (this.isPassphraseUnknown && !this.parts.files.isReplaced ? 'passphrase_file_unknown' : null);
    const restore =
      'Process servers purged, keys revoked and passphrases retired since the backup are valid again. Stop all replicas, and start one with: npm start -- --restored (docs/backup-and-restore.md).';
    switch (problem) {
      case 'data_directory_of_other_site':
        return `The data directory ${directory} belongs to another site than the database. Set DATA_DIRECTORY to the data directory of this site, or to a new one.`;
      case 'database_older_than_data_directory':
        return `The database is older than the data directory ${directory}: it was restored from a backup. ${restore}`;
      case 'passphrase_file_unknown':
        return `The database does not know the passphrase in the data directory ${directory}: it was restored from a backup, or belongs to another site. If it was restored: ${restore}`;
      case null:
        return null;
    }
  }

  /** Problem codes for health checks. */
  get problems(): readonly SiteProblem[] {
    const { files, removedHosts } = this.parts;
    return [
      ...(this.difference ? [this.difference] : []),
      ...(this.isPassphraseUnknown && !files.isReplaced ? (['passphrase_file_unknown'] as const) : []),
      ...(removedHosts.isIncomplete ? (['removed_hosts_not_recorded'] as const) : []),
      ...(this.isUnwritable ? (['data_directory_not_writable'] as const) : []),
    ];
  }

  /** Saves the last committed availability clock, and pending removal records. @throws if the directory is not writable. */
  async save(availableMs: number): Promise<void> {
    await this.parts.removedHosts.flush();
    if (!this.record || this.difference) return;
    this.record = { ...this.record, availableMs: Math.max(availableMs, this.record.availableMs) };
    try {
      await this.recordFile.write(this.record);
      this.isUnwritable = false;
    } catch (error) {
      this.isUnwritable = true;
      throw error;
    }
  }

  private async beginEpoch(site: SiteRecord, record: DirectoryRecord | null): Promise<SiteRecord> {
    const { randomness, replica, keys, files, removedHosts } = this.parts;
    const recorded = [...(await removedHosts.lastRecords()).values()].map(({ generation }) => generation);
    const knownGeneration = recorded.reduce(
      (highest, generation) => Math.max(highest, generation),
      record?.generationFloor ?? 0,
    );
    const passphraseHash = await ensurePassphraseHash(files);
    const adminKey = await stageAdminKey(files);
    await this.store.begin({
      epochId: site.epochId,
      passphraseHash,
      adminKey,
      knownGeneration,
      knownEpoch: record?.epoch ?? 0,
      fraction: randomness.random(),
      replica,
      systemUser: systemUser(),
    });
    await commitStagedSecrets(keys, files);
    return this.store.findOrCreate(site.siteId);
  }

  private async completeEpoch(site: SiteRecord): Promise<number> {
    const { database, clock, identifiers, removedHosts } = this.parts;
    await this.store.revokeLeases(site);
    const records = [...(await removedHosts.lastRecords()).values()];
    let removed = 0;
    for (let from = 0; from < records.length; from += REMOVALS_PER_BATCH) {
      const changes = records
        .slice(from, from + REMOVALS_PER_BATCH)
        .map((record) => this.registry.change(record.hostId, (locked) => removeAgain(record, locked)));
      removed += (await Promise.all(changes)).filter(Boolean).length;
    }
    await new ConsistencyStore(database, clock, identifiers).repairCounters();
    await this.store.finish(site);
    return removed;
  }

  private async compare(
    record: DirectoryRecord | null,
    { siteId, epoch, epochId, generationFloor }: SiteRecord,
  ): Promise<void> {
    const { database, clock, keys, files } = this.parts;
    const { availableMs: availableMs } = await readAvailability(database, clock.now());
    const site = { siteId, epoch, epochId, generationFloor };
    this.difference = directoryDifference(record, site, availableMs);
    const { passphrase } = await files.hashes();
    this.isPassphraseUnknown = passphrase !== null && (await keys.passphraseState(passphrase)) === 'unknown';
    if (record && this.difference)
      this.record = { ...record, databaseIsOlder: this.difference === 'database_older_than_data_directory' };
    else this.record = { ...site, availableMs, databaseIsOlder: false };
    await this.recordFile.write(this.record).catch(() => (this.isUnwritable = true));
  }
}

/** The user of this process, if the system has a name for it. */
function systemUser(): string {
  try {
    return userInfo().username;
  } catch {
    return '';
  }
}

import { readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import {
  lastRemovalRecords,
  RemovalRecorder,
  type ProcessServer,
  type RemovalRecord,
  type Tombstone,
} from '@app/fleet';
import { appendPrivateFile, readPrivateFile, writePrivateFile } from '@app/platform';
import { serializeRemovalRecord, parseRemovalRecord } from './removal-record-line.js';

const FILE_NAME = 'removed-hosts.jsonl';
/** The replica's own file, and copies of the files of other replicas. */
const FILE_PATTERN = /^removed-hosts.*\.jsonl$/;
/** Remembered records prevent duplicates after repeated calls, and are written again after a failed write. */
const MAX_REMEMBERED = 10_000;

/** `removed-hosts.jsonl` of a data directory: one line for each host that this replica removed. */
export class RemovedHostsFile extends RemovalRecorder {
  /** The site of the database; set once it has been read. */
  siteId = '';
  private readonly path: string;
  private readonly recorded = new Set<string>();
  private pendingLines: string[] = [];
  private nextWrite: Promise<void> | null = null;
  private lastWrite: Promise<void> = Promise.resolve();
  private isFailing = false;

  constructor(
    private readonly directory: string,
    private readonly logger: Logger,
  ) {
    super();
    this.path = join(directory, FILE_NAME);
  }

  /** Lines could not be written and are kept in memory. */
  get isIncomplete(): boolean {
    return this.isFailing;
  }

  override recordRemovals(tombstones: readonly Tombstone[]): Promise<void> {
    return this.record(
      tombstones.map(
        ({ hostId, generation, friendlyName, ipAddress, removedAt: at, removedBy: by, reason, removal: change }) => ({
          ...{ siteId: this.siteId, hostId, generation, friendlyName, ipAddress },
          ...{ at, by, reason, change },
        }),
      ),
    );
  }

  override recordRegistration({
    hostId,
    generation,
    registeredAt: at,
    facts: { friendlyName, ipAddress },
  }: ProcessServer): Promise<void> {
    return this.record([
      {
        siteId: this.siteId,
        hostId,
        generation,
        friendlyName,
        ipAddress,
        at,
        by: 'process-server',
        reason: null,
        change: 'registered',
      },
    ]);
  }

  /** Writes the pending lines; lines added during a write are part of the next one. */
  flush(): Promise<void> {
    if (!this.nextWrite) {
      this.nextWrite = this.lastWrite.then(() => {
        this.nextWrite = null;
        return this.write();
      });
      this.lastWrite = this.nextWrite;
    }
    return this.nextWrite;
  }

  /** The last record of each host of this site, over all files of the directory. */
  async lastRecords(): Promise<Map<string, RemovalRecord>> {
    const names = (await readdir(this.directory)).filter((name) => FILE_PATTERN.test(name));
    const read = await Promise.all(
      names.map(async (name) => {
        const path = join(this.directory, name);
        return this.parseRecords(await readText(path), path);
      }),
    );
    return lastRemovalRecords(read.flat(), this.siteId);
  }

  /** Keeps one line for each host. No record expires, because no tombstone does. @throws UnsafeFile */
  async compact(): Promise<void> {
    const text = await readText(this.path);
    const records = this.parseRecords(text, this.path);
    const sites = new Set(records.map(({ siteId }) => siteId));
    const retained = [...sites].flatMap((siteId) => [...lastRemovalRecords(records, siteId).values()]);
    const compacted = retained.map(serializeRemovalRecord).join('');
    if (compacted === text) return;
    await writePrivateFile(`${this.path}.new`, compacted);
    await rename(`${this.path}.new`, this.path);
  }

  private async record(records: readonly RemovalRecord[]): Promise<void> {
    if (this.recorded.size > MAX_REMEMBERED) this.recorded.clear();
    for (const record of records) {
      const key = `${record.hostId} ${record.generation} ${record.change}`;
      if (!this.recorded.has(key)) this.pendingLines.push(serializeRemovalRecord(record));
      this.recorded.add(key);
    }
    await this.flush();
  }

  private async write(): Promise<void> {
    if (this.pendingLines.length === 0) return;
    const lines = this.pendingLines.splice(0);
    try {
      // A failed append may have written a part of a line; the line break ends that line.
      await appendPrivateFile(this.path, (this.isFailing ? '\n' : '') + lines.join(''));
      if (this.isFailing) this.logger.info({ file: this.path }, 'removed hosts are recorded again');
      this.isFailing = false;
    } catch (error) {
      if (!this.isFailing)
        this.logger.error(
          { err: error, file: this.path },
          'removed hosts cannot be recorded in the data directory: a restored database would not have these removals',
        );
      this.isFailing = true;
      this.pendingLines = [...lines, ...this.pendingLines].slice(-MAX_REMEMBERED);
    }
  }

  private parseRecords(text: string, path: string): RemovalRecord[] {
    const lines = text.split('\n').filter((line) => line !== '');
    const records = lines.map(parseRemovalRecord).filter((record) => record !== null);
    if (records.length < lines.length)
      this.logger.warn({ file: path, unusable: lines.length - records.length }, 'invalid lines are skipped');
    return records;
  }
}

/** @throws UnsafeFile */
const readText = async (path: string): Promise<string> => (await readPrivateFile(path, { isSecret: false })) ?? '';

import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { DirectoryRecord } from '@app/fleet';
import { readPrivateFile, UnsafeFile, writePrivateFile } from '@app/platform';

/** `site.json` of a data directory: the state of the database that it was last used with. */
export class DirectoryRecordFile {
  private readonly path: string;

  constructor(dataDirectory: string) {
    this.path = join(dataDirectory, 'site.json');
  }

  /** Null if the file is missing or unreadable. @throws UnsafeFile */
  async read(): Promise<DirectoryRecord | null> {
    try {
      const record = JSON.parse(
        (await readPrivateFile(this.path, { isSecret: false })) ?? 'null',
      ) as Partial<DirectoryRecord> | null;
      const { siteId, epoch, epochId, generationFloor, availableMs, databaseIsOlder } = record ?? {};
      const isComplete =
        typeof siteId === 'string' &&
        typeof epochId === 'string' &&
        [epoch, generationFloor, availableMs].every(Number.isSafeInteger);
      return isComplete
        ? ({
            siteId,
            epoch,
            epochId,
            generationFloor,
            availableMs,
            databaseIsOlder: databaseIsOlder === true,
          } as DirectoryRecord)
        : null;
    } catch (error) {
      if (error instanceof UnsafeFile) throw error;
      return null;
    }
  }

  /** After a crash at any time, the file has the previous content or this one. */
  async write(record: DirectoryRecord): Promise<void> {
    await writePrivateFile(`${this.path}.new`, `${JSON.stringify(record, null, 2)}\n`);
    await rename(`${this.path}.new`, this.path);
  }
}

import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Logger } from 'pino';
import { claimDirectory, SystemRandomness, type Settings } from '@app/platform';
import { makeDataDirectory } from './data-directory.js';
import { bringSchemaUpToDate, openDatabase } from './open-database.js';
import { Undoing } from './undoing.js';

/** `--migrate-only`: makes the schema that of this version and nothing else, for a user whose rights the serving one lacks. @throws CannotStart */
export async function migrateOnly(settings: Settings, logger: Logger, progress: (line: string) => void): Promise<void> {
  const undoing = new Undoing();
  try {
    const dataDirectory = resolve(settings.dataDirectory);
    if (!settings.database) {
      await makeDataDirectory(dataDirectory);
      const claim = await claimDirectory(dataDirectory);
      undoing.add(() => claim.release());
    }
    const parts = { settings, randomness: new SystemRandomness(), logger, progress, undoing };
    const made = await bringSchemaUpToDate(
      await openDatabase(dataDirectory, parts),
      `${hostname()}:${process.pid}`,
      parts,
    );
    progress(
      made.length === 0
        ? 'The schema was up to date already.'
        : `The schema is up to date: ${made.length} migrations made, the last ${made.at(-1)}.`,
    );
  } finally {
    await undoing.run(logger);
  }
}

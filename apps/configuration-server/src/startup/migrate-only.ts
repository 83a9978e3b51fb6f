import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { Logger } from 'pino';
import { lockDirectory, SystemRandomness, type Settings } from '@app/platform';
import { createDataDirectory } from './create-data-directory.js';
import { bringSchemaUpToDate, openDatabase } from './open-database.js';
import { TeardownStack } from './teardown-stack.js';

/** `--migrate-only`: makes the schema that of this version and nothing else, for a user whose rights the serving one lacks. @throws StartupError */
export async function migrateOnly(settings: Settings, logger: Logger, progress: (line: string) => void): Promise<void> {
  const teardown = new TeardownStack();
  try {
    const dataDirectory = resolve(settings.dataDirectory);
    if (!settings.database) {
      await createDataDirectory(dataDirectory);
      const lock = await lockDirectory(dataDirectory);
      teardown.add(() => lock.release());
    }
    const parts = { settings, randomness: new SystemRandomness(), logger, progress, teardown };
    const applied = await bringSchemaUpToDate(
      await openDatabase(dataDirectory, parts),
      `${hostname()}:${process.pid}`,
      parts,
    );
    progress(
      applied.length === 0
        ? 'The schema was up to date already.'
        : `The schema is up to date: ${applied.length} migrations made, the last ${applied.at(-1)}.`,
    );
  } finally {
    await teardown.run(logger);
  }
}

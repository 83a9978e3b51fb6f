import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { SystemRandomness, type ServerSettings } from '@app/platform';
import { bringSchemaUpToDate, openDatabase } from './open-database.js';
import { TeardownStack } from './teardown-stack.js';

/** `--migrate-only`: migrates the schema to this version and exits, for a database user with more rights than the serving one. @throws StartupError */
export async function migrateOnly(
  settings: ServerSettings,
  logger: Logger,
  progress: (line: string) => void,
): Promise<void> {
  const teardown = new TeardownStack();
  try {
    const parts = { settings, randomness: new SystemRandomness(), logger, progress, teardown };
    const applied = await bringSchemaUpToDate(await openDatabase(parts), `${hostname()}:${process.pid}`, parts);
    progress(
      applied.length === 0
        ? 'The schema is up to date: no migrations were pending.'
        : `The schema is up to date: ${applied.length} migrations applied, the last ${applied.at(-1)}.`,
    );
  } finally {
    await teardown.run(logger);
  }
}

import { resolve } from 'node:path';
import type { Logger } from 'pino';
import { readSettings } from '@app/platform';
import { readCommandLine } from './command-line.js';
import { openServerLog } from './logger.js';
import { packageVersion } from '../openapi/openapi-file.js';
import { resolveListenAddress, openSecretFiles } from './start-checks.js';

/** A start without DATABASE_URL: the launcher provides a private database. */
export interface PrivateStart {
  readonly dataDirectory: string;
  readonly isMigration: boolean;
  readonly logger: Logger;
  /** @throws StartupError */
  check(): Promise<void>;
}

/**
 * Null if a database is configured or the options start no server. @throws CommandLineError, SettingsError, StartupError, UnsafeFile:
 * errors that can be found without a database.
 */
export async function privateStart(
  args: readonly string[],
  environment: NodeJS.ProcessEnv,
): Promise<PrivateStart | null> {
  const { help, insecure, migrateOnly: isMigration } = readCommandLine(args);
  if (help) return null;
  const settings = readSettings({ environment, insecure, packageVersion: packageVersion() });
  if (settings.database) return null;
  const dataDirectory = resolve(settings.dataDirectory);
  await openSecretFiles(dataDirectory);
  const check = async (): Promise<void> => {
    if (!isMigration) await resolveListenAddress(settings.http);
  };
  return { dataDirectory, isMigration, logger: openServerLog(settings.logLevel), check };
}

import { mkdir } from 'node:fs/promises';
import { errorMessage } from '@app/platform';
import { StartupError } from './startup-error.js';

/** Readable by its owner alone. @throws StartupError */
export async function createDataDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw new StartupError(`DATA_DIRECTORY ${path} cannot be used: ${errorMessage(error)}`, { cause: error });
  });
}

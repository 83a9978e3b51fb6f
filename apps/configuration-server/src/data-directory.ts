import { mkdir } from 'node:fs/promises';
import { errorMessage } from '@app/platform';
import { CannotStart } from './cannot-start.js';

/** Readable by its owner alone. @throws CannotStart */
export async function makeDataDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw new CannotStart(`DATA_DIRECTORY ${path} cannot be used: ${errorMessage(error)}`, { cause: error });
  });
}

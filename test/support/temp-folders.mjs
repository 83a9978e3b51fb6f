import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const FOLDER_PREFIX = 'configuration-server-test-';

/** A folder without an owner file is new, or its run died before it wrote the file. */
const OWNER_WITHIN_MS = 60_000;

/** Stops the databases of killed runs and removes their folders. Folders of active runs are kept. */
export async function removeDeadRuns({ isProcessRunning, processStartTime, stopOrphanedDatabase }) {
  for (const name of await readdir(tmpdir())) {
    const folder = join(tmpdir(), name);
    if (!name.startsWith(FOLDER_PREFIX) || !(await isLeftOver(folder, { isProcessRunning, processStartTime })))
      continue;
    try {
      await stopOrphanedDatabase(folder);
      await removeFolder(folder);
    } catch (error) {
      // Another run removes the same folder, or it cannot be removed: the tests run nevertheless.
      console.warn(`${folder} of an earlier run could not be removed: ${error.message}`);
    }
  }
}

export async function removeFolder(folder) {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

async function isLeftOver(folder, { isProcessRunning, processStartTime }) {
  try {
    const { uid, mtimeMs } = await stat(folder);
    if (uid !== process.getuid?.()) return false; // the folder of another user
    const owner = await readFile(join(folder, 'owner.json'), 'utf8')
      .then(JSON.parse)
      .catch(() => undefined);
    if (!owner) return Date.now() - mtimeMs > OWNER_WITHIN_MS;
    return !isProcessRunning(owner.pid) || (owner.start !== null && processStartTime(owner.pid) !== owner.start);
  } catch (error) {
    if (error.code === 'ENOENT') return false; // removed by another run
    throw error;
  }
}

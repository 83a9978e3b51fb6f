import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const FOLDER_PREFIX = 'configuration-server-test-';

/** A folder whose owner is not written yet is young, or its run died in that moment. */
const OWNER_WITHIN_MS = 60_000;

/** Stops the databases of runs that were killed, and removes their folders. Those of runs that live are left alone. */
export async function removeDeadRuns({ isProcessRunning, processStartTime, stopOrphanedDatabase }) {
  for (const name of await readdir(tmpdir())) {
    const folder = join(tmpdir(), name);
    if (!name.startsWith(FOLDER_PREFIX) || !(await isLeftOver(folder, { isProcessRunning, processStartTime })))
      continue;
    try {
      await stopOrphanedDatabase(folder);
      await removeFolder(folder);
    } catch (error) {
      // Another run sweeps the same folder, or it is stuck: no reason to test nothing.
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
    if (uid !== process.getuid?.()) return false; // another user's, theirs to sweep
    const owner = await readFile(join(folder, 'owner.json'), 'utf8')
      .then(JSON.parse)
      .catch(() => undefined);
    if (!owner) return Date.now() - mtimeMs > OWNER_WITHIN_MS;
    return !isProcessRunning(owner.pid) || (owner.start !== null && processStartTime(owner.pid) !== owner.start);
  } catch (error) {
    if (error.code === 'ENOENT') return false; // swept by another run
    throw error;
  }
}

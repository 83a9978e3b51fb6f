import { randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/**
 * Runs `work` under a lock of this clone, so that only one `npm start` or `npm test` installs or builds at a time.
 * The lock is a folder of numbered owner files; the highest number owns it. A process that finds a dead owner
 * creates the next number, which is exclusive, and verifies that the dead owner is still the one that it read.
 */
export async function withPrepareLock(root, work) {
  const lock = join(root, '.prepare.lock');
  const release = await acquire(lock);
  try {
    await work();
  } finally {
    release();
  }
}

async function acquire(lock) {
  let isReported = false;
  for (;;) {
    mkdirSync(lock, { recursive: true });
    const number = lastNumber(lock);
    const last = number > 0 ? readOwner(lock, number) : undefined;
    if (last && isAlive(last)) {
      if (!isReported) console.log(`Process ${last.pid} is installing or building in this clone; waiting for it ...`);
      isReported = true;
      await pause(200);
      continue;
    }
    if (!addOwner(lock, number + 1)) continue;
    if (number === 0 || (last && readOwner(lock, number)?.id === last.id)) return () => remove(lock);
    rmSync(join(lock, `holder-${number + 1}`), { force: true }); // the lock was released and acquired again in the meantime
  }
}

/** Renames the lock before deleting it, so that no process finds it half deleted. */
function remove(lock) {
  const done = `${lock}.done-${randomUUID()}`;
  try {
    renameSync(lock, done);
  } catch (error) {
    if (error.code === 'ENOENT') return; // deleted by hand
    throw error;
  }
  rmSync(done, { recursive: true, force: true });
}

function lastNumber(lock) {
  try {
    const numbers = readdirSync(lock).map((name) => Number(/^holder-(\d+)$/.exec(name)?.[1] ?? 0));
    return Math.max(0, ...numbers);
  } catch (error) {
    if (error.code === 'ENOENT') return 0; // released in the meantime
    throw error;
  }
}

/** False if another process was faster. */
function addOwner(lock, number) {
  const draft = join(lock, `draft-${randomUUID()}`);
  try {
    writeFileSync(draft, JSON.stringify({ id: randomUUID(), pid: process.pid, start: processStartTime(process.pid) }));
    linkSync(draft, join(lock, `holder-${number}`));
    rmSync(draft, { force: true });
    return true;
  } catch (error) {
    rmSync(draft, { force: true });
    if (error.code === 'EEXIST' || error.code === 'ENOENT') return false;
    throw error;
  }
}

function readOwner(lock, number) {
  try {
    return JSON.parse(readFileSync(join(lock, `holder-${number}`), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function isAlive({ pid, start }) {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code !== 'EPERM') return false;
  }
  const now = processStartTime(pid);
  return start === null || now === null || start === now;
}

/** The start time of a process (Linux): distinguishes it from a later process with the same id. */
function processStartTime(pid) {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null; // no /proc on this system
  }
}

import { randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/**
 * Runs `work` while no other `npm start` or `npm test` of this clone installs or builds, waiting for its turn.
 * The lock is a folder of numbered holders, the last one holds. Whoever finds it dead adds the next number,
 * which only one can, and checks that the row is still the one it read.
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
  let said = false;
  for (;;) {
    mkdirSync(lock, { recursive: true });
    const number = lastNumber(lock);
    const last = number > 0 ? readOwner(lock, number) : undefined;
    if (last && isAlive(last)) {
      if (!said) console.log(`Process ${last.pid} is installing or building here; waiting for it ...`);
      said = true;
      await pause(200);
      continue;
    }
    if (!addOwner(lock, number + 1)) continue;
    if (number === 0 || (last && readOwner(lock, number)?.id === last.id)) return () => remove(lock);
    rmSync(join(lock, `holder-${number + 1}`), { force: true }); // the lock was given back and taken anew meanwhile
  }
}

/** Moved away first, so that nobody ever meets a lock that is half removed. */
function remove(lock) {
  const done = `${lock}.done-${randomUUID()}`;
  try {
    renameSync(lock, done);
  } catch (error) {
    if (error.code === 'ENOENT') return; // somebody removed it by hand
    throw error;
  }
  rmSync(done, { recursive: true, force: true });
}

function lastNumber(lock) {
  try {
    const numbers = readdirSync(lock).map((name) => Number(/^holder-(\d+)$/.exec(name)?.[1] ?? 0));
    return Math.max(0, ...numbers);
  } catch (error) {
    if (error.code === 'ENOENT') return 0; // given back this moment
    throw error;
  }
}

/** False when another was faster. */
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

/** When the process began (Linux), so that its number, given to another program, is not taken for it. */
function processStartTime(pid) {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null; // a system without /proc
  }
}

import { createHash, randomUUID } from 'node:crypto';
import { link, mkdir, readdir, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { readPrivateFile } from './private-files.js';
import { errorCode, isProcessRunning, processStartTime } from './running-process.js';

/** The exclusive lock of a server on its data directory. */
export interface DirectoryLock {
  /** Publishes the URL of this server for later starts. */
  publishUrl(url: string): Promise<void>;
  /** Removes the lock if this process still owns it. */
  release(): Promise<void>;
}

export class DirectoryInUse extends Error {
  constructor(
    readonly directory: string,
    readonly pid: number,
    readonly url: string | null,
  ) {
    super(
      url === null
        ? `A configuration server is just starting from ${directory} (process ${pid}). Wait for it, or stop it first.`
        : `A configuration server already runs from ${directory} (process ${pid}) at ${url}`,
    );
    this.name = 'DirectoryInUse';
  }
}

interface LockOwner {
  /** Distinguishes two locks, even of one process. */
  readonly lockId: string;
  readonly pid: number;
  /** Null where the system does not report it; the pid alone then identifies the process. */
  readonly processStart: string | null;
  readonly url: string | null;
}

/**
 * Locks the directory, also after the death of a previous owner. The first lock is the file itself. A process that
 * takes over from a dead owner creates the only file that may follow it (`<file>.after-<lock id>`), so that only one of
 * two concurrent starts succeeds, and no live lock is ever removed. The last file of the chain is the valid lock.
 * @throws DirectoryInUse, UnsafeFile
 */
export async function lockDirectory(directory: string, fileName = 'server.pid'): Promise<DirectoryLock> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(await realpath(directory), fileName);
  const own: LockOwner = {
    lockId: randomUUID(),
    pid: process.pid,
    processStart: processStartTime(process.pid),
    url: null,
  };
  for (;;) {
    const chain = await lockChain(path);
    const last = chain.at(-1);
    mustBeDead(last, directory);
    const target = last ? successorPath(path, last) : path;
    if (!(await writeIfAbsent(target, own))) continue; // another start was faster: read again
    // If the chain was removed between the read and the write, the new file follows nothing.
    const first = chain[0];
    if (first && (await read(path))?.lockId !== first.lockId) {
      await rm(target, { force: true });
      continue;
    }
    await replace(path, own);
    await removeDrafts(path);
    for (const followed of chain) await rm(successorPath(path, followed), { force: true });
    return lockAt(path, own);
  }
}

/** @throws DirectoryInUse */
export async function assertUnlocked(directory: string, fileName = 'server.pid'): Promise<void> {
  mustBeDead((await lockChain(join(await realpath(directory), fileName))).at(-1), directory);
}

function mustBeDead(owner: LockOwner | undefined, directory: string): void {
  if (owner && isAlive(owner)) throw new DirectoryInUse(resolve(directory), owner.pid, owner.url);
}

function lockAt(path: string, own: LockOwner): DirectoryLock {
  const isOwned = async () => (await read(path))?.lockId === own.lockId;
  return {
    async publishUrl(url) {
      if (await isOwned()) await replace(path, { ...own, url });
    },
    async release() {
      if (await isOwned()) await rm(path, { force: true });
    },
  };
}

/** The locks of the chain from this path, in order. Empty when the directory was never locked. */
async function lockChain(path: string): Promise<LockOwner[]> {
  const chain: LockOwner[] = [];
  for (let owner = await read(path); owner; owner = await read(successorPath(path, owner))) chain.push(owner);
  return chain;
}

function successorPath(path: string, { lockId }: LockOwner): string {
  return `${path}.after-${lockId}`;
}

/** Reads a lock file; an invalid one (truncated by a full disk or a power failure) counts as the lock of a dead process. */
async function read(path: string): Promise<LockOwner | undefined> {
  const text = await readPrivateFile(path, { isSecret: false });
  if (text === null) return undefined;
  try {
    const { lockId, pid, processStart, url } = JSON.parse(text) as Partial<LockOwner>;
    if (typeof lockId === 'string' && /^[0-9a-f-]{36}$/.test(lockId) && typeof pid === 'number') {
      return { lockId, pid, processStart: processStart ?? null, url: url ?? null };
    }
  } catch {
    // not JSON
  }
  return {
    lockId: createHash('sha256').update(text).digest('hex').slice(0, 36),
    pid: 0,
    processStart: null,
    url: null,
  };
}

/** Compares pid and start time, because the pid may have been reused. */
function isAlive({ pid, processStart }: LockOwner): boolean {
  if (!isProcessRunning(pid)) return false;
  const start = processStartTime(pid);
  return start === null || processStart === null || start === processStart;
}

/** Creates the file atomically, and only if it does not exist. */
async function writeIfAbsent(path: string, owner: LockOwner): Promise<boolean> {
  const draft = await writeDraft(path, owner);
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

async function replace(path: string, owner: LockOwner): Promise<void> {
  await rename(await writeDraft(path, owner), path);
}

async function writeDraft(path: string, owner: LockOwner): Promise<string> {
  const draft = `${path}.draft-${owner.pid}-${randomUUID()}`;
  await writeFile(draft, `${JSON.stringify(owner)}\n`, { flag: 'wx', mode: 0o600 });
  return draft;
}

/** Removes the drafts of processes that were killed while they wrote one. */
async function removeDrafts(path: string): Promise<void> {
  for (const name of await readdir(dirname(path))) {
    const [, pid] = /^\.draft-(\d+)-/.exec(name.slice(basename(path).length)) ?? [];
    if (name.startsWith(basename(path)) && pid && !isProcessRunning(Number(pid)))
      await rm(join(dirname(path), name), { force: true });
  }
}

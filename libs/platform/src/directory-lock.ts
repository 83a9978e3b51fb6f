import { createHash, randomUUID } from 'node:crypto';
import { link, mkdir, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readPrivateFile } from './private-files.js';
import { errorCode, isProcessRunning, processStartTime } from './running-process.js';

/** One server's word that it, and no other, serves from a data directory. */
export interface DirectoryLock {
  /** Tells later starters where this server is reached. */
  publishUrl(url: string): Promise<void>;
  /** Removes the claim if it is still ours. */
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
  /** Tells two claims apart, even of one process. */
  readonly lockId: string;
  readonly pid: number;
  /** Null where the system does not tell; then the number alone has to do. */
  readonly processStart: string | null;
  readonly url: string | null;
}

/**
 * Claims the directory, from a dead holder too. The first claim is the file itself. Who takes over from a
 * dead claim adds the one file that may follow it (`<file>.after-<claim id>`), so of two starters one
 * loses, and nobody ever removes what may be a live claim. The file left last in that row holds.
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
    if (!(await writeIfAbsent(target, own))) continue; // another starter was faster: look again
    // The row may have been tidied away between our reading and our writing; then our file follows nothing.
    const first = chain[0];
    if (first && (await read(path))?.lockId !== first.lockId) {
      await rm(target, { force: true });
      continue;
    }
    await replace(path, own);
    for (const followed of chain) await rm(successorPath(path, followed), { force: true });
    return lockAt(path, own);
  }
}

/** @throws DirectoryInUse */
export async function assertNoProtectedMachines(directory: string, fileName = 'server.pid'): Promise<void> {
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

/** The claim at the path and those that followed it, in order. Empty when nobody has claimed. */
async function lockChain(path: string): Promise<LockOwner[]> {
  const chain: LockOwner[] = [];
  for (let owner = await read(path); owner; owner = await read(successorPath(path, owner))) chain.push(owner);
  return chain;
}

function successorPath(path: string, { lockId }: LockOwner): string {
  return `${path}.after-${lockId}`;
}

/** A file that is no claim (cut short by a full disk or a power cut) reads as the claim of nobody alive. */
async function read(path: string): Promise<LockOwner | undefined> {
  const text = await readPrivateFile(path, { isSecret: false });
  if (text === null) return undefined;
  try {
    const { lockId, pid, processStart, url } = JSON.parse(text) as Partial<LockOwner>;
    if (typeof lockId === 'string' && /^[0-9a-f-]{36}$/.test(lockId) && typeof pid === 'number') {
      return { lockId, pid, processStart: processStart ?? null, url: url ?? null };
    }
  } catch {
    // not JSON: below
  }
  return {
    lockId: createHash('sha256').update(text).digest('hex').slice(0, 36),
    pid: 0,
    processStart: null,
    url: null,
  };
}

/** Same number and same start: the number alone may have gone to another program. */
function isAlive({ pid, processStart }: LockOwner): boolean {
  if (!isProcessRunning(pid)) return false;
  const start = processStartTime(pid);
  return start === null || processStart === null || start === processStart;
}

/** Appears whole or not at all, and only where nothing was. */
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
  const draft = `${path}.draft-${randomUUID()}`;
  await writeFile(draft, `${JSON.stringify(owner)}\n`, { flag: 'wx', mode: 0o600 });
  return draft;
}

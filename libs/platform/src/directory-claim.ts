import { createHash, randomUUID } from 'node:crypto';
import { link, mkdir, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readPrivateFile } from './private-files.js';
import { errorCode, isRunning, startOf } from './running-process.js';

/** One server's word that it, and no other, serves from a data directory. */
export interface DirectoryClaim {
  /** Tells later starters where this server is reached. */
  announce(url: string): Promise<void>;
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

interface Holder {
  /** Tells two claims apart, even of one process. */
  readonly claimId: string;
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
export async function claimDirectory(directory: string, fileName = 'server.pid'): Promise<DirectoryClaim> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const path = join(await realpath(directory), fileName);
  const ours: Holder = { claimId: randomUUID(), pid: process.pid, processStart: startOf(process.pid), url: null };
  for (;;) {
    const row = await rowFrom(path);
    const last = row.at(-1);
    if (last && isAlive(last)) throw new DirectoryInUse(resolve(directory), last.pid, last.url);
    const place = last ? after(path, last) : path;
    if (!(await writeIfAbsent(place, ours))) continue; // another starter was faster: look again
    // The row may have been tidied away between our reading and our writing; then our file follows nothing.
    const first = row[0];
    if (first && (await read(path))?.claimId !== first.claimId) {
      await rm(place, { force: true });
      continue;
    }
    await replace(path, ours);
    for (const followed of row) await rm(after(path, followed), { force: true });
    return claimAt(path, ours);
  }
}

function claimAt(path: string, ours: Holder): DirectoryClaim {
  const isOurs = async () => (await read(path))?.claimId === ours.claimId;
  return {
    async announce(url) {
      if (await isOurs()) await replace(path, { ...ours, url });
    },
    async release() {
      if (await isOurs()) await rm(path, { force: true });
    },
  };
}

/** The claim at the path and those that followed it, in order. Empty when nobody has claimed. */
async function rowFrom(path: string): Promise<Holder[]> {
  const row: Holder[] = [];
  for (let holder = await read(path); holder; holder = await read(after(path, holder))) row.push(holder);
  return row;
}

function after(path: string, { claimId }: Holder): string {
  return `${path}.after-${claimId}`;
}

/** A file that is no claim (cut short by a full disk or a power cut) reads as the claim of nobody alive. */
async function read(path: string): Promise<Holder | undefined> {
  const text = await readPrivateFile(path, { isSecret: false });
  if (text === null) return undefined;
  try {
    const { claimId, pid, processStart, url } = JSON.parse(text) as Partial<Holder>;
    if (typeof claimId === 'string' && /^[0-9a-f-]{36}$/.test(claimId) && typeof pid === 'number') {
      return { claimId, pid, processStart: processStart ?? null, url: url ?? null };
    }
  } catch {
    // not JSON: below
  }
  return {
    claimId: createHash('sha256').update(text).digest('hex').slice(0, 36),
    pid: 0,
    processStart: null,
    url: null,
  };
}

/** Same number and same start: the number alone may have gone to another program. */
function isAlive({ pid, processStart }: Holder): boolean {
  if (!isRunning(pid)) return false;
  const start = startOf(pid);
  return start === null || processStart === null || start === processStart;
}

/** Appears whole or not at all, and only where nothing was. */
async function writeIfAbsent(path: string, holder: Holder): Promise<boolean> {
  const draft = await writeDraft(path, holder);
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

async function replace(path: string, holder: Holder): Promise<void> {
  await rename(await writeDraft(path, holder), path);
}

async function writeDraft(path: string, holder: Holder): Promise<string> {
  const draft = `${path}.draft-${randomUUID()}`;
  await writeFile(draft, `${JSON.stringify(holder)}\n`, { flag: 'wx', mode: 0o600 });
  return draft;
}

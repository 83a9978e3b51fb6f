import { constants, type Stats } from 'node:fs';
import { lstat, open, rm, stat } from 'node:fs/promises';
import { errorCode } from './running-process.js';

/** A file or folder that another user may have planted or may read; the message contains the required action. */
export class UnsafeFile extends Error {
  constructor(path: string, problem: string) {
    super(`${path} ${problem}`);
    this.name = 'UnsafeFile';
  }
}

const WRITABLE_BY_OTHERS = 0o022;
const OPEN_TO_OTHERS = 0o077;
/** Opens without following a link or waiting for a pipe. */
const UNTRUSTED_NAME = (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
const OPEN_FLAGS = constants.O_RDONLY | UNTRUSTED_NAME;
const APPEND_FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | UNTRUSTED_NAME;

/** Windows has no such owners and modes, and reports every file as accessible to others. */
const hasModes = (): boolean => process.geteuid !== undefined;

/**
 * Checks that only the current user owns and can write to the folder, which may be reached through a link. @throws
 * UnsafeFile, also for root.
 */
export async function assertPrivateFolder(path: string): Promise<void> {
  const found = await stat(path);
  const problem =
    findOwnerProblem(path, found) ??
    (hasModes() && found.mode & WRITABLE_BY_OTHERS
      ? `can be written by others (mode ${modeOf(found)}): run "chmod 700 ${path}", and remove files in it that are not yours`
      : null);
  if (problem) throw new UnsafeFile(path, problem);
}

/**
 * Reads a file that only the current user may write and, if it is secret, read. Null when it does not exist.
 * @throws UnsafeFile when it is a link or not a regular file, or has another owner or mode.
 */
export async function readPrivateFile(path: string, { isSecret = true } = {}): Promise<string | null> {
  const file = await open(path, OPEN_FLAGS).catch(async (error: unknown) => {
    if (errorCode(error) === 'ENOENT') return null;
    const found = await lstat(path).catch(() => null);
    if (found) assertPrivateFile(path, found, isSecret);
    throw error;
  });
  if (!file) return null;
  try {
    assertPrivateFile(path, await file.stat(), isSecret);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/** Appends durably to a file that only the current user may write, and creates it if necessary. @throws UnsafeFile as `readPrivateFile` */
export async function appendPrivateFile(path: string, text: string): Promise<void> {
  const file = await open(path, APPEND_FLAGS, 0o600).catch(async (error: unknown) => {
    const found = await lstat(path).catch(() => null);
    if (found) assertPrivateFile(path, found, false);
    throw error;
  });
  try {
    assertPrivateFile(path, await file.stat(), false);
    await file.appendFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Writes a new file durably in place of any existing one, never through a link. */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  await rm(path, { force: true });
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

function assertPrivateFile(path: string, found: Stats, isSecret: boolean): void {
  const problem = findFileProblem(path, found, isSecret);
  if (problem) throw new UnsafeFile(path, problem);
}

function findFileProblem(path: string, found: Stats, isSecret: boolean): string | null {
  if (found.isSymbolicLink())
    return 'is a symbolic link, which is not followed: replace it with the file, or remove it';
  if (!found.isFile()) return 'is not a regular file: remove it';
  const owner = findOwnerProblem(path, found);
  if (owner || !hasModes() || !(found.mode & (isSecret ? OPEN_TO_OTHERS : WRITABLE_BY_OTHERS))) return owner;
  return `is open to others (mode ${modeOf(found)}): if it is yours, run "chmod 600 ${path}"; otherwise remove it`;
}

function findOwnerProblem(path: string, { uid }: Stats): string | null {
  const ownUid = process.geteuid?.() ?? uid;
  return uid === ownUid
    ? null
    : `belongs to user ${uid}, and this server runs as user ${ownUid}: if it is yours, run "chown ${ownUid} ${path}"; otherwise remove it`;
}

const modeOf = ({ mode }: Stats): string => (mode & 0o777).toString(8);

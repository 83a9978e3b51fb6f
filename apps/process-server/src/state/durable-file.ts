import { link, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '@app/system';
import type { FolderOwner } from './state-folder.js';

/**
 * Replaces a file so that a crash at any moment leaves the old or the new content: temporary file, fsync, rename, fsync of the folder.
 * The old content is kept under `previousPath`.
 */
export async function replaceDurably(
  path: string,
  text: string,
  { previousPath, owner }: { readonly previousPath?: string; readonly owner: FolderOwner | null },
): Promise<void> {
  const draft = `${path}.draft`;
  await rm(draft, { force: true });
  await writeNew(draft, text, owner);
  if (previousPath) await keepPrevious(path, previousPath);
  await rename(draft, path);
  await syncFolder(dirname(path));
}

/** Replaces a file that may be lost in a power failure: what it says is out of date then anyway. */
export async function replaceQuickly(path: string, text: string, owner: FolderOwner | null): Promise<void> {
  const draft = `${path}.draft`;
  await rm(draft, { force: true });
  await writeNew(draft, text, owner, false);
  await rename(draft, path);
}

/** Null if there is no such file. */
export async function readIfPresent(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  });
}

async function writeNew(path: string, text: string, owner: FolderOwner | null, syncs = true): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    if (owner && process.geteuid?.() === 0 && owner.uid !== 0) await file.chown(owner.uid, owner.gid);
    await file.writeFile(text);
    if (syncs) await file.sync();
  } finally {
    await file.close();
  }
}

async function keepPrevious(path: string, previousPath: string): Promise<void> {
  const draft = `${previousPath}.draft`;
  await rm(draft, { force: true });
  await link(path, draft).catch((error: unknown) => {
    if (errorCode(error) !== 'ENOENT') throw error;
  });
  await rename(draft, previousPath).catch((error: unknown) => {
    if (errorCode(error) !== 'ENOENT') throw error;
  });
}

/** Windows cannot open a folder. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

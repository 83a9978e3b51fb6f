import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';

/** The folders of the process's own control group and its parents, from the innermost; empty without cgroup version 2. */
export async function controlGroups(): Promise<string[]> {
  const own = /^0::(.*)$/m.exec(await readFile('/proc/self/cgroup', 'utf8').catch(() => ''))?.[1];
  if (own === undefined) return [];
  const folders: string[] = [];
  for (let path = own; ; path = join(path, '..')) {
    folders.push(join(ROOT, path));
    if (path === '/') return folders;
  }
}

/** A number of a file; null if there is no such file, or no limit. */
export async function readNumber(path: string): Promise<number | null> {
  const text = (await readFile(path, 'utf8').catch(() => '')).trim();
  return /^\d+$/.test(text) ? Number(text) : null;
}

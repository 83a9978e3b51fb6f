import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { appendPrivateFile, assertPrivateFolder, readPrivateFile, writePrivateFile } from './private-files.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'private-files-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const isRoot = process.getuid?.() === 0;
/** A file of another user: created by root, otherwise an existing one. */
const notOwn = (): string => {
  if (!isRoot) return '/etc/hostname';
  const path = file('planted', 0o600);
  chownSync(path, 65_534, 65_534);
  return path;
};
function file(name: string, mode: number, text = 'secret\n'): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

describe('a private file', () => {
  it.each([0o600, 0o400])('of mode %o is read', async (mode) => {
    expect(await readPrivateFile(file('ours', mode))).toBe('secret\n');
  });

  it.each([0o640, 0o604, 0o644, 0o620, 0o602, 0o610])(
    'of mode %o is rejected when it is secret, with the required action',
    async (mode) => {
      const path = file('open', mode);
      await expect(readPrivateFile(path)).rejects.toThrow(
        `${path} is open to others (mode ${mode.toString(8)}): if it is yours, run "chmod 600 ${path}"`,
      );
    },
  );

  it('that is not secret may be readable but not writable by others', async () => {
    expect(await readPrivateFile(file('read', 0o644), { isSecret: false })).toBe('secret\n');
    await expect(readPrivateFile(file('written', 0o664), { isSecret: false })).rejects.toThrow(
      'is open to others (mode 664)',
    );
  });

  it('of another user is rejected, also for root', async () => {
    const path = notOwn();
    await expect(readPrivateFile(path)).rejects.toThrow(
      `${path} belongs to user ${lstatSync(path).uid}, and this server runs as user ${process.geteuid?.()}: if it is yours, run "chown`,
    );
  });

  it('that is a link, a folder or a pipe is rejected without waiting', async () => {
    symlinkSync(file('target', 0o600), join(folder, 'link'));
    symlinkSync(join(folder, 'nothing'), join(folder, 'dangling'));
    mkdirSync(join(folder, 'folder'));
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    for (const name of ['link', 'dangling'])
      await expect(readPrivateFile(join(folder, name))).rejects.toThrow('is a symbolic link, which is not followed');
    for (const name of ['folder', 'pipe'])
      await expect(readPrivateFile(join(folder, name))).rejects.toThrow('is not a regular file: remove it');
  });

  it('that does not exist reads as null', async () => {
    expect(await readPrivateFile(join(folder, 'none'))).toBeNull();
  });

  it('replaces a link or a file that is open to others', async () => {
    const target = file('target', 0o644, 'kept');
    const link = join(folder, 'link');
    symlinkSync(target, link);
    for (const path of [link, file('open', 0o666)]) {
      await writePrivateFile(path, 'new');
      expect([await readPrivateFile(path), lstatSync(path).mode & 0o777]).toEqual(['new', 0o600]);
    }
    expect(readFileSync(target, 'utf8')).toBe('kept');
  });
});

describe('appendPrivateFile', () => {
  it('creates a private file, or appends to it', async () => {
    const path = join(folder, 'journal');
    for (const text of ['one\n', 'two\n']) await appendPrivateFile(path, text);
    expect([readFileSync(path, 'utf8'), lstatSync(path).mode & 0o777]).toEqual(['one\ntwo\n', 0o600]);
  });

  it('rejects a link, and a file that others may write', async () => {
    const target = file('target', 0o600, 'kept');
    symlinkSync(target, join(folder, 'link'));
    await expect(appendPrivateFile(join(folder, 'link'), 'new')).rejects.toThrow('is a symbolic link');
    await expect(appendPrivateFile(file('open', 0o622, 'kept'), 'new')).rejects.toThrow('is open to others');
    expect(readFileSync(target, 'utf8')).toBe('kept');
  });
});

describe('on a system without owners and modes', () => {
  const { geteuid } = process;
  beforeEach(() => void Object.assign(process, { geteuid: undefined }));
  afterEach(() => void Object.assign(process, { geteuid }));

  it('every file and folder is accepted', async () => {
    chmodSync(folder, 0o777);
    await expect(assertPrivateFolder(folder)).resolves.toBeUndefined();
    expect(await readPrivateFile(file('any', 0o666))).toBe('secret\n');
  });
});

describe('a private folder', () => {
  it.each([0o700, 0o750, 0o755])('of mode %o is accepted', async (mode) => {
    chmodSync(folder, mode);
    await expect(assertPrivateFolder(folder)).resolves.toBeUndefined();
  });

  it.each([0o770, 0o777, 0o1777, 0o720])('of mode %o is rejected, with the required action', async (mode) => {
    chmodSync(folder, mode);
    await expect(assertPrivateFolder(folder)).rejects.toThrow(
      `${folder} can be written by others (mode ${(mode & 0o777).toString(8)}): run "chmod 700 ${folder}"`,
    );
  });

  it('of another user is rejected, also for root', async () => {
    if (isRoot) chownSync(folder, 65_534, 65_534);
    await expect(assertPrivateFolder(isRoot ? folder : '/usr')).rejects.toThrow('belongs to user');
  });
});

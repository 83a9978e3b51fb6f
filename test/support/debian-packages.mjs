import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
export const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/usr/bin'];

/** Path of an installed program; undefined if it is not installed. */
export const onPath = (program) =>
  [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_FOLDERS]
    .map((folder) => join(folder, program))
    .find(existsSync);

/**
 * Unpacks Debian packages below `folder` without installation. Returns the folder that contains their `usr`.
 * @throws Error that names the packages when they cannot be downloaded.
 */
export async function unpackPackages(folder, packages, neededFor) {
  const downloads = join(folder, 'downloads');
  const unpacked = join(folder, 'unpacked');
  await mkdir(downloads, { recursive: true });
  await mkdir(unpacked, { recursive: true });
  await chmod(downloads, 0o777); // apt downloads as a separate user
  console.log(`Downloading ${packages.join(', ')} and unpacking them below ${folder} ...`);
  const download = () => run('apt-get', ['download', ...packages], { cwd: downloads });
  await download()
    .catch(async () => {
      await run('apt-get', ['update']); // package lists may be missing or outdated
      await download();
    })
    .catch((error) => {
      throw new Error(
        `${neededFor} the packages ${packages.join(', ')}, and they cannot be downloaded: ${error.stderr?.trim() || error.message}`,
      );
    });
  for (const name of await readdir(downloads)) await run('dpkg-deb', ['-x', join(downloads, name), unpacked]);
  return unpacked;
}

/** The library folders below an unpacked `usr`, in the format of LD_LIBRARY_PATH. */
export async function librariesIn(unpacked) {
  const folders = await readdir(join(unpacked, 'usr/lib'), { withFileTypes: true });
  return folders
    .filter((entry) => entry.isDirectory() && entry.name.endsWith('-linux-gnu'))
    .map(({ name }) => join(unpacked, 'usr/lib', name))
    .join(delimiter);
}

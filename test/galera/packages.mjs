/** What a Galera node needs besides `mariadbd`: the provider, the state transfer scripts and rsync. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PACKAGES = ['galera-4', 'mariadb-server', 'rsync', 'libpopt0'];
const PROVIDERS = ['/usr/lib/galera/libgalera_smm.so', '/usr/lib64/galera-4/libgalera_smm.so'];
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/usr/bin'];

const onPath = (program) => [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_FOLDERS].map((folder) => join(folder, program)).find(existsSync);

/**
 * Where the programs are: those of this machine, or unpacked from Debian packages below `folder`, where they touch nothing else.
 * @throws Error that says what is missing.
 */
export async function findPrograms(folder) {
  const server = onPath('mariadbd');
  const installDb = onPath('mariadb-install-db');
  if (!server || !installDb) throw new Error('mariadbd is missing: install mariadb-server-core (10.6 or newer).');
  const provider = PROVIDERS.find(existsSync);
  if (provider && onPath('wsrep_sst_rsync') && onPath('rsync')) return { server, installDb, provider, environment: {} };
  const unpacked = await unpack(folder);
  return {
    server,
    installDb,
    provider: join(unpacked, 'usr/lib/libgalera_smm.so'),
    environment: { PATH: [join(unpacked, 'usr/bin'), process.env.PATH, ...SYSTEM_FOLDERS].join(delimiter), LD_LIBRARY_PATH: await librariesIn(unpacked) },
  };
}

async function unpack(folder) {
  const downloads = join(folder, 'downloads');
  const unpacked = join(folder, 'unpacked');
  await mkdir(downloads, { recursive: true });
  await mkdir(unpacked, { recursive: true });
  await chmod(downloads, 0o777); // apt downloads as a user of its own
  console.log(`Downloading ${PACKAGES.join(', ')} and unpacking them below ${folder} ...`);
  const download = () => run('apt-get', ['download', ...PACKAGES], { cwd: downloads });
  await download()
    .catch(async () => {
      await run('apt-get', ['update']); // the lists may be missing or old
      await download();
    })
    .catch((error) => {
      throw new Error(`A Galera cluster needs the packages ${PACKAGES.join(', ')}, and they cannot be had: ${error.stderr?.trim() || error.message}`);
    });
  for (const name of await readdir(downloads)) await run('dpkg-deb', ['-x', join(downloads, name), unpacked]);
  return unpacked;
}

async function librariesIn(unpacked) {
  const folders = await readdir(join(unpacked, 'usr/lib'), { withFileTypes: true });
  return folders.filter((entry) => entry.isDirectory() && entry.name.endsWith('-linux-gnu')).map(({ name }) => join(unpacked, 'usr/lib', name)).join(delimiter);
}

/** The requirements of a Galera node besides `mariadbd`: the provider, the state transfer scripts and rsync. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { librariesIn, onPath, SYSTEM_FOLDERS, unpackPackages } from '../support/debian-packages.mjs';

const PACKAGES = ['galera-4', 'mariadb-server', 'rsync', 'libpopt0'];
const PROVIDERS = ['/usr/lib/galera/libgalera_smm.so', '/usr/lib64/galera-4/libgalera_smm.so'];

/**
 * Finds the programs on this machine, or unpacks Debian packages below `folder`, without installing them.
 * @throws Error that names a missing program.
 */
export async function findPrograms(folder) {
  const server = onPath('mariadbd');
  const installDb = onPath('mariadb-install-db');
  if (!server || !installDb) throw new Error('mariadbd is missing: install mariadb-server-core (10.6 or newer).');
  const provider = PROVIDERS.find(existsSync);
  if (provider && onPath('wsrep_sst_rsync') && onPath('rsync')) return { server, installDb, provider, environment: {} };
  const unpacked = await unpackPackages(folder, PACKAGES, 'A Galera cluster needs');
  return {
    server,
    installDb,
    provider: join(unpacked, 'usr/lib/libgalera_smm.so'),
    environment: {
      PATH: [join(unpacked, 'usr/bin'), process.env.PATH, ...SYSTEM_FOLDERS].join(delimiter),
      LD_LIBRARY_PATH: await librariesIn(unpacked),
    },
  };
}

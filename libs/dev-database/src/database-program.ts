import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { tail, runCommand } from './processes.js';

/** The two servers differ in a few flags; each refuses to start with one that only the other knows. */
export type DatabaseFamily = 'mariadb' | 'mysql';

export interface DatabaseProgram {
  readonly path: string;
  readonly family: DatabaseFamily;
  /** Major, minor, patch. */
  readonly version: readonly [number, number, number];
}

/** A PATH that is not root's often lacks the folders in which a system keeps its servers. */
const STANDARD_FOLDERS = [
  '/usr/sbin',
  '/usr/local/sbin',
  '/usr/libexec',
  '/usr/local/bin',
  '/usr/local/mysql/bin',
  '/opt/homebrew/bin',
  '/opt/homebrew/opt/mysql/bin',
  '/opt/homebrew/opt/mariadb/bin',
];

export class DatabaseProgramMissing extends Error {
  constructor(because = '') {
    super(
      'The configuration server needs MariaDB (10.6 or newer) or MySQL (8.0 or newer), and found neither on this machine. ' +
        'Install one (Debian or Ubuntu: "sudo apt-get install mariadb-server-core"; Fedora: "sudo dnf install mariadb-server"; ' +
        'macOS: "brew install mariadb") and start again; it runs privately, nothing else has to be set up. ' +
        'Or name a server that runs already: DATABASE_URL=mysql://user:password@host:3306/database.' +
        because,
    );
    this.name = 'DatabaseProgramMissing';
  }
}

/**
 * The first usable server, MariaDB before MySQL unless a family is named. As root on Debian or Ubuntu a missing one is installed.
 * @throws DatabaseProgramMissing
 */
export async function findDatabaseProgram(
  progress: (line: string) => void,
  family?: DatabaseFamily,
): Promise<DatabaseProgram> {
  const found = await locateProgram(family);
  if (found) return found;
  // Data made by MySQL stays MySQL's: installing MariaDB would not open it.
  if (family === 'mysql' || !(await canInstall())) throw new DatabaseProgramMissing();
  progress('No MariaDB or MySQL on this machine: installing mariadb-server-core with apt-get, about half a minute ...');
  const lastLines = await install();
  const installed = await locateProgram(family);
  if (!installed) throw new DatabaseProgramMissing(`\nInstalling it with apt-get did not work:\n${lastLines}`);
  return installed;
}

async function locateProgram(family?: DatabaseFamily): Promise<DatabaseProgram | undefined> {
  const folders = [...new Set([...foldersOnPath(), ...STANDARD_FOLDERS])];
  for (const name of ['mariadbd', 'mysqld']) {
    for (const folder of folders) {
      const path = join(folder, name);
      const program = (await isProgram(path)) ? await identify(path) : undefined;
      if (program && (family === undefined || family === program.family)) return program;
    }
  }
  return undefined;
}

/** `mysqld` is often a link to `mariadbd`, so the name says nothing. Undefined when it does not run at all. */
async function identify(path: string): Promise<DatabaseProgram | undefined> {
  const { ok, output } = await runCommand(path, ['--no-defaults', '--version']);
  const version = /Ver (\d+)\.(\d+)\.(\d+)/.exec(output);
  if (!ok || !version) return undefined;
  const family = /mariadb/i.test(output.slice(version.index)) ? 'mariadb' : 'mysql';
  return { path, family, version: [Number(version[1]), Number(version[2]), Number(version[3])] };
}

function foldersOnPath(): string[] {
  // An empty or relative entry means the current folder, which is no place to take a server from.
  return (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder.startsWith('/'));
}

async function isProgram(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function canInstall(): Promise<boolean> {
  const isDebian = await access('/etc/debian_version').then(
    () => true,
    () => false,
  );
  return isDebian && process.getuid?.() === 0 && (await runCommand('apt-get', ['--version'])).ok;
}

/** Returns the last lines of what apt-get said; whether it worked shows when the server is looked for again. */
async function install(): Promise<string> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const lockTimeout = ['-o', 'DPkg::Lock::Timeout=120'];
  // One broken source fails the update, though the package may well come from another.
  const update = await runCommand('apt-get', [...lockTimeout, 'update'], { env });
  const options = ['-y', '--no-install-recommends', '--no-remove'];
  const installation = await runCommand('apt-get', [...lockTimeout, 'install', ...options, await packageName()], {
    env,
  });
  return tail(update.ok ? installation.output : `${update.output}\n${installation.output}`);
}

/** Older releases (Debian 11, Ubuntu 22.04) have only the name with the version in it. */
async function packageName(): Promise<string> {
  const unversioned = 'mariadb-server-core';
  const { ok, output } = await runCommand('apt-cache', ['pkgnames', unversioned]);
  const names = ok ? output.split('\n').sort() : [];
  return names.includes(unversioned)
    ? unversioned
    : (names.filter((name) => /^mariadb-server-core-[\d.]+$/.test(name)).at(-1) ?? unversioned);
}

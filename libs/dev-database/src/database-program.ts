import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { tail, runCommand } from './processes.js';

/** The database families, which differ in a few flags; each server fails to start with a flag of the other. */
export type DatabaseFamily = 'mariadb' | 'mysql';

export interface DatabaseProgram {
  readonly path: string;
  readonly family: DatabaseFamily;
  /** Major, minor, patch. */
  readonly version: readonly [number, number, number];
}

/** The folders of database servers, which are often missing in the PATH of an ordinary user. */
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
      'The configuration server needs MariaDB (10.6 or newer) or MySQL (8.0 or newer), and found neither. ' +
        'Install one (Debian or Ubuntu: "sudo apt-get install mariadb-server-core"; Fedora: "sudo dnf install mariadb-server"; ' +
        'macOS: "brew install mariadb") and start again; the server runs it privately, without further setup. ' +
        'Or use an existing server: DATABASE_URL=mysql://user:password@host:3306/database.' +
        because,
    );
    this.name = 'DatabaseProgramMissing';
  }
}

/**
 * Finds the first usable server, MariaDB before MySQL unless a family is given. As root on Debian or Ubuntu, a missing
 * server is installed.
 * @throws DatabaseProgramMissing
 */
export async function findDatabaseProgram(
  progress: (line: string) => void,
  family?: DatabaseFamily,
): Promise<DatabaseProgram> {
  const found = await locateProgram(family);
  if (found) return found;
  // MariaDB cannot open the data of MySQL.
  if (family === 'mysql' || !(await canInstall())) throw new DatabaseProgramMissing();
  progress('No MariaDB or MySQL found: installing mariadb-server-core with apt-get, about half a minute ...');
  const lastLines = await install();
  const installed = await locateProgram(family);
  if (!installed) throw new DatabaseProgramMissing(`\nThe installation with apt-get failed:\n${lastLines}`);
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

/** Runs the server to read its family and version: `mysqld` is often a link to `mariadbd`. Undefined when it cannot run. */
async function identify(path: string): Promise<DatabaseProgram | undefined> {
  const { ok, output } = await runCommand(path, ['--no-defaults', '--version']);
  const version = /Ver (\d+)\.(\d+)\.(\d+)/.exec(output);
  if (!ok || !version) return undefined;
  const family = /mariadb/i.test(output.slice(version.index)) ? 'mariadb' : 'mysql';
  return { path, family, version: [Number(version[1]), Number(version[2]), Number(version[3])] };
}

function foldersOnPath(): string[] {
  // An empty or relative entry means the current folder, which is not trusted.
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

/** Returns the last lines of the output of apt-get; the next search shows whether it succeeded. */
async function install(): Promise<string> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const lockTimeout = ['-o', 'DPkg::Lock::Timeout=120'];
  // One broken source fails the update, but the package may come from another source.
  const update = await runCommand('apt-get', [...lockTimeout, 'update'], { env });
  const options = ['-y', '--no-install-recommends', '--no-remove'];
  const installation = await runCommand('apt-get', [...lockTimeout, 'install', ...options, await packageName()], {
    env,
  });
  return tail(update.ok ? installation.output : `${update.output}\n${installation.output}`);
}

/** Older releases (Debian 11, Ubuntu 22.04) have only package names with a version. */
async function packageName(): Promise<string> {
  const unversioned = 'mariadb-server-core';
  const { ok, output } = await runCommand('apt-cache', ['pkgnames', unversioned]);
  const names = ok ? output.split('\n').sort() : [];
  return names.includes(unversioned)
    ? unversioned
    : (names.filter((name) => /^mariadb-server-core-[\d.]+$/.test(name)).at(-1) ?? unversioned);
}

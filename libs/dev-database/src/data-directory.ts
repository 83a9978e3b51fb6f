import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage } from '@app/platform';
import { type DatabaseProgram } from './database-program.js';
import { tail, runCommand } from './processes.js';

/** Initialises an empty data directory; root@localhost has no password afterwards. */
export async function initializeDataDirectory(
  program: DatabaseProgram,
  argumentsForData: readonly string[],
): Promise<void> {
  const { ok, output } =
    program.family === 'mysql'
      ? await runCommand(program.path, [...argumentsForData, '--initialize-insecure'])
      : await runCommand(program.path, [...argumentsForData, ...BOOTSTRAP], { input: await mariadbTables(program) });
  if (ok) return;
  // Ubuntu's AppArmor profile confines MySQL to /var/lib/mysql; the server then reports only "permission denied".
  const confined = program.family === 'mysql' && existsSync('/etc/apparmor.d/usr.sbin.mysqld');
  const hint = confined
    ? "\nUbuntu's AppArmor profile for MySQL may forbid this folder. Set DATABASE_URL to an existing server instead."
    : '';
  throw new Error(`${program.path} could not initialise its data directory:\n${tail(output)}${hint}`);
}

/** The bootstrap flags of mariadb-install-db. */
const BOOTSTRAP = [
  '--bootstrap',
  '--log-warnings=0',
  '--enforce-storage-engine=',
  '--max-allowed-packet=8M',
  '--net-buffer-length=16K',
  '--innodb-log-file-size=8M',
];

/** In this order; their prefix is `mysql_` up to MariaDB 10.11 and `mariadb_` later. */
const SCRIPTS = ['system_tables.sql', 'performance_tables.sql', 'system_tables_data.sql'];

/**
 * The SQL that mariadb-install-db would send to the server. That program is not used: it needs my_print_defaults, which
 * Debian packages separately, and as root it changes the owner of the system's PAM plug-in.
 */
async function mariadbTables(program: DatabaseProgram): Promise<string> {
  const folder = await shareFolderOf(program);
  const scripts = await Promise.all(
    SCRIPTS.map((name) => readEither(join(folder, `mariadb_${name}`), join(folder, `mysql_${name}`))),
  ).catch((error: unknown) => {
    throw new Error(
      `${program.path} is incomplete (${errorMessage(error)}). Install the full server package of MariaDB.`,
    );
  });
  // One statement a line; the variables of newer and older versions for password login of root.
  const root = [
    'CREATE DATABASE IF NOT EXISTS mysql;',
    'USE mysql;',
    'SET @auth_root_socket=NULL;',
    'SET @skip_auth_root_nopasswd=NULL;',
  ];
  return [...root, ...scripts, ''].join('\n');
}

/** The scripts are next to the character sets, whose folder the server reports. */
async function shareFolderOf({ path }: DatabaseProgram): Promise<string> {
  const asRoot = process.getuid?.() === 0 ? ['--user=root'] : [];
  const { output } = await runCommand(path, ['--no-defaults', ...asRoot, '--verbose', '--help']);
  return join(/^character-sets-dir +(\S.*)$/m.exec(output)?.[1] ?? '/usr/share/mysql/charsets', '..');
}

async function readEither(first: string, second: string): Promise<string> {
  return readFile(first, 'utf8').catch(() => readFile(second, 'utf8'));
}

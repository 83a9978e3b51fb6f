import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage } from '@app/platform';
import { type DatabaseProgram } from './database-program.js';
import { tail, runCommand } from './processes.js';

/** Fills an empty data folder with what the server needs to start; root@localhost has no password then. */
export async function initializeDataDirectory(
  program: DatabaseProgram,
  argumentsForData: readonly string[],
): Promise<void> {
  const { ok, output } =
    program.family === 'mysql'
      ? await runCommand(program.path, [...argumentsForData, '--initialize-insecure'])
      : await runCommand(program.path, [...argumentsForData, ...BOOTSTRAP], { input: await mariadbTables(program) });
  if (ok) return;
  // Ubuntu confines MySQL to /var/lib/mysql, and the server then says no more than "permission denied".
  const confined = program.family === 'mysql' && existsSync('/etc/apparmor.d/usr.sbin.mysqld');
  const hint = confined
    ? "\nUbuntu's AppArmor profile for MySQL may forbid this folder. Set DATABASE_URL to a server that runs already instead."
    : '';
  throw new Error(`${program.path} could not make its data:\n${tail(output)}${hint}`);
}

/** As mariadb-install-db has it. */
const BOOTSTRAP = [
  '--bootstrap',
  '--log-warnings=0',
  '--enforce-storage-engine=',
  '--max-allowed-packet=8M',
  '--net-buffer-length=16K',
  '--innodb-log-file-size=8M',
];

/** In this order; named `mysql_...` up to MariaDB 10.11 and `mariadb_...` later. */
const SCRIPTS = ['system_tables.sql', 'performance_tables.sql', 'system_tables_data.sql'];

/**
 * What mariadb-install-db would feed to the server. Not by that program itself: it needs my_print_defaults, which Debian keeps
 * in another package, and as root it changes the owner of the system's PAM plug-in.
 */
async function mariadbTables(program: DatabaseProgram): Promise<string> {
  const folder = await shareFolderOf(program);
  const scripts = await Promise.all(
    SCRIPTS.map((name) => readEither(join(folder, `mariadb_${name}`), join(folder, `mysql_${name}`))),
  ).catch((error: unknown) => {
    throw new Error(
      `${program.path} is there, but not all that belongs to it (${errorMessage(error)}). Install the whole server package of MariaDB.`,
    );
  });
  // One statement a line; the variables of newer and older versions for "root logs in by password".
  const root = [
    'CREATE DATABASE IF NOT EXISTS mysql;',
    'USE mysql;',
    'SET @auth_root_socket=NULL;',
    'SET @skip_auth_root_nopasswd=NULL;',
  ];
  return [...root, ...scripts, ''].join('\n');
}

/** The scripts lie beside the character sets, whose folder the server names. */
async function shareFolderOf({ path }: DatabaseProgram): Promise<string> {
  const asRoot = process.getuid?.() === 0 ? ['--user=root'] : [];
  const { output } = await runCommand(path, ['--no-defaults', ...asRoot, '--verbose', '--help']);
  return join(/^character-sets-dir +(\S.*)$/m.exec(output)?.[1] ?? '/usr/share/mysql/charsets', '..');
}

async function readEither(first: string, second: string): Promise<string> {
  return readFile(first, 'utf8').catch(() => readFile(second, 'utf8'));
}

import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { lstat, mkdir, readFile, realpath, rename, rm, rmdir } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import { errorCode, errorMessage, isProcessRunning, withProgress } from '@app/platform';
import { type DatabaseProgram } from './database-program.js';
import { terminateProcess, tail, ownerOf, findProcessesByArgument } from './processes.js';

/** The address of a MySQL-family server with a Unix socket. */
export interface PrivateDatabaseAddress {
  readonly socketPath: string;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** `ephemeral` is for tests: quick to create, small, and its user may create schemas. */
export type DatabaseProfile = 'production' | 'ephemeral';

/** The files of one private database, all inside its directory, except the socket when its path would be too long. */
export interface DatabasePaths {
  readonly directory: string;
  readonly data: string;
  readonly log: string;
  readonly socket: string;
}

export interface RunningDatabase {
  readonly pid: number;
  readonly socketPath: string;
}

type Login = Pick<PrivateDatabaseAddress, 'socketPath' | 'user' | 'password'>;

/** Crash recovery of a full redo log takes time. */
const START_TIMEOUT_MS = 120_000;
/** The maximum length of a socket path is 103 bytes on macOS and 107 on Linux. */
const SOCKET_NAME_BYTES = 100;

export async function resolvePaths(directory: string): Promise<DatabasePaths> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await mkdir(temporaryDirectory(directory), { recursive: true, mode: 0o700 });
  const real = await realpath(directory);
  const data = join(real, 'private-database');
  // The data folder is private, which protects the socket while root has no password.
  const near = socketIn(data);
  return {
    directory: real,
    data,
    log: join(real, 'database.log'),
    socket: Buffer.byteLength(near) <= SOCKET_NAME_BYTES ? near : join(socketFolderFor(real), 'database.sock'),
  };
}

/**
 * Finds the servers that run on this data directory: usually at most one, several after killed starts. Reads the
 * process table, because a start can be killed before it writes a file.
 */
export function findServersForDataDir(data: string): RunningDatabase[] {
  const users = [process.geteuid?.() ?? 0, ownerOf(data) ?? NaN]; // processes of other users could imitate a server
  return findProcessesByArgument(dataArgument(data), users)
    .filter(({ commandLine }) => SERVER_IN_COMMAND.test(commandLine))
    .map(({ pid, commandLine }) => ({ pid, socketPath: SOCKET_IN_COMMAND.exec(commandLine)?.[1] ?? socketIn(data) }));
}

/** Starts the server and resolves when it is ready. @throws Error with the last lines of its log. */
export async function startDatabase(
  program: DatabaseProgram,
  paths: DatabasePaths,
  profile: DatabaseProfile,
  login: Omit<Login, 'socketPath'>,
  progress: (line: string) => void,
): Promise<RunningDatabase> {
  if (dirname(paths.socket) !== paths.data) await createSocketFolder(dirname(paths.socket));
  // MySQL rejects a socket whose lock names a running process, even if the pid has been reused.
  for (const stale of [paths.socket, `${paths.socket}.lock`]) await rm(stale, { force: true });
  await rename(paths.log, `${paths.log}.before`).catch(() => undefined); // the first start has no log
  const log = openSync(paths.log, 'a', 0o600);
  // In its own process group, so that Ctrl-C in the terminal does not reach it before this process stops it.
  const child = spawn(program.path, argumentsFor(program, paths, profile), {
    cwd: paths.directory,
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  let failure: string | undefined;
  child.once('error', (error) => (failure = error.message));
  child.once('exit', (code, signal) => (failure = `it ended by ${signal ?? `exit code ${code}`}`));
  child.unref();
  const { pid } = child;
  if (pid === undefined) throw new Error(`${program.path} cannot be run.`);

  const running = { pid, socketPath: paths.socket };
  try {
    await withProgress(
      progress,
      'Starting the private database, including any crash recovery',
      waitUntilReady(running, { ...login, socketPath: paths.socket }, START_TIMEOUT_MS, () => failure),
    );
  } catch (error) {
    await terminateProcess(pid, 10_000);
    throw new Error(
      `The private database did not start: ${errorMessage(error)}\n${await logOf(paths)}\nFull log: ${paths.log}`,
    );
  }
  return running;
}

/** False when the server ends, rejects the login, or does not respond in time. */
export async function isReadyWithin(
  waitMs: number,
  running: RunningDatabase,
  login: Omit<Login, 'socketPath'>,
): Promise<boolean> {
  return waitUntilReady(running, { ...login, socketPath: running.socketPath }, waitMs, () => undefined).then(
    () => true,
    () => false,
  );
}

/** Stops the server and resolves when it has ended. Another program with the same pid is not touched. */
export async function stopServer(
  paths: DatabasePaths,
  { pid, socketPath }: RunningDatabase,
  graceMs: number,
): Promise<void> {
  if (findServersForDataDir(paths.data).some((running) => running.pid === pid)) await terminateProcess(pid, graceMs);
  for (const left of [socketPath, `${socketPath}.lock`]) await rm(left, { force: true });
  const folder = dirname(socketPath);
  if (folder !== paths.data) await rmdir(folder).catch(() => undefined); // not empty or already removed
}

/**
 * Not the system's: a starting server removes all `#sql…` files there, including those of other servers, which then
 * crash (seen with MariaDB 10.11.19).
 */
const temporaryDirectory = (directory: string): string => join(directory, 'temporary');

const dataArgument = (data: string): string => `--datadir=${data}`;
const socketIn = (data: string): string => join(data, 'database.sock');
/** Matches the server itself: a backup program has the same argument. */
const SERVER_IN_COMMAND = /^([^\0]*\/)?(mariadbd|mysqld)[\0 ]/;
/** Matches the order of {@link argumentsFor}; the socket path may contain spaces. */
const SOCKET_IN_COMMAND = /--socket=(.*?)[\0 ]--pid-file=/;

/** The flags for both the initialisation and the server. */
export function argumentsForData({ family }: DatabaseProgram, paths: DatabasePaths): string[] {
  return [
    '--no-defaults',
    dataArgument(paths.data),
    `--tmpdir=${temporaryDirectory(paths.directory)}`,
    ...(process.getuid?.() === 0 ? ['--user=root'] : []),
    // Without it MySQL requires /var/lib/mysql-files, which only a full installation has.
    ...(family === 'mysql' ? ['--secure-file-priv=NULL'] : []),
  ];
}

function argumentsFor(program: DatabaseProgram, paths: DatabasePaths, profile: DatabaseProfile): string[] {
  const redoLogMb = profile === 'production' ? 512 : 8;
  return [
    ...argumentsForData(program, paths),
    `--socket=${paths.socket}`,
    `--pid-file=${join(paths.data, 'server.pid')}`,
    '--skip-networking',
    ...(program.family === 'mysql' ? ['--mysqlx=OFF'] : []),
    '--skip-log-bin',
    '--character-set-server=utf8mb4',
    '--collation-server=utf8mb4_unicode_520_ci',
    '--default-time-zone=+00:00',
    '--skip-name-resolve',
    '--max-connections=200',
    '--innodb-flush-log-at-trx-commit=1',
    `--innodb-buffer-pool-size=${profile === 'production' ? servingPoolMb() : 256}M`,
    ...(hasRedoLogCapacity(program)
      ? [`--innodb-redo-log-capacity=${redoLogMb}M`]
      : [`--innodb-log-file-size=${redoLogMb}M`]),
    ...(profile === 'ephemeral' ? ['--performance-schema=OFF'] : []),
  ];
}

/** MySQL has the capacity since 8.0.30; MariaDB has only the file size. */
function hasRedoLogCapacity({ family, version: [major, minor, patch] }: DatabaseProgram): boolean {
  return family === 'mysql' && (major > 8 || (major === 8 && (minor > 0 || patch >= 30)));
}

/** 1 GB, or an eighth of the memory limit of this process or container. */
function servingPoolMb(): number {
  const limitBytes = process.constrainedMemory?.() || Infinity;
  return Math.max(64, Math.min(1024, Math.floor(Math.min(totalmem(), limitBytes) / 8 / 2 ** 20)));
}

/** Deterministic for a directory, so that the next start finds a remaining server. */
function socketFolderFor(directory: string): string {
  const name = createHash('sha256')
    .update(`${process.getuid?.() ?? 0}:${directory}`)
    .digest('hex')
    .slice(0, 20);
  return join(tmpdir(), `configuration-server-${name}`);
}

/** Its name is predictable and the temporary folder is public, so an existing folder is not trusted. */
async function createSocketFolder(folder: string): Promise<void> {
  await mkdir(folder, { mode: 0o700 }).catch((error: unknown) => {
    if (errorCode(error) !== 'EEXIST') throw error;
  });
  const found = await lstat(folder);
  if (!found.isDirectory() || found.uid !== (process.getuid?.() ?? 0) || (found.mode & 0o077) !== 0) {
    throw new Error(
      `${folder} can be accessed by other users. Remove it, or use a data directory with a shorter name.`,
    );
  }
}

async function waitUntilReady(
  { pid }: RunningDatabase,
  login: Login,
  waitMs: number,
  failure: () => string | undefined,
): Promise<void> {
  const deadlineMs = performance.now() + waitMs;
  for (;;) {
    const pingError = await ping(login);
    if (pingError === undefined) return;
    const ended = failure() ?? (isProcessRunning(pid) ? undefined : 'it has ended');
    if (ended !== undefined) throw new Error(ended);
    if (errorCode(pingError) === 'ER_ACCESS_DENIED_ERROR') throw pingError;
    if (performance.now() > deadlineMs)
      throw new Error(`no response within ${waitMs / 1000} s (${errorMessage(pingError)})`);
    await pause(50);
  }
}

/** Undefined when the server responds, otherwise the error. */
async function ping(login: Login): Promise<unknown> {
  try {
    const connection = await createConnection({ ...login, connectTimeout: 2_000 });
    try {
      await connection.query({ sql: 'SELECT 1', timeout: 2_000 });
    } finally {
      connection.destroy();
    }
    return undefined;
  } catch (error) {
    return error;
  }
}

async function logOf({ log }: DatabasePaths): Promise<string> {
  return tail(await readFile(log, 'utf8').catch(() => ''));
}

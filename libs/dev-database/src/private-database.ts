import { randomBytes } from 'node:crypto';
import { access, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import {
  lockDirectory,
  errorMessage,
  assertPrivateFolder,
  readPrivateFile,
  withProgress,
  writePrivateFile,
} from '@app/platform';
import {
  type DatabaseFamily,
  type DatabaseProgram,
  DatabaseProgramMissing,
  findDatabaseProgram,
} from './database-program.js';
import {
  isReadyWithin,
  argumentsForData,
  findServersForDataDir,
  type DatabasePaths,
  type DatabaseProfile,
  stopServer,
  resolvePaths,
  type PrivateDatabaseAddress,
  type RunningDatabase,
  startDatabase,
} from './database-process.js';
import { initializeDataDirectory } from './data-directory.js';

export { DatabaseProgramMissing };
export { type DatabaseProfile, type PrivateDatabaseAddress } from './database-process.js';

export interface PrivateDatabase {
  readonly address: PrivateDatabaseAddress;
  readonly pid: number;
  /** Whether the server was already running, after its previous owner was killed. */
  readonly adopted: boolean;
  /** Resolves when the process has ended. A second call waits for the first. */
  stop(): Promise<void>;
}

export interface PrivateDatabaseOptions {
  /** The directory of all its files, readable only by the owner. */
  readonly directory: string;
  readonly profile: DatabaseProfile;
  readonly database?: string;
  readonly progress: (line: string) => void;
}

interface Passwords {
  readonly root: string;
  readonly user: string;
}

/** Written last: without the marker, no data was ever acknowledged. */
interface Marker {
  readonly family: DatabaseFamily;
  readonly database: string;
}

const USER = 'configuration_server';
const STOP_TIMEOUT_MS = 60_000;

/**
 * Opens a private server on the data in `directory`: created at the first start, adopted when it already runs, never
 * started twice.
 * @throws DatabaseProgramMissing, DirectoryInUse (during another start), UnsafeFile, or Error with the required action.
 */
export async function openPrivateDatabase({
  directory,
  profile,
  database = USER,
  progress,
}: PrivateDatabaseOptions): Promise<PrivateDatabase> {
  if (!/^[a-z][a-z0-9_]{0,63}$/.test(database))
    throw new Error(`"${database}" is not a valid database name: use lower-case letters, digits and _ only.`);
  const paths = await resolvePaths(directory);
  await assertPrivateFolder(paths.directory);
  const lock = await lockDirectory(paths.directory, 'opening.pid');
  try {
    const { running, password, adopted } = await openWith({ paths, profile, database, progress });
    let stopped: Promise<void> | undefined;
    return {
      address: { socketPath: running.socketPath, user: USER, password, database },
      pid: running.pid,
      adopted,
      stop: () =>
        (stopped ??= withProgress(
          progress,
          'Stopping the private database',
          stopServer(paths, running, STOP_TIMEOUT_MS),
        )),
    };
  } finally {
    await lock.release();
  }
}

/** Stops a server on the data in `directory` whose owner was killed. */
export async function stopOrphanedDatabase(directory: string): Promise<void> {
  const paths = await resolvePaths(directory);
  for (const left of findServersForDataDir(paths.data)) await stopServer(paths, left, 10_000);
}

interface OpenOptions {
  readonly paths: DatabasePaths;
  readonly profile: DatabaseProfile;
  readonly database: string;
  readonly progress: (line: string) => void;
}

interface OpenResult {
  readonly running: RunningDatabase;
  readonly password: string;
  readonly adopted: boolean;
}

async function openWith(options: OpenOptions): Promise<OpenResult> {
  const { paths, profile, database, progress } = options;
  const existing = await readMarker(paths);
  if (existing && existing.marker.database !== database)
    throw new Error(`${paths.directory} contains the database ${existing.marker.database}, not ${database}.`);

  const running = findServersForDataDir(paths.data);
  const [only] = running;
  if (existing && only && running.length === 1) {
    const login = { user: USER, password: existing.passwords.user };
    const isReady = await withProgress(
      progress,
      'Waiting for the private database of an earlier run',
      isReadyWithin(60_000, only, login),
    );
    if (isReady) return { running: only, password: login.password, adopted: true };
  }
  for (const orphan of running)
    await withProgress(progress, 'Stopping the private database of an earlier run', stopServer(paths, orphan, 10_000));
  if (!existing) return { ...(await createDatabase(options)), adopted: false };
  const program = await resolveBinary(existing.marker, paths, progress);
  const password = existing.passwords.user;
  return {
    running: await startDatabase(program, paths, profile, { user: USER, password }, progress),
    password,
    adopted: false,
  };
}

/**
 * Undefined when the creation was never completed. @throws Error when a part of a complete database is missing: failing
 * is safer than starting with an empty registry.
 */
async function readMarker(paths: DatabasePaths): Promise<{ marker: Marker; passwords: Passwords } | undefined> {
  const marker = await readJson<Marker>(markerIn(paths), false);
  if (!marker) return undefined;
  const passwords = await readJson<Passwords>(passwordsIn(paths), true);
  if (passwords && (await exists(paths.data))) return { marker, passwords };
  throw new Error(
    `${passwords ? paths.data : passwordsIn(paths)} is missing. Restore it from a backup, or move ${paths.directory} away to start with an empty registry.`,
  );
}

async function resolveBinary(
  { family }: Marker,
  { directory }: DatabasePaths,
  progress: (line: string) => void,
): Promise<DatabaseProgram> {
  try {
    return await findDatabaseProgram(progress, family);
  } catch (error) {
    if (!(error instanceof DatabaseProgramMissing)) throw error;
    const name = { mariadb: 'MariaDB', mysql: 'MySQL' }[family];
    throw new Error(
      `The data in ${directory} was created by ${name}, which is not installed. Install it, or move that folder away to start with an empty registry.`,
      { cause: error },
    );
  }
}

/** Creates and starts a server with its database, its user and its marker. */
async function createDatabase({
  paths,
  profile,
  database,
  progress,
}: OpenOptions): Promise<Omit<OpenResult, 'adopted'>> {
  const program = await findDatabaseProgram(progress);
  await removePartialInstall(paths);
  const passwords: Passwords = { root: newPassword(), user: newPassword() };
  await writeDurably(passwordsIn(paths), JSON.stringify(passwords));
  await mkdir(paths.data, { mode: 0o700 });
  await withProgress(
    progress,
    `Creating a private database in ${paths.directory}`,
    initializeDataDirectory(program, argumentsForData(program, paths)),
  );
  const running = await startDatabase(program, paths, profile, { user: 'root', password: '' }, progress);
  try {
    await createDatabaseAndUsers(running, profile, database, passwords);
    const marker: Marker = { family: program.family, database };
    await writeDurably(markerIn(paths), JSON.stringify(marker));
  } catch (error) {
    await stopServer(paths, running, 10_000);
    throw error;
  }
  return { running, password: passwords.user };
}

/** The passwords are written before the data, so data without passwords belongs to another program and is kept. */
async function removePartialInstall(paths: DatabasePaths): Promise<void> {
  if (!(await exists(paths.data))) return;
  if (!(await exists(passwordsIn(paths))))
    throw new Error(`${paths.data} exists, but was not created by the configuration server. Move it away.`);
  await rm(paths.data, { recursive: true, force: true, maxRetries: 3 });
}

async function createDatabaseAndUsers(
  { socketPath }: RunningDatabase,
  profile: DatabaseProfile,
  database: string,
  { root, user }: Passwords,
): Promise<void> {
  const connection = await createConnection({ socketPath, user: 'root' });
  try {
    await connection.query(`CREATE DATABASE \`${database}\` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci`);
    await connection.query(`CREATE USER '${USER}'@'localhost' IDENTIFIED BY ?`, [user]);
    await connection.query(
      `GRANT ALL PRIVILEGES ON ${profile === 'production' ? `\`${database}\`` : '*'}.* TO '${USER}'@'localhost'`,
    );
    await connection.query(`ALTER USER 'root'@'localhost' IDENTIFIED BY ?`, [root]);
  } finally {
    connection.destroy();
  }
}

function passwordsIn({ directory }: DatabasePaths): string {
  return join(directory, 'database-passwords.json');
}

function markerIn({ directory }: DatabasePaths): string {
  return join(directory, 'database-made.json');
}

function newPassword(): string {
  return randomBytes(32).toString('base64url');
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function readJson<T>(path: string, isSecret: boolean): Promise<T | undefined> {
  const text = await readPrivateFile(path, { isSecret });
  if (text === null) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch (error) {
    throw new Error(`${path} cannot be read: ${errorMessage(error)}`);
  }
}

/** Writes atomically and durably: a marker lost in a power failure would make good data look incomplete. */
async function writeDurably(path: string, text: string): Promise<void> {
  await writePrivateFile(`${path}.draft`, text);
  await rename(`${path}.draft`, path);
  const folder = await open(dirname(path), 'r');
  await folder.sync().finally(() => folder.close());
}

import { randomBytes } from 'node:crypto';
import { access, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createConnection } from 'mysql2/promise';
import {
  type DatabaseFamily,
  type DatabaseProgram,
  DatabaseProgramMissing,
  findDatabaseProgram,
} from './database-binaries.js';
import {
  answersWithin,
  argumentsForData,
  databasesOn,
  type DatabasePlaces,
  type DatabaseSize,
  endDatabase,
  placesIn,
  type PrivateDatabaseAddress,
  type RunningDatabase,
  startDatabase,
} from './database-process.js';
import { makeSystemTables } from './database-system-tables.js';
import { claimDirectory } from './directory-claim.js';
import { mustBePrivateFolder, readPrivateFile, writePrivateFile } from './private-files.js';
import { errorMessage, whileSaying } from './running-process.js';

export { DatabaseProgramMissing };
export { type DatabaseSize, type PrivateDatabaseAddress } from './database-process.js';

export interface PrivateDatabase {
  readonly address: PrivateDatabaseAddress;
  readonly pid: number;
  /** It was already running, left behind by a server that was killed. */
  readonly adopted: boolean;
  /** Returns when its process is gone. A second call waits for the first. */
  stop(): Promise<void>;
}

export interface PrivateDatabaseOptions {
  /** All of its files go here, readable by nobody else. */
  readonly directory: string;
  readonly size: DatabaseSize;
  readonly database?: string;
  readonly progress: (line: string) => void;
}

interface Passwords {
  readonly root: string;
  readonly user: string;
}

/** Written last of all: where it is missing, nothing was ever acknowledged from the data. */
interface Marker {
  readonly family: DatabaseFamily;
  readonly database: string;
}

const USER = 'configuration_server';
const STOP_WITHIN_MS = 60_000;

/**
 * A server of our own on the data in `directory`: made at the first start, found again at the next, never two at once.
 * @throws DatabaseProgramMissing, DirectoryInUse (another start is at it this moment), UnsafeFile, or Error that says what to do.
 */
export async function openPrivateDatabase({
  directory,
  size,
  database = USER,
  progress,
}: PrivateDatabaseOptions): Promise<PrivateDatabase> {
  if (!/^[a-z][a-z0-9_]{0,63}$/.test(database))
    throw new Error(`"${database}" cannot be the name of a database: lower-case letters, digits and _ only.`);
  const places = await placesIn(directory);
  await mustBePrivateFolder(places.directory);
  const opening = await claimDirectory(places.directory, 'opening.pid');
  try {
    const { running, password, adopted } = await openWith({ places, size, database, progress });
    let stopped: Promise<void> | undefined;
    return {
      address: { socketPath: running.socketPath, user: USER, password, database },
      pid: running.pid,
      adopted,
      stop: () =>
        (stopped ??= whileSaying(
          progress,
          'Stopping the private database',
          endDatabase(places, running, STOP_WITHIN_MS),
        )),
    };
  } finally {
    await opening.release();
  }
}

/** Ends what a killed run left running on the data in `directory`. */
export async function stopDatabaseLeftIn(directory: string): Promise<void> {
  const places = await placesIn(directory);
  for (const left of databasesOn(places.data)) await endDatabase(places, left, 10_000);
}

interface Opening {
  readonly places: DatabasePlaces;
  readonly size: DatabaseSize;
  readonly database: string;
  readonly progress: (line: string) => void;
}

interface Opened {
  readonly running: RunningDatabase;
  readonly password: string;
  readonly adopted: boolean;
}

async function openWith(opening: Opening): Promise<Opened> {
  const { places, size, database, progress } = opening;
  const made = await readMade(places);
  if (made && made.marker.database !== database)
    throw new Error(`${places.directory} holds the database ${made.marker.database}, not ${database}.`);

  const left = databasesOn(places.data);
  const [only] = left;
  if (made && only && left.length === 1) {
    const login = { user: USER, password: made.passwords.user };
    const answers = await whileSaying(
      progress,
      'Waiting for the private database of an earlier run',
      answersWithin(60_000, only, login),
    );
    if (answers) return { running: only, password: login.password, adopted: true };
  }
  for (const one of left)
    await whileSaying(progress, 'Stopping the private database of an earlier run', endDatabase(places, one, 10_000));
  if (!made) return { ...(await makeDatabase(opening)), adopted: false };
  const program = await programFor(made.marker, places, progress);
  const password = made.passwords.user;
  return {
    running: await startDatabase(program, places, size, { user: USER, password }, progress),
    password,
    adopted: false,
  };
}

/** Undefined when it was never finished. @throws Error when a part of a finished one is gone: better stop than begin empty. */
async function readMade(places: DatabasePlaces): Promise<{ marker: Marker; passwords: Passwords } | undefined> {
  const marker = await readJson<Marker>(markerIn(places), false);
  if (!marker) return undefined;
  const passwords = await readJson<Passwords>(passwordsIn(places), true);
  if (passwords && (await exists(places.data))) return { marker, passwords };
  throw new Error(
    `${passwords ? places.data : passwordsIn(places)} is missing. Put it back from a backup, or move ${places.directory} away to begin with an empty registry.`,
  );
}

async function programFor(
  { family }: Marker,
  { directory }: DatabasePlaces,
  progress: (line: string) => void,
): Promise<DatabaseProgram> {
  try {
    return await findDatabaseProgram(progress, family);
  } catch (error) {
    if (!(error instanceof DatabaseProgramMissing)) throw error;
    const name = { mariadb: 'MariaDB', mysql: 'MySQL' }[family];
    throw new Error(
      `The data in ${directory} was made by ${name}, which is not on this machine. Install it, or move that folder away to begin with an empty registry.`,
      { cause: error },
    );
  }
}

/** From nothing to a running server with its database, its user and its marker. */
async function makeDatabase({ places, size, database, progress }: Opening): Promise<Omit<Opened, 'adopted'>> {
  const program = await findDatabaseProgram(progress);
  await removeHalfMade(places);
  const passwords: Passwords = { root: newPassword(), user: newPassword() };
  await writeDurably(passwordsIn(places), JSON.stringify(passwords));
  await mkdir(places.data, { mode: 0o700 });
  await whileSaying(
    progress,
    `Making a private database in ${places.directory}`,
    makeSystemTables(program, argumentsForData(program, places)),
  );
  const running = await startDatabase(program, places, size, { user: 'root', password: '' }, progress);
  try {
    await setUp(running, size, database, passwords);
    const marker: Marker = { family: program.family, database };
    await writeDurably(markerIn(places), JSON.stringify(marker));
  } catch (error) {
    await endDatabase(places, running, 10_000);
    throw error;
  }
  return { running, password: passwords.user };
}

/** The passwords are written before the data, so data without them is not ours to remove. */
async function removeHalfMade(places: DatabasePlaces): Promise<void> {
  if (!(await exists(places.data))) return;
  if (!(await exists(passwordsIn(places))))
    throw new Error(`${places.data} exists, but was not made by the configuration server. Move it away.`);
  await rm(places.data, { recursive: true, force: true, maxRetries: 3 });
}

async function setUp(
  { socketPath }: RunningDatabase,
  size: DatabaseSize,
  database: string,
  { root, user }: Passwords,
): Promise<void> {
  const connection = await createConnection({ socketPath, user: 'root' });
  try {
    await connection.query(`CREATE DATABASE \`${database}\` CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci`);
    await connection.query(`CREATE USER '${USER}'@'localhost' IDENTIFIED BY ?`, [user]);
    await connection.query(
      `GRANT ALL PRIVILEGES ON ${size === 'serving' ? `\`${database}\`` : '*'}.* TO '${USER}'@'localhost'`,
    );
    await connection.query(`ALTER USER 'root'@'localhost' IDENTIFIED BY ?`, [root]);
  } finally {
    connection.destroy();
  }
}

function passwordsIn({ directory }: DatabasePlaces): string {
  return join(directory, 'database-passwords.json');
}

function markerIn({ directory }: DatabasePlaces): string {
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

/** Whole or not at all, and there after a power cut: a marker lost later would condemn good data. */
async function writeDurably(path: string, text: string): Promise<void> {
  await writePrivateFile(`${path}.draft`, text);
  await rename(`${path}.draft`, path);
  const folder = await open(dirname(path), 'r');
  await folder.sync().finally(() => folder.close());
}

import { afterAll, afterEach, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import { once } from 'node:events';
import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import {
  terminateProcess,
  openPrivateDatabase,
  findProcessesByArgument,
  type DatabaseProfile,
  type PrivateDatabase,
} from '@app/dev-database';
import { isProcessRunning } from '@app/platform';

jest.setTimeout(180_000);

/** A directory after a first start, to be copied. */
let prepared: string;
let directory: string;
let opened: PrivateDatabase[] = [];

beforeAll(async () => {
  prepared = await mkdtemp(join(tmpdir(), 'private-database-'));
  await (await start(prepared)).stop();
});
afterAll(() => rm(prepared, { recursive: true, force: true }));

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'private-database-'));
  opened = [];
});

afterEach(async () => {
  for (const database of opened) await database.stop();
  await rm(directory, { recursive: true, force: true });
});

/** Starts the database for the first time. */
async function start(where = directory, size: DatabaseProfile = 'ephemeral'): Promise<PrivateDatabase> {
  const database = await openPrivateDatabase({ directory: where, profile: size, progress: () => undefined });
  opened.push(database);
  return database;
}

/** Starts a database that has been started before. */
async function startPrepared(): Promise<PrivateDatabase> {
  await promisify(execFile)('cp', ['-a', '--sparse=always', `${prepared}/.`, directory]);
  return start();
}

async function using<T>({ address }: PrivateDatabase, work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await createConnection({ ...address });
  try {
    return await work(connection);
  } finally {
    await connection.end();
  }
}

function store(database: PrivateDatabase, note: string): Promise<void> {
  return using(database, async (connection) => {
    await connection.query('CREATE TABLE IF NOT EXISTS note (text VARCHAR(50) PRIMARY KEY)');
    await connection.query('INSERT INTO note VALUES (?)', [note]);
  });
}

function stored(database: PrivateDatabase): Promise<string[]> {
  return using(database, async (connection) => {
    const [rows] = await connection.query<RowDataPacket[]>('SELECT text FROM note ORDER BY text');
    return rows.map((row) => String(row['text']));
  });
}

it('the second start reads the data of the first', async () => {
  const first = await start();
  expect(first).toMatchObject({
    adopted: false,
    address: { user: 'configuration_server', database: 'configuration_server' },
  });
  await store(first, 'kept');
  await first.stop();

  const second = await start();
  expect(second.adopted).toBe(false);
  expect(second.address).toEqual(first.address);
  expect(await stored(second)).toEqual(['kept']);
});

it('a committed row survives SIGKILL of the database', async () => {
  const first = await startPrepared();
  await store(first, 'committed');
  process.kill(first.pid, 'SIGKILL');

  const second = await start();
  expect(second.pid).not.toBe(first.pid);
  expect(await stored(second)).toEqual(['committed']);
});

it('a database left running is adopted, and no second one starts', async () => {
  const leftBehind = await startPrepared();
  await store(leftBehind, 'kept');

  // Adoption needs only the data directory, because a killed start may have written no other file.
  for (const name of await readdir(directory)) if (/pid|log/.test(name)) await rm(join(directory, name));
  const adopting = await start();
  expect(adopting).toMatchObject({ adopted: true, pid: leftBehind.pid, address: leftBehind.address });
  expect(await stored(adopting)).toEqual(['kept']);
  await adopting.stop();
  expect(isProcessRunning(leftBehind.pid)).toBe(false);
});

it('concurrent starts result in one server', async () => {
  const outcomes = await Promise.allSettled([start(), start(), start()]);
  expect(new Set(opened.map(({ pid }) => pid)).size).toBe(1);
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ name: 'DirectoryInUse' });
  }
});

it.each([
  ['killed', async ({ pid }: PrivateDatabase) => terminateProcess(pid, 0)],
  ['still running', async () => undefined],
])('data without its marker is created again, with its server %s', async (_state, leave) => {
  const incomplete = await startPrepared();
  await store(incomplete, 'never acknowledged');
  await leave(incomplete);
  await rm(join(directory, 'database-made.json'));

  const again = await start();
  expect(again.adopted).toBe(false);
  expect(isProcessRunning(incomplete.pid)).toBe(false);
  expect(again.address.password).not.toBe(incomplete.address.password);
  await expect(stored(again)).rejects.toMatchObject({ code: 'ER_NO_SUCH_TABLE' });
});

it('complete data without its passwords is not replaced by an empty database', async () => {
  await (await startPrepared()).stop();
  await rm(join(directory, 'database-passwords.json'));
  await expect(start()).rejects.toThrow(/database-passwords\.json is missing\. Restore it from a backup/);
  expect(await readdir(join(directory, 'private-database'))).toContain('configuration_server');
});

it('a folder of other origin is not removed', async () => {
  await mkdir(join(directory, 'private-database'));
  await writeFile(join(directory, 'private-database', 'thesis.txt'), 'years of work');
  await expect(start()).rejects.toThrow(/was not created by the configuration server/);
  expect(await readFile(join(directory, 'private-database', 'thesis.txt'), 'utf8')).toBe('years of work');
});

it('its temporary files are in a folder that no other starting server cleans', async () => {
  const database = await startPrepared();
  const [row] = await using(
    database,
    async (connection) => (await connection.query<RowDataPacket[]>('SELECT @@tmpdir AS place'))[0],
  );
  expect(await realpath(String(row?.['place']))).toBe(await realpath(join(directory, 'temporary')));
});

it('stop leaves no process, and may be called twice', async () => {
  const database = await startPrepared();
  await Promise.all([database.stop(), database.stop()]);
  expect(isProcessRunning(database.pid)).toBe(false);
  await database.stop();
});

it('stop succeeds after the database was killed', async () => {
  const database = await startPrepared();
  await terminateProcess(database.pid, 0);
  await database.stop();
});

it('several servers of one data directory are all terminated before one starts', async () => {
  const first = await startPrepared();
  await store(first, 'kept');
  // As after a start that was killed while waiting: a second server, which tries for 30 s to lock the data.
  const [running] = findProcessesByArgument(`--datadir=${await realpath(directory)}/private-database`, [
    process.geteuid?.() ?? 0,
  ]);
  const [program = '', ...args] = running?.commandLine.split(/[\0 ]/).filter(Boolean) ?? [];
  const second = spawn(
    program,
    args.map((argument) => argument.replace(/^(--(socket|pid-file)=.*)/, '$1.second')),
    { stdio: 'ignore' },
  );
  await once(second, 'spawn');

  const again = await start();
  expect(again.adopted).toBe(false);
  expect([first.pid, second.pid ?? 0].filter(isProcessRunning)).toEqual([]);
  expect(await stored(again)).toEqual(['kept']);
});

it('another program that uses the data directory, such as a backup, is neither adopted nor terminated', async () => {
  const first = await startPrepared();
  await first.stop();
  const other = spawn(process.execPath, [
    '-e',
    'setInterval(() => {}, 1000)',
    '--',
    `--datadir=${await realpath(directory)}/private-database`,
  ]);
  try {
    await once(other, 'spawn');
    expect((await start()).adopted).toBe(false);
    expect(other.exitCode ?? other.signalCode).toBeNull();
  } finally {
    other.kill('SIGKILL');
  }
});

it('a directory with a long name or a space has its socket in another folder', async () => {
  const database = await start(join(directory, 'a long name '.repeat(12)));
  expect(Buffer.byteLength(database.address.socketPath)).toBeLessThanOrEqual(100);
  await store(database, 'kept');
  expect(await stored(database)).toEqual(['kept']);
  await database.stop();
  await expect(stat(dirname(database.address.socketPath))).rejects.toMatchObject({ code: 'ENOENT' });
});

it('the production profile listens on no port, and its user can access only its own schema', async () => {
  const database = await start(directory, 'production');
  await store(database, 'kept');
  await using(database, async (connection) => {
    const [[variables]] = await connection.query<RowDataPacket[]>(
      'SELECT @@skip_networking AS closed, @@innodb_flush_log_at_trx_commit AS flush, @@log_bin AS binaryLog',
    );
    expect(variables).toEqual({ closed: 1, flush: 1, binaryLog: 0 });
    await expect(connection.query('CREATE DATABASE another')).rejects.toMatchObject({
      code: 'ER_DBACCESS_DENIED_ERROR',
    });
  });
  await expect(createConnection({ socketPath: database.address.socketPath, user: 'root' })).rejects.toMatchObject({
    code: 'ER_ACCESS_DENIED_ERROR',
  });
  expect((await stat(join(directory, 'database-passwords.json'))).mode & 0o777).toBe(0o600);
});

it('the user of an ephemeral database may create schemas', async () => {
  await using(await startPrepared(), (connection) => connection.query('CREATE DATABASE another'));
});

it('a server that fails to start reports the last lines of its log', async () => {
  await (await startPrepared()).stop();
  await writeFile(join(directory, 'private-database', 'ibdata1'), 'torn');
  await expect(start()).rejects.toThrow(
    /did not start: it (has ended|ended by exit code 1)\n[^]*ibdata1[^]*Full log: .*database\.log/,
  );
});

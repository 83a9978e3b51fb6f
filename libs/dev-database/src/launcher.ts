import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { lockDirectory, assertUnlocked, writePrivateFile, type DirectoryLock } from '@app/platform';
import type { PrivateDatabaseAddress } from './private-database.js';
import { SupervisedDatabase } from './supervised-database.js';

/** A server that needs a database, and its start options. */
export interface Launch {
  /** Arguments of Node: the program and its arguments. */
  readonly command: readonly string[];
  readonly dataDirectory: string;
  /** Fails if the server could not start. Called before a database is started. */
  readonly check: () => Promise<unknown>;
  readonly logger: Logger;
  readonly progress: (line: string) => void;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const LOCK_FILE = 'launcher.pid';
/** A server exits when its launcher is gone; its event loop may be busy. */
const ORPHAN_ENDS_WITHIN_MS = 10_000;

/**
 * Runs the server as a child process on a private database in its data directory. Returns the exit code of the server after the
 * database has stopped. @throws DirectoryInUse, and any error of `check` and `openPrivateDatabase`.
 */
export async function launch({ command, dataDirectory, check, logger, progress }: Launch): Promise<number> {
  let server: ChildProcess | undefined;
  let isStopping = false;
  for (const signal of SIGNALS)
    process.on(signal, () => {
      isStopping = true;
      server?.kill(signal);
    });
  const lock = await lockDataDirectory(dataDirectory);
  try {
    await check();
    const directory = join(dataDirectory, 'database');
    const database = await SupervisedDatabase.open({ directory, profile: 'production', progress }, logger);
    try {
      const env = { ...process.env, ...(await environmentFor(database.address, directory)) };
      if (isStopping) return 0;
      // The channel closes when this process ends for any reason, and the server exits.
      server = spawn(process.execPath, command, { env, stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
      return await exitCodeOf(server);
    } finally {
      await database.stop();
    }
  } finally {
    await lock.release();
  }
}

/** Settings with which a server connects to a private database. The password is in a file of the directory. */
async function environmentFor(
  { user, password, database, socketPath }: PrivateDatabaseAddress,
  directory: string,
): Promise<Record<string, string>> {
  const passwordFile = join(directory, 'server.password');
  await writePrivateFile(passwordFile, password);
  return {
    DATABASE_URL: `mysql://${user}@localhost/${database}?socket=${encodeURIComponent(socketPath)}`,
    DATABASE_PASSWORD_FILE: passwordFile,
  };
}

async function exitCodeOf(server: ChildProcess): Promise<number> {
  const [code, signal] = (await once(server, 'exit')) as [number | null, NodeJS.Signals | null];
  return code ?? 128 + constants.signals[signal ?? 'SIGKILL'];
}

/** Allows one launcher, and one server, at a time. Waits for the server of a launcher that was killed. */
async function lockDataDirectory(directory: string): Promise<DirectoryLock> {
  const wasKilled = existsSync(join(directory, LOCK_FILE));
  const lock = await lockDirectory(directory, LOCK_FILE).catch(async (error: unknown) => {
    await assertUnlocked(directory); // the lock of the server itself names its URL
    throw error;
  });
  try {
    const deadlineMs = performance.now() + (wasKilled ? ORPHAN_ENDS_WITHIN_MS : 0);
    for (;;) {
      const inUse = await assertUnlocked(directory).catch((error: unknown) => error);
      if (inUse === undefined) return lock;
      if (performance.now() > deadlineMs) throw inUse;
      await pause(50);
    }
  } catch (error) {
    await lock.release();
    throw error;
  }
}

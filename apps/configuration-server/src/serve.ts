import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import type { Server } from 'node:http';
import { createServer } from 'node:net';
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { FleetError } from '@app/fleet';
import { Database, durabilityWarnings, isClusterNode, migrateDatabase, migrationsArePending, readDatabaseClock, readListening, readMaxPacketBytes, type DatabaseAddress } from '@app/fleet-mysql';
import {
  claimDirectory,
  errorCode,
  errorMessage,
  SystemClock,
  SystemRandomness,
  UuidIdentifiers,
  whileSaying,
  type DatabaseSettings,
  type Settings,
} from '@app/platform';
import { joinSite } from './join-site.js';
import { KeptDatabase } from './kept-database.js';
import { Replica } from './replica.js';
import { DataDirectory } from './restore/data-directory.js';
import { renewAdminKey, SecretFiles, settleSecrets } from './secret-files.js';

/** Often enough that a step of the database's clock is found before it matters. */
const SYNCHRONISE_CLOCK_MS = 10_000;
const CLOSE_IDLE_MS = 50;
/** A request that has not arrived whole by then is given up; well below the time after which the whole stop is. */
const LONGEST_DRAIN_MS = 10_000;

/** The surroundings do not let it start; the message tells the operator all there is to know. */
export class CannotStart extends Error {}

/** What is asked of one start alone. */
export interface StartOptions {
  /** One more admin key, for an operator who has none any more. */
  readonly newAdminKey: boolean;
  /** The database was restored from a backup: what it does not know is settled by the data directory. */
  readonly restored: boolean;
}

/** A file of the data directory, and whether the secret in it is valid in this database. */
export interface SecretFile {
  readonly path: string;
  readonly state: 'absent' | 'valid' | 'not valid';
}

export interface RunningServer {
  readonly url: string;
  readonly files: { readonly passphrase: SecretFile; readonly adminKey: SecretFile };
  /** Drains, stops the private database cleanly, and leaves the data directory to the next start. */
  stop(): Promise<void>;
}

/** Undoes what was begun, newest first. */
class Undoing {
  private readonly steps: (() => Promise<unknown>)[] = [];

  add(step: () => Promise<unknown>): void {
    this.steps.unshift(step);
  }

  async run(logger: Logger): Promise<void> {
    for (const step of this.steps.splice(0)) {
      await step().catch((error: unknown) => logger.error({ err: error }, 'a step of stopping failed; the others go on'));
    }
  }
}

/** Starts all of it: database, schema, secrets, jobs, HTTP. What was begun is undone when a later step fails. */
export async function serve(settings: Settings, logger: Logger, progress: (line: string) => void, options: StartOptions): Promise<RunningServer> {
  const undoing = new Undoing();
  try {
    return await begin(settings, logger, progress, options, undoing);
  } catch (error) {
    await undoing.run(logger);
    throw error;
  }
}

async function begin(settings: Settings, logger: Logger, progress: (line: string) => void, { newAdminKey, restored }: StartOptions, undoing: Undoing): Promise<RunningServer> {
  const dataDirectory = resolve(settings.dataDirectory);
  await mkdir(dataDirectory, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw new CannotStart(`DATA_DIRECTORY ${dataDirectory} cannot be used: ${errorMessage(error)}`, { cause: error });
  });
  const claim = await claimDirectory(dataDirectory);
  undoing.add(() => claim.release());
  await mustBeFree(settings.http);

  const address = settings.database ?? (await privateDatabase(dataDirectory, logger, progress, undoing));
  const randomness = new SystemRandomness();
  const setUp = new Database(address, randomness, { connections: 1, lockWaitSeconds: 3 });
  undoing.add(() => setUp.close());
  const clock = new SystemClock(() => readDatabaseClock(setUp));
  await (settings.database ? reach(settings.database, clock, progress) : clock.synchronise());
  const synchronising = setInterval(() => void synchronise(clock, logger), SYNCHRONISE_CLOCK_MS);
  undoing.add(async () => clearInterval(synchronising));
  await readMaxPacketBytes(setUp).catch((error: unknown) => {
    throw new CannotStart(`The database cannot be used: ${errorMessage(error)}`, { cause: error });
  });
  for (const warning of await durabilityWarnings(setUp)) logger.warn({ durability: warning }, 'the database may lose acknowledged calls');

  const identifiers = new UuidIdentifiers();
  // Two containers may share a host name and both be process 1.
  const name = `${hostname()}:${process.pid}:${identifiers.at(clock.now()).slice(-8)}`;
  if (await migrationsArePending(setUp)) await whileSaying(progress, 'Bringing the schema up to date', migrateDatabase(address, clock, name, randomness));

  if (await isClusterNode(setUp)) await joinSite(() => readListening(setUp, clock.now()), clock, (ms) => pause(ms));

  const files = new SecretFiles(dataDirectory);
  const directory = new DataDirectory(dataDirectory, files, logger);
  undoing.add(() => directory.stop());
  const replica = await Replica.make({ name, settings, address, clock, siteClock: clock, randomness, identifiers, logger, passphraseFile: files, removalRecorder: directory.removedHosts, directory });
  undoing.add(() => stopServing(replica));
  if (restored && !(await replica.secrets.haveFirstSecrets())) throw new CannotStart('--restored: the database is empty. Load the backup first (docs/backup-and-restore.md).');
  const isNewDatabase = await settleSecrets(replica.secrets, replica.keys, files, progress);
  await directory.settle({ replica: name, database: setUp, clock, identifiers, randomness, keys: replica.keys }, { isRestored: restored, isNewDatabase, eventRetentionDays: settings.eventRetentionDays }, progress);
  if (newAdminKey) {
    await renewAdminKey(replica.secrets, files);
    progress(`A new admin key is in ${files.adminKey}; revoke the earlier ones if they are in wrong hands.`);
  }
  await replica.start();
  directory.keep(() => replica.listening.recordedListenedMs);
  await replica.http.listen(settings.http.port, settings.http.host);
  const url = (await replica.http.getUrl()).replace('[::1]', 'localhost');
  replica.status.addresses.push(url);
  await claim.announce(url);
  return { url, files: await secretFiles(files, replica), stop: () => undoing.run(logger) };
}

async function secretFiles(files: SecretFiles, { keys }: Replica): Promise<RunningServer['files']> {
  const { passphrase, adminKey } = await files.hashes();
  const stateOf = (hash: Buffer | null, isValid: boolean): SecretFile['state'] => (hash === null ? 'absent' : isValid ? 'valid' : 'not valid');
  return {
    passphrase: { path: files.passphrase, state: stateOf(passphrase, passphrase !== null && (await keys.passphraseState(passphrase)) === 'valid') },
    adminKey: { path: files.adminKey, state: stateOf(adminKey, adminKey !== null && (await keys.isApiKeyValid(adminKey))) },
  };
}

/** A connection that its client keeps open after the last answer, or on which it never asks, would hold the stop up. */
async function stopServing(replica: Replica): Promise<void> {
  const server: Server = replica.http.getHttpServer();
  const closing = setInterval(() => server.listening || replica.connections.closeIdle(), CLOSE_IDLE_MS);
  const closingAll = setTimeout(() => replica.connections.closeAll(), LONGEST_DRAIN_MS);
  try {
    await replica.stop();
  } finally {
    clearInterval(closing);
    clearTimeout(closingAll);
  }
}

/** Says so when the clock of another database node is found to differ, and when it does no longer. */
async function synchronise(clock: SystemClock, logger: Logger): Promise<void> {
  const before = clock.databaseDifferenceMs;
  await clock.synchronise().catch((error: unknown) => logger.debug({ err: error }, 'clock not synchronised'));
  const differenceSeconds = clock.databaseDifferenceMs / 1000;
  if (before === 0 && differenceSeconds !== 0) logger.warn({ differenceSeconds }, "the clock of this database node differs from the site's and is not followed");
  if (before !== 0 && differenceSeconds === 0) logger.info("the clock of this database node agrees with the site's again");
}

/** Asked before anything is begun: a taken port is the most frequent reason why a start fails. */
async function mustBeFree({ host, port }: Settings['http']): Promise<void> {
  const probe = createServer().listen({ host, port, exclusive: true });
  try {
    await once(probe, 'listening');
  } catch (error) {
    const why = errorCode(error) === 'EADDRINUSE' ? 'another program listens there. Stop it, or choose another HTTP_PORT' : errorMessage(error);
    throw new CannotStart(`HTTP_PORT ${port} on ${host} cannot be used: ${why}.`, { cause: error });
  }
  await new Promise((closed) => probe.close(closed));
}

/** The first word with a database that somebody else runs. */
async function reach(database: DatabaseSettings, clock: SystemClock, progress: (line: string) => void): Promise<void> {
  const where = 'socketPath' in database ? database.socketPath : `${database.host}:${database.port}`;
  try {
    await whileSaying(progress, `Looking for the database at ${where}`, clock.synchronise());
  } catch (error) {
    const reason = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const why = reason instanceof FleetError ? 'it does not answer' : errorMessage(reason) || errorCode(reason);
    throw new CannotStart(`DATABASE_URL: the database ${database.database} at ${where} cannot be used as ${database.user}: ${why}`, { cause: error });
  }
}

async function privateDatabase(dataDirectory: string, logger: Logger, progress: (line: string) => void, undoing: Undoing): Promise<DatabaseAddress> {
  const database = await KeptDatabase.open(join(dataDirectory, 'database'), logger, progress);
  undoing.add(() => database.stop());
  return database.address;
}

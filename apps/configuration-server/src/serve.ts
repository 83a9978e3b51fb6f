import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { createServer } from 'node:net';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { durabilityWarnings, isClusterNode, readListening } from '@app/fleet-mysql';
import {
  claimDirectory,
  errorCode,
  errorMessage,
  mustBePrivateFolder,
  SystemRandomness,
  UuidIdentifiers,
  type Settings,
} from '@app/platform';
import { CannotStart } from './cannot-start.js';
import { makeDataDirectory } from './data-directory.js';
import { joinSite } from './join-site.js';
import { bringSchemaUpToDate, openDatabase } from './open-database.js';
import { Replica } from './replica.js';
import { DataDirectory } from './restore/data-directory.js';
import { renewAdminKey, SecretFiles, settleSecrets } from './secret-files.js';
import { Undoing } from './undoing.js';

const CLOSE_IDLE_MS = 50;
/** A request that has not arrived whole by then is given up; well below the time after which the whole stop is. */
const LONGEST_DRAIN_MS = 10_000;

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

/** Starts all of it: database, schema, secrets, jobs, HTTP. What was begun is undone when a later step fails. */
export async function serve(
  settings: Settings,
  logger: Logger,
  progress: (line: string) => void,
  options: StartOptions,
): Promise<RunningServer> {
  const undoing = new Undoing();
  try {
    return await begin(settings, logger, progress, options, undoing);
  } catch (error) {
    await undoing.run(logger);
    throw error;
  }
}

async function begin(
  settings: Settings,
  logger: Logger,
  progress: (line: string) => void,
  { newAdminKey, restored }: StartOptions,
  undoing: Undoing,
): Promise<RunningServer> {
  const dataDirectory = resolve(settings.dataDirectory);
  await makeDataDirectory(dataDirectory);
  await mustBePrivateFolder(dataDirectory);
  const files = new SecretFiles(dataDirectory);
  await files.mustBePrivate();
  const claim = await claimDirectory(dataDirectory);
  undoing.add(() => claim.release());
  const host = await freeAddress(settings.http);

  const randomness = new SystemRandomness();
  const parts = { settings, randomness, logger, progress, undoing };
  const opened = await openDatabase(dataDirectory, parts);
  const { servers, database: setUp, clock } = opened;
  for (const warning of await durabilityWarnings(setUp))
    logger.warn({ durability: warning }, 'the database may lose acknowledged calls');

  const identifiers = new UuidIdentifiers();
  // Two containers may share a host name and both be process 1.
  const name = `${hostname()}:${process.pid}:${identifiers.at(clock.now()).slice(-8)}`;
  await bringSchemaUpToDate(opened, name, parts);

  if (await isClusterNode(setUp))
    await joinSite(
      () => readListening(setUp, clock.now()),
      clock,
      (ms) => pause(ms),
    );

  const directory = new DataDirectory(dataDirectory, files, logger);
  undoing.add(() => directory.stop());
  const replica = await Replica.make({
    name,
    settings,
    servers,
    clock,
    siteClock: clock,
    randomness,
    identifiers,
    logger,
    passphraseFile: files,
    removalRecorder: directory.removedHosts,
    directory,
  });
  undoing.add(() => stopServing(replica));
  if (restored && !(await replica.secrets.haveFirstSecrets()))
    throw new CannotStart('--restored: the database is empty. Load the backup first (docs/backup-and-restore.md).');
  const isNewDatabase = await settleSecrets(replica.secrets, replica.keys, files, progress);
  await directory.settle(
    { replica: name, database: setUp, clock, identifiers, randomness, keys: replica.keys },
    { isRestored: restored, isNewDatabase },
    progress,
  );
  if (newAdminKey) {
    await renewAdminKey(replica.secrets, files);
    progress(`A new admin key is in ${files.adminKey}; revoke the earlier ones if they are in wrong hands.`);
  }
  await replica.start();
  directory.keep(() => replica.listening.recordedListenedMs);
  await replica.http.listen(settings.http.port, host);
  const url = (await replica.http.getUrl()).replace('[::1]', 'localhost');
  replica.status.addresses.push(url);
  await claim.announce(url);
  return { url, files: await secretFiles(files, replica), stop: () => undoing.run(logger) };
}

async function secretFiles(files: SecretFiles, { keys }: Replica): Promise<RunningServer['files']> {
  const { passphrase, adminKey } = await files.hashes();
  const stateOf = (hash: Buffer | null, isValid: boolean): SecretFile['state'] =>
    hash === null ? 'absent' : isValid ? 'valid' : 'not valid';
  return {
    passphrase: {
      path: files.passphrase,
      state: stateOf(passphrase, passphrase !== null && (await keys.passphraseState(passphrase)) === 'valid'),
    },
    adminKey: {
      path: files.adminKey,
      state: stateOf(adminKey, adminKey !== null && (await keys.isApiKeyValid(adminKey))),
    },
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

/**
 * The one address to listen on. Asked before anything is begun: a taken port is the most frequent reason why a start fails.
 * Given a name, Fastify would open a second server for its other address, which checks no PROXY protocol header.
 */
async function freeAddress({ host, port }: Settings['http']): Promise<string> {
  try {
    const { address } = await lookup(host, { order: 'ipv4first' });
    const probe = createServer().listen({ host: address, port, exclusive: true });
    await once(probe, 'listening');
    await new Promise((closed) => probe.close(closed));
    return address;
  } catch (error) {
    const why =
      errorCode(error) === 'EADDRINUSE'
        ? 'another program listens there. Stop it, or choose another HTTP_PORT'
        : errorMessage(error);
    throw new CannotStart(`HTTP_PORT ${port} on ${host} cannot be used: ${why}.`, { cause: error });
  }
}

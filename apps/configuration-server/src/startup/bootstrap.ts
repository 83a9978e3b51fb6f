import type { Server } from 'node:http';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import { durabilityWarnings, isClusterNode, readAvailability } from '@app/fleet-mysql';
import { lockDirectory, SystemRandomness, UuidIdentifiers, type ServerSettings } from '@app/platform';
import { StartupError } from './startup-error.js';
import { joinSite } from './join-site.js';
import { bringSchemaUpToDate, openDatabase } from './open-database.js';
import { ServerInstance } from '../server-instance.js';
import { DataDirectory } from '../data-directory/data-directory.js';
import { issueAdditionalAdminKey, ensureInitialSecrets, type SecretFiles } from '../data-directory/secret-files.js';
import { resolveListenAddress, openSecretFiles } from '../start-checks.js';
import { TeardownStack } from './teardown-stack.js';

const IDLE_CLOSE_POLL_MS = 50;
/** Timeout of incomplete requests at shutdown, well below the timeout of the whole shutdown. */
const DRAIN_TIMEOUT_MS = 10_000;

/** Options of a single start. */
export interface StartOptions {
  /** Create another admin key, e.g. after the loss of all keys. */
  readonly newAdminKey: boolean;
  /** The database was restored from a backup: the data directory completes it. */
  readonly restored: boolean;
}

/** A file of the data directory, and whether its secret is valid in this database. */
export interface SecretFile {
  readonly path: string;
  readonly state: 'absent' | 'valid' | 'not valid';
}

export interface RunningServer {
  readonly url: string;
  readonly files: { readonly passphrase: SecretFile; readonly adminKey: SecretFile };
  /** Completes the requests in flight, and releases the data directory. */
  stop(): Promise<void>;
}

/** Starts everything: database, schema, secrets, jobs, HTTP. After a failed step, the earlier steps are undone. */
export async function startServer(
  settings: ServerSettings,
  logger: Logger,
  progress: (line: string) => void,
  options: StartOptions,
): Promise<RunningServer> {
  const teardown = new TeardownStack();
  try {
    return await startComponents(settings, logger, progress, options, teardown);
  } catch (error) {
    await teardown.run(logger);
    throw error;
  }
}

async function startComponents(
  settings: ServerSettings,
  logger: Logger,
  progress: (line: string) => void,
  { newAdminKey, restored }: StartOptions,
  teardown: TeardownStack,
): Promise<RunningServer> {
  const dataDirectory = resolve(settings.dataDirectory);
  const files = await openSecretFiles(dataDirectory);
  const lock = await lockDirectory(dataDirectory);
  teardown.add(() => lock.release());
  const host = await resolveListenAddress(settings.http);

  const randomness = new SystemRandomness();
  const parts = { settings, randomness, logger, progress, teardown };
  const opened = await openDatabase(parts);
  const { servers, database: setupDatabase, clock } = opened;
  for (const warning of await durabilityWarnings(setupDatabase))
    logger.warn({ durability: warning }, 'the database may lose acknowledged changes');

  const identifiers = new UuidIdentifiers();
  // Two containers may share a host name and both be process 1.
  const name = `${hostname()}:${process.pid}:${identifiers.newId(clock.now()).slice(-8)}`;
  await bringSchemaUpToDate(opened, name, parts);

  if (await isClusterNode(setupDatabase))
    await joinSite(
      () => readAvailability(setupDatabase, clock.now()),
      clock,
      (ms) => pause(ms),
    );

  const directory = new DataDirectory(dataDirectory, files, logger);
  teardown.add(() => directory.stop());
  const replica = await ServerInstance.create({
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
  teardown.add(() => drainAndStop(replica));
  if (restored && !(await replica.secrets.hasInitialSecrets()))
    throw new StartupError('--restored: the database is empty. Load the backup first (docs/backup-and-restore.md).');
  const isNewDatabase = await ensureInitialSecrets(replica.secrets, replica.keys, files, progress);
  await directory.reconcile(
    { replica: name, database: setupDatabase, clock, identifiers, randomness, keys: replica.keys },
    { isRestored: restored, isNewDatabase },
    progress,
  );
  if (newAdminKey) {
    await issueAdditionalAdminKey(replica.secrets, files);
    progress(`A new admin key is in ${files.adminKey}; revoke the earlier ones if they may be compromised.`);
  }
  await replica.start();
  directory.startTracking(() => replica.availabilityClock.recordedAvailableMs);
  await replica.http.listen(settings.http.port, host);
  const url = (await replica.http.getUrl()).replace('[::1]', 'localhost');
  replica.status.addresses.push(url);
  await lock.publishUrl(url);
  return { url, files: await toSecretFileStates(files, replica), stop: () => teardown.run(logger) };
}

async function toSecretFileStates(files: SecretFiles, { keys }: ServerInstance): Promise<RunningServer['files']> {
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

/** A connection that its client keeps open after the last response, or on which it sends no request, would delay the shutdown. */
async function drainAndStop(replica: ServerInstance): Promise<void> {
  const server: Server = replica.http.getHttpServer();
  const idleCloseTimer = setInterval(() => server.listening || replica.connections.closeIdle(), IDLE_CLOSE_POLL_MS);
  const forceCloseTimer = setTimeout(() => replica.connections.closeAll(), DRAIN_TIMEOUT_MS);
  try {
    await replica.stop();
  } finally {
    clearInterval(idleCloseTimer);
    clearTimeout(forceCloseTimer);
  }
}

import type { Server } from 'node:http';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { LocalAvailabilityClock } from '@app/fleet';
import { durabilityWarnings, isClusterNode, KeyRingStore, readAvailability, SecretStore } from '@app/fleet-mysql';
import { lockDirectory, SystemRandomness, UuidIdentifiers, type ServerSettings } from '@app/platform';
import { createApp } from '../create-app.js';
import { ConnectionLimiter } from '../edge/connection-limiter.js';
import { InstanceStatus } from '../operations/instance-status.js';
import type { CommandLine } from './command-line.js';
import { StartupError } from './startup-error.js';
import { joinSite } from './join-site.js';
import { bringSchemaUpToDate, openDatabase } from './open-database.js';
import { DataDirectory } from '../data-directory/data-directory.js';
import { issueAdditionalAdminKey, ensureInitialSecrets, type SecretFiles } from '../data-directory/secret-files.js';
import { resolveListenAddress, openSecretFiles } from './start-checks.js';
import { TeardownStack } from './teardown-stack.js';

const IDLE_CLOSE_POLL_MS = 50;
/** Timeout of incomplete requests at shutdown, well below the timeout of the whole shutdown. */
const DRAIN_TIMEOUT_MS = 10_000;

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
  options: Pick<CommandLine, 'newAdminKey' | 'restored'>,
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
  { newAdminKey, restored }: Pick<CommandLine, 'newAdminKey' | 'restored'>,
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
  const app = await createApp(settings, {
    name,
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
  teardown.add(() => drainAndClose(app));
  const secrets = app.get(SecretStore);
  const keys = app.get(KeyRingStore);
  if (restored && !(await secrets.hasInitialSecrets()))
    throw new StartupError('--restored: the database is empty. Load the backup first (docs/backup-and-restore.md).');
  const isNewDatabase = await ensureInitialSecrets(secrets, keys, files, progress);
  await directory.reconcile(
    { replica: name, database: setupDatabase, clock, identifiers, randomness, keys },
    { isRestored: restored, isNewDatabase },
    progress,
  );
  if (newAdminKey) {
    await issueAdditionalAdminKey(secrets, files);
    progress(`A new admin key is in ${files.adminKey}; revoke the earlier ones if they may be compromised.`);
  }
  await app.init();
  const availabilityClock = app.get(LocalAvailabilityClock);
  directory.startTracking(() => availabilityClock.recordedAvailableMs);
  await app.listen(settings.http.port, host);
  const url = (await app.getUrl()).replace('[::1]', 'localhost');
  app.get(InstanceStatus).addresses.push(url);
  await lock.publishUrl(url);
  return { url, files: await toSecretFileStates(files, keys), stop: () => teardown.run(logger) };
}

async function toSecretFileStates(files: SecretFiles, keys: KeyRingStore): Promise<RunningServer['files']> {
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
async function drainAndClose(app: NestFastifyApplication): Promise<void> {
  const server: Server = app.getHttpServer();
  const connections = app.get(ConnectionLimiter);
  const idleCloseTimer = setInterval(() => server.listening || connections.closeIdle(), IDLE_CLOSE_POLL_MS);
  const forceCloseTimer = setTimeout(() => connections.closeAll(), DRAIN_TIMEOUT_MS);
  try {
    await app.close();
  } finally {
    clearInterval(idleCloseTimer);
    clearTimeout(forceCloseTimer);
  }
}

import type { Logger } from 'pino';
import { FleetError, type Randomness } from '@app/fleet';
import {
  Database,
  DatabaseServers,
  requiresTls,
  errorNumber,
  isMissingPrivilege,
  migrateDatabase,
  NoPrimaryError,
  readDatabaseClock,
  readMaxPacketBytes,
  schemaDifference,
  NewerSchemaError,
} from '@app/fleet-mysql';
import {
  errorCode,
  errorMessage,
  SystemClock,
  withProgress,
  type DatabaseSettings,
  type ServerSettings,
} from '@app/platform';
import { StartupError } from './startup-error.js';
import type { TeardownStack } from './teardown-stack.js';

/** Frequent enough to find a step of the database's clock before it matters. */
const CLOCK_SYNC_INTERVAL_MS = 10_000;
const ER_ACCESS_DENIED_ERROR = 1045;

/** The database of a start before its schema is known. */
export interface OpenDatabase {
  readonly servers: DatabaseServers;
  /** One connection for the start itself and for reading the database's clock. */
  readonly database: Database;
  readonly clock: SystemClock;
}

export interface StartupContext {
  readonly settings: ServerSettings;
  readonly randomness: Randomness;
  readonly logger: Logger;
  readonly progress: (line: string) => void;
  readonly teardown: TeardownStack;
}

/** @throws StartupError */
export async function openDatabase({
  settings,
  randomness,
  logger,
  progress,
  teardown,
}: StartupContext): Promise<OpenDatabase> {
  const servers = new DatabaseServers(settings.database, (change) =>
    logger.warn(change, 'switched to another database server; connections to the previous one were closed'),
  );
  const database = new Database(servers, randomness, { connections: 1, lockWaitSeconds: 3 });
  teardown.add(() => database.close());
  const clock = new SystemClock(() => readDatabaseClock(database));
  await connectToDatabase(settings.database, clock, progress);
  const clockSyncTimer = setInterval(() => void synchronise(clock, logger), CLOCK_SYNC_INTERVAL_MS);
  teardown.add(async () => clearInterval(clockSyncTimer));
  await readMaxPacketBytes(database).catch((error: unknown) => {
    throw new StartupError(`The database cannot be used: ${errorMessage(error)}`, { cause: error });
  });
  return { servers, database, clock };
}

/** Migrates the schema to this version; writes nothing if it is current or newer. Returns the applied migrations. @throws StartupError */
export async function bringSchemaUpToDate(
  { servers, database, clock }: OpenDatabase,
  replica: string,
  { settings, randomness, progress }: StartupContext,
): Promise<readonly string[]> {
  const { user, database: schema } = settings.database;
  try {
    const { pending, unknown } = await schemaDifference((sql) => database.rows(sql));
    if (unknown.length > 0) throw new NewerSchemaError(unknown);
    if (pending.length === 0) return [];
    const { address } = await servers.choose();
    await withProgress(progress, 'Migrating the schema', migrateDatabase(address, clock, replica, randomness)).catch(
      (error: unknown) => {
        if (isMissingPrivilege(error))
          throw new StartupError(missingPrivilegeMessage(schema, user, pending, error), { cause: error });
        throw error;
      },
    );
    return pending;
  } catch (error) {
    if (error instanceof NewerSchemaError)
      throw new StartupError(`The database ${schema} cannot be used: ${error.message}.`, { cause: error });
    throw error;
  }
}

const missingPrivilegeMessage = (schema: string, user: string, pending: readonly string[], error: unknown): string =>
  `The schema of the database ${schema} lacks ${pending.length} migrations (${pending[0]} to ${pending.at(-1)}), and ${user} lacks the privileges for them: ${errorMessage(error)}\n` +
  'Run "npm start -- --migrate-only" once with a DATABASE_URL of a user with the privileges to create and alter tables, then start again with this user.';

/** Logs when the clock of another database node starts or stops to differ. */
async function synchronise(clock: SystemClock, logger: Logger): Promise<void> {
  const before = clock.databaseDifferenceMs;
  await clock.synchronise().catch((error: unknown) => logger.debug({ err: error }, 'clock not synchronised'));
  const differenceSeconds = clock.databaseDifferenceMs / 1000;
  if (before === 0 && differenceSeconds !== 0)
    logger.warn({ differenceSeconds }, "the clock of this database node differs from the site's and is not followed");
  if (before !== 0 && differenceSeconds === 0)
    logger.info("the clock of this database node agrees with the site's again");
}

/** The first connection to the database. */
async function connectToDatabase(
  database: DatabaseSettings,
  clock: SystemClock,
  progress: (line: string) => void,
): Promise<void> {
  const where =
    'socketPath' in database
      ? database.socketPath
      : [database, ...database.others].map(({ host, port }) => `${host}:${port}`).join(',');
  try {
    await withProgress(progress, `Connecting to the database at ${where}`, clock.synchronise());
  } catch (error) {
    throw new StartupError(
      `DATABASE_URL: the database ${database.database} at ${where} cannot be used as ${database.user}: ${await describeConnectionError(error, database)}`,
      { cause: error },
    );
  }
}

async function describeConnectionError(error: unknown, database: DatabaseSettings): Promise<string> {
  const reason = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (await requiresTls(reason, database))
    return 'the database demands TLS: add ?ssl=required to DATABASE_URL (or ssl=verify-ca or verify-identity with sslCa)';
  if (reason instanceof FleetError) return 'it does not respond';
  const message = errorMessage(reason) || String(errorCode(reason));
  const mayNeedCertificate = errorNumber(reason) === ER_ACCESS_DENIED_ERROR && 'ssl' in database && !database.ssl?.cert;
  if (mayNeedCertificate)
    return `${message} (if the database requires a client certificate of this user, add sslCert and sslKey to DATABASE_URL)`;
  return reason instanceof NoPrimaryError ? `no server takes writes: ${message}` : message;
}

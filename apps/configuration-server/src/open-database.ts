import { join } from 'node:path';
import type { Logger } from 'pino';
import { FleetError, type Randomness } from '@app/fleet';
import {
  Database,
  DatabaseServers,
  demandsTls,
  errorNumber,
  isRightMissing,
  migrateDatabase,
  NoPrimary,
  readDatabaseClock,
  readMaxPacketBytes,
  schemaDifference,
  SchemaFromTheFuture,
  type DatabaseAddress,
} from '@app/fleet-mysql';
import { errorCode, errorMessage, SystemClock, whileSaying, type DatabaseSettings, type Settings } from '@app/platform';
import { CannotStart } from './cannot-start.js';
import { KeptDatabase } from './kept-database.js';
import type { Undoing } from './undoing.js';

/** Often enough that a step of the database's clock is found before it matters. */
const SYNCHRONISE_CLOCK_MS = 10_000;
const ACCESS_DENIED = 1045;

/** What a start has of the database before its schema is known. */
export interface OpenDatabase {
  readonly servers: DatabaseServers;
  /** One connection, for the start itself and for reading the database's clock. */
  readonly database: Database;
  readonly clock: SystemClock;
}

export interface StartParts {
  readonly settings: Settings;
  readonly randomness: Randomness;
  readonly logger: Logger;
  readonly progress: (line: string) => void;
  readonly undoing: Undoing;
}

/** The database that is named, or a private one in the data directory. @throws CannotStart */
export async function openDatabase(
  dataDirectory: string,
  { settings, randomness, logger, progress, undoing }: StartParts,
): Promise<OpenDatabase> {
  const address = settings.database ?? (await privateDatabase(dataDirectory, logger, progress, undoing));
  const servers = new DatabaseServers(address, (change) =>
    logger.warn(change, 'another database server is used from now on; connections to the earlier one were closed'),
  );
  const database = new Database(servers, randomness, { connections: 1, lockWaitSeconds: 3 });
  undoing.add(() => database.close());
  const clock = new SystemClock(() => readDatabaseClock(database));
  await (settings.database ? reach(settings.database, clock, progress) : clock.synchronise());
  const synchronising = setInterval(() => void synchronise(clock, logger), SYNCHRONISE_CLOCK_MS);
  undoing.add(async () => clearInterval(synchronising));
  await readMaxPacketBytes(database).catch((error: unknown) => {
    throw new CannotStart(`The database cannot be used: ${errorMessage(error)}`, { cause: error });
  });
  return { servers, database, clock };
}

/** Makes the schema that of this version; writes nothing when it is already, or is a later one. Returns the migrations made. @throws CannotStart */
export async function bringSchemaUpToDate(
  { servers, database, clock }: OpenDatabase,
  replica: string,
  { settings, randomness, progress }: StartParts,
): Promise<readonly string[]> {
  const { user, database: schema } = settings.database ?? {
    user: 'the private user',
    database: 'the private database',
  };
  try {
    const { pending, unknown } = await schemaDifference((sql) => database.rows(sql));
    if (unknown.length > 0) throw new SchemaFromTheFuture(unknown);
    if (pending.length === 0) return [];
    const { address } = await servers.choose();
    await whileSaying(
      progress,
      'Bringing the schema up to date',
      migrateDatabase(address, clock, replica, randomness),
    ).catch((error: unknown) => {
      if (isRightMissing(error)) throw new CannotStart(rightMissing(schema, user, pending, error), { cause: error });
      throw error;
    });
    return pending;
  } catch (error) {
    if (error instanceof SchemaFromTheFuture)
      throw new CannotStart(`The database ${schema} cannot be used: ${error.message}.`, { cause: error });
    throw error;
  }
}

const rightMissing = (schema: string, user: string, pending: readonly string[], error: unknown): string =>
  `The schema of the database ${schema} lacks ${pending.length} migrations (${pending[0]} to ${pending.at(-1)}), and ${user} may not make them: ${errorMessage(error)}\n` +
  'Run "npm start -- --migrate-only" once with a DATABASE_URL of a user who may create and alter tables there, then start again as this one.';

/** Says so when the clock of another database node is found to differ, and when it does no longer. */
async function synchronise(clock: SystemClock, logger: Logger): Promise<void> {
  const before = clock.databaseDifferenceMs;
  await clock.synchronise().catch((error: unknown) => logger.debug({ err: error }, 'clock not synchronised'));
  const differenceSeconds = clock.databaseDifferenceMs / 1000;
  if (before === 0 && differenceSeconds !== 0)
    logger.warn({ differenceSeconds }, "the clock of this database node differs from the site's and is not followed");
  if (before !== 0 && differenceSeconds === 0)
    logger.info("the clock of this database node agrees with the site's again");
}

/** The first connection to a database that is not ours. */
async function reach(database: DatabaseSettings, clock: SystemClock, progress: (line: string) => void): Promise<void> {
  const where =
    'socketPath' in database
      ? database.socketPath
      : [database, ...database.others].map(({ host, port }) => `${host}:${port}`).join(',');
  try {
    await whileSaying(progress, `Looking for the database at ${where}`, clock.synchronise());
  } catch (error) {
    throw new CannotStart(
      `DATABASE_URL: the database ${database.database} at ${where} cannot be used as ${database.user}: ${await reasonOf(error, database)}`,
      { cause: error },
    );
  }
}

async function reasonOf(error: unknown, database: DatabaseSettings): Promise<string> {
  const reason = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (await demandsTls(reason, database))
    return 'the database demands TLS: add ?ssl=required to DATABASE_URL (or ssl=verify-ca or verify-identity with sslCa)';
  if (reason instanceof FleetError) return 'it does not answer';
  const said = errorMessage(reason) || String(errorCode(reason));
  const mayNeedCertificate = errorNumber(reason) === ACCESS_DENIED && 'ssl' in database && !database.ssl?.cert;
  if (mayNeedCertificate)
    return `${said} (where the database demands a certificate of this user, add sslCert and sslKey to DATABASE_URL)`;
  return reason instanceof NoPrimary ? `no server takes writes: ${said}` : said;
}

async function privateDatabase(
  dataDirectory: string,
  logger: Logger,
  progress: (line: string) => void,
  undoing: Undoing,
): Promise<DatabaseAddress> {
  const database = await KeptDatabase.open(join(dataDirectory, 'database'), logger, progress);
  undoing.add(() => database.stop());
  return database.address;
}

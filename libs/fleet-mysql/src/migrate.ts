import type { DataSource } from 'typeorm';
import type { Clock, Randomness } from '@app/fleet';
import { MIGRATIONS } from '../../../migrations/index.js';
import type { ServerAddress } from './database-servers.js';
import { errorNumber, isTransient } from './database-errors.js';

/** Lifetime of the migration lock without renewal: the longest delay by a replica that died while it migrated. */
const LOCK_TTL_MS = 15_000;
const LOCK_POLL_MS = 200;
/** Deadlocks and lock waits between replicas that start at the same time end within this time. */
const RETRY_TIMEOUT_MS = 30_000;

const CREATE_MIGRATION_LOCK = `
  CREATE TABLE IF NOT EXISTS migration_lock (
    id TINYINT UNSIGNED NOT NULL,
    owner VARCHAR(128) NOT NULL,
    expires_at DATETIME(3) NOT NULL,
    PRIMARY KEY (id)
  ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci`;
const INSERT_MIGRATION_LOCK = `INSERT IGNORE INTO migration_lock (id, owner, expires_at) VALUES (1, '', '2000-01-01 00:00:00.000')`;
/** Params: owner, until, owner, now. Matches a lock that is free, expired, or already owned by this owner. */
const ACQUIRE_MIGRATION_LOCK =
  'UPDATE migration_lock SET owner = ?, expires_at = ? WHERE id = 1 AND (owner = ? OR expires_at < ?)';
const RELEASE_MIGRATION_LOCK = `UPDATE migration_lock SET expires_at = '2000-01-01 00:00:00.000' WHERE id = 1 AND owner = ?`;

const READ_APPLIED = 'SELECT m.name FROM migrations AS m';
const ER_NO_SUCH_TABLE = 1146;

/** Difference between the migrations of a database and those of this version, by name. */
export interface SchemaDifference {
  readonly pending: readonly string[];
  /** Applied by a later version. */
  readonly unknown: readonly string[];
}

/** The schema has migrations that this version does not have. */
export class NewerSchemaError extends Error {
  constructor(unknown: readonly string[]) {
    super(
      `its schema was changed by a later version: this version does not know ${unknown.join(', ')}. Start the later version, or restore an earlier backup`,
    );
  }
}

export async function schemaDifference(
  read: (sql: string) => Promise<{ name: string }[]>,
  known: readonly string[] = MIGRATIONS.map(({ name }) => name),
): Promise<SchemaDifference> {
  const applied = await read(READ_APPLIED).then(
    (rows) => rows.map(({ name }) => name),
    (error: unknown): string[] => {
      if (errorNumber(error) === ER_NO_SUCH_TABLE) return [];
      throw error;
    },
  );
  return {
    pending: known.filter((name) => !applied.includes(name)),
    unknown: applied.filter((name) => !known.includes(name)),
  };
}

/** Runs `migrate` on its own connection. TypeORM is loaded only here, since most starts have nothing to migrate. */
export async function migrateDatabase(
  address: ServerAddress,
  clock: Clock,
  replica: string,
  randomness: Randomness,
): Promise<void> {
  const { fleetDataSource } = await import('./data-source.js');
  const dataSource = await fleetDataSource(address).initialize();
  try {
    await migrate(dataSource, clock, replica, randomness);
  } finally {
    await dataSource.destroy();
  }
}

/**
 * Migrates the schema. Of replicas that start at the same time, one migrates and the others wait for it. Each step is idempotent
 * and retried after a deadlock, which is also the error on a cluster when another node acquired the lock first.
 * @throws NewerSchemaError
 */
export async function migrate(
  dataSource: DataSource,
  clock: Clock,
  replica: string,
  randomness: Randomness,
): Promise<void> {
  const retry = <A>(step: () => Promise<A>): Promise<A> => withRetriesFor(step, randomness);
  await retry(() => dataSource.query(CREATE_MIGRATION_LOCK));
  await retry(() => dataSource.query(INSERT_MIGRATION_LOCK));
  const acquire = async (): Promise<boolean> => {
    const now = clock.now();
    const { affectedRows } = await dataSource.query<{ affectedRows: number }>(ACQUIRE_MIGRATION_LOCK, [
      replica,
      new Date(now.getTime() + LOCK_TTL_MS),
      replica,
      now,
    ]);
    return affectedRows === 1;
  };
  while (!(await retry(acquire))) await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
  // A failed renewal is ignored: the next one follows in time.
  let renewing: Promise<unknown> = Promise.resolve();
  const renewal = setInterval(() => (renewing = acquire().catch(() => undefined)), LOCK_TTL_MS / 5);
  try {
    // A later version may have migrated while this one waited.
    const known = dataSource.migrations.map((migration) => migration.constructor.name);
    const { unknown } = await retry(() => schemaDifference((sql) => dataSource.query<{ name: string }[]>(sql), known));
    if (unknown.length > 0) throw new NewerSchemaError(unknown);
    await retry(() => dataSource.runMigrations({ transaction: 'none' }));
  } finally {
    clearInterval(renewal);
    await renewing;
    await retry(() => dataSource.query(RELEASE_MIGRATION_LOCK, [replica]));
  }
}

async function withRetriesFor<A>(step: () => Promise<A>, randomness: Randomness): Promise<A> {
  const deadline = performance.now() + RETRY_TIMEOUT_MS;
  for (;;) {
    try {
      return await step();
    } catch (error) {
      if (!isTransient(error) || performance.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS * randomness.random()));
  }
}

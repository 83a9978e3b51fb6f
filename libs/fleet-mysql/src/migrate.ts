import type { DataSource } from 'typeorm';
import type { Clock, Randomness } from '@app/fleet';
import { MIGRATIONS } from '../../../migrations/index.js';
import type { Database, DatabaseAddress } from './database.js';
import { errorNumber, isTransient } from './database-errors.js';

/** A claim lasts this long unless it is renewed; a replica that dies while migrating holds the others up no longer. */
const CLAIM_MS = 15_000;
const LOOK_AGAIN_MS = 200;
/** Deadlocks and lock waits between replicas that start at once end within this time; the database may be away for other reasons. */
const RETRY_FOR_MS = 30_000;

const CREATE_CLAIM = `
  CREATE TABLE IF NOT EXISTS migration_claim (
    id TINYINT UNSIGNED NOT NULL,
    holder VARCHAR(128) NOT NULL,
    expires_at DATETIME(3) NOT NULL,
    PRIMARY KEY (id)
  ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci`;
const FIRST_CLAIM = `INSERT IGNORE INTO migration_claim (id, holder, expires_at) VALUES (1, '', '2000-01-01 00:00:00.000')`;
/** Params: holder, until, holder, now. Matches when it is free, run out, or ours. */
const TAKE_CLAIM = 'UPDATE migration_claim SET holder = ?, expires_at = ? WHERE id = 1 AND (holder = ? OR expires_at < ?)';
const RELEASE_CLAIM = `UPDATE migration_claim SET expires_at = '2000-01-01 00:00:00.000' WHERE id = 1 AND holder = ?`;

const READ_APPLIED = 'SELECT m.name FROM migrations AS m';
const NO_SUCH_TABLE = 1146;

/** Whether this database lacks a migration that this version has. */
export async function migrationsArePending(database: Database): Promise<boolean> {
  try {
    const applied = new Set((await database.rows<{ name: string }>(READ_APPLIED)).map(({ name }) => name));
    return MIGRATIONS.some(({ name }) => !applied.has(name));
  } catch (error) {
    if (errorNumber(error) === NO_SUCH_TABLE) return true;
    throw error;
  }
}

/** `migrate` on a connection of its own. TypeORM is loaded only here: most starts find nothing to do. */
export async function migrateDatabase(address: DatabaseAddress, clock: Clock, replica: string, randomness: Randomness): Promise<void> {
  const { fleetDataSource } = await import('./data-source.js');
  const dataSource = await fleetDataSource(address).initialize();
  try {
    await migrate(dataSource, clock, replica, randomness);
  } finally {
    await dataSource.destroy();
  }
}

/**
 * Brings the schema up to date; of replicas that start at once, one migrates and the others wait for it. Each step bears a
 * repetition: it is tried again after a deadlock, which on a cluster is also the answer to a claim that another node took first.
 */
export async function migrate(dataSource: DataSource, clock: Clock, replica: string, randomness: Randomness): Promise<void> {
  const again = <A>(step: () => Promise<A>): Promise<A> => retried(step, randomness);
  await again(() => dataSource.query(CREATE_CLAIM));
  await again(() => dataSource.query(FIRST_CLAIM));
  const take = async (): Promise<boolean> => {
    const now = clock.now();
    const { affectedRows } = await dataSource.query<{ affectedRows: number }>(TAKE_CLAIM, [replica, new Date(now.getTime() + CLAIM_MS), replica, now]);
    return affectedRows === 1;
  };
  while (!(await again(take))) await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  // A renewal that fails is made up for by the next.
  let renewing: Promise<unknown> = Promise.resolve();
  const renewal = setInterval(() => (renewing = take().catch(() => undefined)), CLAIM_MS / 5);
  try {
    await again(() => dataSource.runMigrations({ transaction: 'none' }));
  } finally {
    clearInterval(renewal);
    await renewing;
    await again(() => dataSource.query(RELEASE_CLAIM, [replica]));
  }
}

async function retried<A>(step: () => Promise<A>, randomness: Randomness): Promise<A> {
  const giveUpAt = performance.now() + RETRY_FOR_MS;
  for (;;) {
    try {
      return await step();
    } catch (error) {
      if (!isTransient(error) || performance.now() > giveUpAt) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS * randomness.fraction()));
  }
}

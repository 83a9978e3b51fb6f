import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { DataSource, MigrationInterface, QueryRunner } from 'typeorm';
import type { Clock } from '@app/fleet';
import { fleetDataSource, type MigrationClass } from '../../libs/fleet-mysql/src/data-source.js';
import { migrate } from '../../libs/fleet-mysql/src/migrate.js';
import { MIGRATIONS } from '../../migrations/index.js';
import { fixedFraction, ManualClock } from '../support/manual-clock.js';
import { TestDatabase } from '../support/test-database.js';

/** A migrated schema for comparison. Each test has a separate empty schema. */
let migrated: TestDatabase;
let schema: string;
let opened: DataSource[];
beforeAll(async () => {
  migrated = await TestDatabase.make();
});
beforeEach(async () => {
  schema = `cs_test_${randomBytes(6).toString('hex')}`;
  opened = [];
  await migrated.write(`CREATE DATABASE ${schema} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci`);
});
afterEach(async () => {
  for (const dataSource of opened) await dataSource.destroy();
  await migrated.write(`DROP DATABASE ${schema}`);
});
afterAll(() => migrated.drop());

async function replica(migrations?: readonly MigrationClass[]): Promise<DataSource> {
  const dataSource = await fleetDataSource({ ...migrated.address, database: schema }, migrations).initialize();
  opened.push(dataSource);
  return dataSource;
}

/** The CREATE TABLE statement of every table. */
async function tablesOf(database: string): Promise<Record<string, string>> {
  const tables = await migrated.rows<{ name: string }>(
    'SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? ORDER BY 1',
    [database],
  );
  const created: Record<string, string> = {};
  for (const { name } of tables) {
    const [row] = await migrated.rows<Record<string, string>>('SHOW CREATE TABLE ??.??', [database, name]);
    created[name] = (row?.['Create Table'] ?? '').replace(/ AUTO_INCREMENT=\d+/, '');
  }
  return created;
}

const appliedIn = (database: string) =>
  migrated.rows<{ name: string; timestamp: number }>(
    'SELECT name, timestamp FROM ??.migrations ORDER BY timestamp, id',
    [database],
  );
const NAMES = MIGRATIONS.map(({ name }) => name);

/** Examples of migrations after the initial schema: a table, a column, rows. */
const STEPS: readonly MigrationClass[] = [
  class CreateFirstStep1796000000101 implements MigrationInterface {
    readonly name = 'CreateFirstStep1796000000101';
    up = (db: QueryRunner): Promise<unknown> => db.query('CREATE TABLE IF NOT EXISTS first_step (id INT PRIMARY KEY)');
    down = (db: QueryRunner): Promise<unknown> => db.query('DROP TABLE first_step');
  },
  class AddColumn1796000000102 implements MigrationInterface {
    readonly name = 'AddColumn1796000000102';
    async up(db: QueryRunner): Promise<void> {
      if (await db.hasColumn('first_step', 'added')) return;
      await db.query('ALTER TABLE first_step ADD COLUMN added INT NOT NULL DEFAULT 1');
    }
    down = (db: QueryRunner): Promise<unknown> => db.query('ALTER TABLE first_step DROP COLUMN added');
  },
  class FillRows1796000000103 implements MigrationInterface {
    readonly name = 'FillRows1796000000103';
    up = (db: QueryRunner): Promise<unknown> => db.query('UPDATE first_step SET added = 1');
    down = async (): Promise<void> => undefined;
  },
];

describe('migrate', () => {
  it('creates every table in an empty schema and applies each migration once', async () => {
    await migrate(await replica(), new ManualClock(), 'replica-1', fixedFraction(0));
    expect((await appliedIn(schema)).map(({ name }) => name)).toEqual(NAMES);
    expect(await tablesOf(schema)).toEqual(await tablesOf(migrated.address.database));
  });

  it('applies each migration once when several replicas start on an empty schema', async () => {
    const [one, other, third] = [await replica(), await replica(), await replica()];
    const clock = new ManualClock();
    await Promise.all([
      migrate(one, clock, 'replica-1', fixedFraction(0)),
      migrate(other, clock, 'replica-2', fixedFraction(0)),
      migrate(third, clock, 'replica-3', fixedFraction(0)),
    ]);
    expect((await appliedIn(schema)).map(({ name }) => name)).toEqual(NAMES);
    expect(await tablesOf(schema)).toEqual(await tablesOf(migrated.address.database));
  });

  it('retries each statement that fails because another cluster node was first', async () => {
    const dataSource = await replica();
    const query = dataSource.query.bind(dataSource);
    const failed = new Set<string>();
    dataSource.query = async <T>(sql: string, ...rest: unknown[]): Promise<T> => {
      const key = sql.trim().slice(0, 30);
      if (!failed.has(key) && failed.add(key))
        throw Object.assign(new Error('Deadlock found when trying to get lock'), { errno: 1213 });
      return query<T>(sql, ...(rest as [unknown[]]));
    };
    await migrate(dataSource, new ManualClock(), 'replica-1', fixedFraction(0));
    expect(failed.size).toBeGreaterThanOrEqual(4);
    expect((await appliedIn(schema)).map(({ name }) => name)).toEqual(NAMES);
  });

  it('changes nothing when repeated', async () => {
    const dataSource = await replica();
    await migrate(dataSource, new ManualClock(), 'replica-1', fixedFraction(0));
    const before = [await tablesOf(schema), await appliedIn(schema)];
    await migrate(dataSource, new ManualClock(), 'replica-2', fixedFraction(0));
    expect([await tablesOf(schema), await appliedIn(schema)]).toEqual(before);
  });

  it.each(STEPS.map(({ name }) => name))('continues after a server died between %s and its record', async (name) => {
    const dataSource = await replica(STEPS);
    await migrate(dataSource, new ManualClock(), 'replica-1', fixedFraction(0));
    await migrated.write('INSERT INTO ??.first_step (id) VALUES (7)', [schema]);
    const before = await tablesOf(schema);
    expect(await migrated.write('DELETE FROM ??.migrations WHERE name = ?', [schema, name])).toBe(1);
    await migrate(dataSource, new ManualClock(), 'replica-2', fixedFraction(0));
    expect(await tablesOf(schema)).toEqual(before);
    expect((await appliedIn(schema)).map((done) => done.name).sort()).toEqual(STEPS.map((step) => step.name).sort());
    expect(await migrated.rows('SELECT id, added FROM ??.first_step', [schema])).toEqual([{ id: 7, added: 1 }]);
  });

  it('continues after a server died within the initial schema', async () => {
    const dataSource = await replica();
    await migrate(dataSource, new ManualClock(), 'replica-1', fixedFraction(0));
    const before = await tablesOf(schema);
    await migrated.write('DROP TABLE ??.site, ??.process_server_name_history', [schema, schema]);
    await migrated.write('DELETE FROM ??.migrations', [schema]);
    await migrate(dataSource, new ManualClock(), 'replica-2', fixedFraction(0));
    expect([await tablesOf(schema), (await appliedIn(schema)).map(({ name }) => name)]).toEqual([before, NAMES]);
  });

  it('waits for a replica that migrates, but not for one that has died', async () => {
    const dataSource = await replica();
    const start = new ManualClock().now();
    await migrate(dataSource, new ManualClock(), 'replica-1', fixedFraction(0));
    await migrated.write("UPDATE ??.migration_lock SET owner = 'dead', expires_at = ? WHERE id = 1", [
      schema,
      new Date(start.getTime() + 15_000),
    ]);
    await migrated.write('DELETE FROM ??.migrations WHERE name = ?', [schema, NAMES.at(-1)]);
    const reads: number[] = [];
    /** Each read of the clock advances it by ten seconds. */
    const clock: Clock = {
      monotonicMs: () => 0,
      now: () => {
        reads.push(reads.length * 10_000);
        return new Date(start.getTime() + (reads.at(-1) ?? 0));
      },
    };
    await migrate(dataSource, clock, 'replica-2', fixedFraction(0));
    expect(reads).toEqual([0, 10_000, 20_000]);
    expect((await appliedIn(schema)).map(({ name }) => name)).toContain(NAMES.at(-1));
  });

  it('rejects a schema that a later version has changed during the wait', async () => {
    const dataSource = await replica();
    await migrate(dataSource, new ManualClock(), 'replica-1', fixedFraction(0));
    await migrated.write(
      "INSERT INTO ??.migrations (timestamp, name) VALUES (1999999999999, 'AddTheFuture1999999999999')",
      [schema],
    );
    await migrated.write('DELETE FROM ??.migrations WHERE name = ?', [schema, NAMES.at(-1)]);
    await expect(migrate(dataSource, new ManualClock(), 'replica-2', fixedFraction(0))).rejects.toThrow(
      'AddTheFuture1999999999999',
    );
    expect((await appliedIn(schema)).map(({ name }) => name)).not.toContain(NAMES.at(-1));
  });

  it('releases the lock and throws when a migration fails', async () => {
    const dataSource = await replica();
    await migrated.write('CREATE TABLE ??.migrations (id INT PRIMARY KEY)', [schema]);
    await expect(migrate(dataSource, new ManualClock(), 'replica-1', fixedFraction(0))).rejects.toThrow();
    expect(await migrated.rows('SELECT expires_at FROM ??.migration_lock', [schema])).toEqual([
      { expires_at: new Date('2000-01-01T00:00:00.000Z') },
    ]);
  });
});

import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { fleetDataSource } from '../../libs/fleet-mysql/src/data-source.js';
import { TestDatabase } from '../support/test-database.js';

const NOT_OURS = `('migrations', 'migration_lock')`;

/** Columns, indexes and foreign keys of a database as its server shows them, by table and name. */
async function describeTables(database: TestDatabase): Promise<unknown> {
  const read = (sql: string): Promise<unknown> => database.rows(sql, [database.address.database]);
  return {
    columns: await read(
      `SELECT c.TABLE_NAME, c.COLUMN_NAME, c.COLUMN_TYPE, c.IS_NULLABLE, c.COLUMN_DEFAULT, c.COLLATION_NAME, c.EXTRA
         FROM information_schema.COLUMNS AS c
        WHERE c.TABLE_SCHEMA = ? AND c.TABLE_NAME NOT IN ${NOT_OURS} ORDER BY c.TABLE_NAME, c.COLUMN_NAME`,
    ),
    indexes: await read(
      `SELECT s.TABLE_NAME, s.INDEX_NAME, s.NON_UNIQUE, s.SEQ_IN_INDEX, s.COLUMN_NAME
         FROM information_schema.STATISTICS AS s
        WHERE s.TABLE_SCHEMA = ? AND s.TABLE_NAME NOT IN ${NOT_OURS} ORDER BY s.TABLE_NAME, s.INDEX_NAME, s.SEQ_IN_INDEX`,
    ),
    foreignKeys: await read(
      `SELECT k.TABLE_NAME, k.CONSTRAINT_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME
         FROM information_schema.KEY_COLUMN_USAGE AS k
        WHERE k.TABLE_SCHEMA = ? AND k.REFERENCED_TABLE_NAME IS NOT NULL ORDER BY k.CONSTRAINT_NAME, k.ORDINAL_POSITION`,
    ),
  };
}

let migrated: TestDatabase;
let synchronized: TestDatabase;
beforeAll(async () => {
  migrated = await TestDatabase.makeEmpty();
  synchronized = await TestDatabase.makeEmpty();
});
afterAll(async () => {
  await migrated.drop();
  await synchronized.drop();
});

it('describes each table in its entity as the migrations create it', async () => {
  const migrating = await fleetDataSource(migrated.address).initialize();
  await migrating.runMigrations({ transaction: 'none' }).finally(() => migrating.destroy());
  const synchronizing = await fleetDataSource(synchronized.address).initialize();
  await synchronizing.synchronize().finally(() => synchronizing.destroy());

  expect(await describeTables(synchronized)).toEqual(await describeTables(migrated));
});

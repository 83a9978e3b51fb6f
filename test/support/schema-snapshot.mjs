import { randomBytes } from 'node:crypto';
import { createConnection } from 'mysql2/promise';

/**
 * Migrates a schema on this server once and returns the statements that recreate its tables and rows. Test files run these
 * statements instead of every migration.
 */
export async function takeSchemaSnapshot(server) {
  const { migrateDatabase } = await import(new URL('../../dist/libs/fleet-mysql/src/migrate.js', import.meta.url).href);
  const database = `cs_test_${randomBytes(6).toString('hex')}`;
  const connection = await createConnection({ ...server, timezone: 'Z', dateStrings: true, supportBigNumbers: true });
  try {
    await connection.query(`CREATE DATABASE ${database} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci`);
    await migrateDatabase({ ...server, database }, { now: () => new Date() }, 'test', { random: () => 0 });
    await connection.changeUser({ database });
    return await dump(connection);
  } finally {
    await connection.query(`DROP DATABASE IF EXISTS ${database}`);
    await connection.end();
  }
}

async function dump(connection) {
  const [tables] = await connection.query('SHOW FULL TABLES');
  const statements = ['SET FOREIGN_KEY_CHECKS = 0'];
  for (const [table] of tables.map(Object.values)) {
    const [[{ 'Create Table': create }]] = await connection.query('SHOW CREATE TABLE ??', [table]);
    statements.push(create);
    const [rows] = await connection.query('SELECT * FROM ??', [table]);
    for (const row of rows) statements.push(connection.format('INSERT INTO ?? SET ?', [table, row]));
  }
  return [...statements, 'SET FOREIGN_KEY_CHECKS = 1'].join(';\n');
}

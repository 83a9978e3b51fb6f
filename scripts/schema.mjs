/** Writes test/schema.sql from a fresh migration; with --check compares, and fails if a migration was changed or is missing. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { prepare, root } from './prepare.mjs';

await prepare();
const { openPrivateDatabase } = await import('../dist/libs/dev-database/src/index.js');
const { fleetDataSource } = await import('../dist/libs/fleet-mysql/src/data-source.js');
const { migrate } = await import('../dist/libs/fleet-mysql/src/migrate.js');

const committed = join(root, 'test', 'schema.sql');
const folder = mkdtempSync(join(tmpdir(), 'schema-'));
const database = await openPrivateDatabase({ directory: folder, profile: 'ephemeral', progress: () => undefined });
let schema;
try {
  const dataSource = await fleetDataSource(database.address).initialize();
  await migrate(dataSource, { now: () => new Date() }, 'schema', { random: () => 0 });
  schema = await dumped(dataSource);
  await dataSource.destroy();
} finally {
  await database.stop();
  rmSync(folder, { recursive: true, force: true });
}
if (process.argv.includes('--check')) {
  const same = readFileSync(committed, 'utf8') === schema;
  if (!same) console.error('test/schema.sql is out of date: run "npm run schema" and commit it.');
  process.exit(same ? 0 : 1);
}
writeFileSync(committed, schema);
process.exit(0);

/** Describes the schema equally for every server and version: without display widths, with JSON columns as JSON. */
async function dumped(dataSource) {
  const columns = await dataSource.query(
    `SELECT TABLE_NAME AS t, COLUMN_NAME AS c, COLUMN_TYPE AS type, IS_NULLABLE AS nullable, COLLATION_NAME AS collation
       FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME <> 'migrations' ORDER BY TABLE_NAME, ORDINAL_POSITION`,
  );
  const indexes = await dataSource.query(
    `SELECT TABLE_NAME AS t, INDEX_NAME AS name, NON_UNIQUE AS many, COLUMN_NAME AS c
       FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX`,
  );
  const references = await dataSource.query(
    `SELECT TABLE_NAME AS t, COLUMN_NAME AS c, REFERENCED_TABLE_NAME AS target, REFERENCED_COLUMN_NAME AS targetColumn
       FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME IS NOT NULL ORDER BY TABLE_NAME, COLUMN_NAME`,
  );
  const tables = [...new Set(columns.map(({ t }) => t))];
  return tables
    .map(
      (table) =>
        `CREATE TABLE ${table} (\n${linesOf(table)
          .map((line) => `  ${line}`)
          .join(',\n')}\n);\n`,
    )
    .join('\n');

  function linesOf(table) {
    const of = (rows) => rows.filter(({ t }) => t === table);
    const columnLines = of(columns).map(({ c, type, nullable, collation }) => {
      const plain = type === 'longtext' ? 'json' : type.replace(/^((?:tiny|small|medium|big)?int)\(\d+\)/, '$1');
      return `${c} ${plain}${collation && plain !== 'json' ? ` COLLATE ${collation}` : ''}${nullable === 'NO' ? ' NOT NULL' : ''}`;
    });
    const indexLines = [...new Set(of(indexes).map(({ name }) => name))].map((name) => {
      const parts = of(indexes).filter((index) => index.name === name);
      const kind = name === 'PRIMARY' ? 'PRIMARY KEY' : `${Number(parts[0].many) ? '' : 'UNIQUE '}KEY ${name}`;
      return `${kind} (${parts.map(({ c }) => c).join(', ')})`;
    });
    return [
      ...columnLines,
      ...indexLines,
      ...of(references).map(
        ({ c, target, targetColumn }) => `FOREIGN KEY (${c}) REFERENCES ${target} (${targetColumn})`,
      ),
    ];
  }
}

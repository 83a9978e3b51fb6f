import type { MigrationInterface, QueryRunner } from 'typeorm';

const TABLE_OPTIONS = 'ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci';
const OS_KEY = `os_key VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT ''`;
/** Rows converted in one transaction. */
const BATCH_SIZE = 1_000;

/** Releases of the product. flags are names separated by commas; sha256 is that of the package. */
const PRODUCT_RELEASE = `
  CREATE TABLE IF NOT EXISTS product_release (
    component VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    os_type VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    version_key CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    version VARCHAR(23) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    released_at DATETIME(3) NOT NULL,
    support_ends_at DATETIME(3) NOT NULL,
    flags VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    size_bytes BIGINT UNSIGNED NOT NULL,
    sha256 BINARY(32) NOT NULL,
    download_url VARCHAR(2000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    package_file VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NULL,
    PRIMARY KEY (component, os_type, version_key)
  ) ${TABLE_OPTIONS}`;

/** One row: the id of the last change of the releases, from which a replica sees that its copy is old. */
const RELEASE_CATALOGUE = `
  CREATE TABLE IF NOT EXISTS release_catalogue (
    id TINYINT UNSIGNED NOT NULL,
    revision CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    PRIMARY KEY (id)
  ) ${TABLE_OPTIONS}`;

/** The operating system of the releases that count for the entry; empty for any other. */
const CLASSIFY = `CASE WHEN LOWER(os_type) = _utf8mb4'windows' COLLATE utf8mb4_bin THEN 'Windows'
                       WHEN LOWER(os_type) = _utf8mb4'linux' COLLATE utf8mb4_bin THEN 'Linux' ELSE '' END`;

/** Sets os_key of all entries in batches by host id. */
async function classifyEntries(db: QueryRunner): Promise<void> {
  for (let after = ''; ;) {
    const rows = (await db.query('SELECT host_id FROM process_server WHERE host_id > ? ORDER BY host_id LIMIT ?', [
      after,
      BATCH_SIZE,
    ])) as { host_id: string }[];
    const last = rows.at(-1)?.host_id;
    if (last === undefined) return;
    await db.query(`UPDATE process_server SET os_key = ${CLASSIFY} WHERE host_id > ? AND host_id <= ?`, [after, last]);
    after = last;
  }
}

/** Counts the entries again, by operating system too: the rows from before cannot be divided. One statement, so it is complete or absent. */
const CONVERT_COUNTERS = `
  INSERT INTO fleet_counter_delta (version_key, os_key, decommissioned, entries)
  SELECT x.version_key, x.os_key, x.decommissioned, SUM(x.entries)
    FROM (SELECT p.version_key, p.os_key, p.decommissioned_at IS NOT NULL AS decommissioned, COUNT(*) AS entries
            FROM process_server AS p GROUP BY 1, 2, 3
          UNION ALL
          SELECT t.version_key, t.os_key, t.decommissioned, -t.entries FROM fleet_counter_delta AS t) AS x
   GROUP BY x.version_key, x.os_key, x.decommissioned
  HAVING SUM(x.entries) <> 0`;

/** The release catalogue, and the operating system in the index and the counters of versions. */
export class ReleaseCatalogue1796000000003 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(PRODUCT_RELEASE);
    await db.query(RELEASE_CATALOGUE);
    for (const table of ['process_server', 'fleet_counter_delta'])
      if (!(await db.hasColumn(table, 'os_key')))
        await db.query(`ALTER TABLE ${table} ADD COLUMN ${OS_KEY} AFTER version_key`);
    await classifyEntries(db);
    await db.query(
      'ALTER TABLE process_server DROP KEY ix_version_key, ADD KEY ix_version_key (version_key, os_key, host_id)',
    );
    await db.query(CONVERT_COUNTERS);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE process_server DROP KEY ix_version_key, ADD KEY ix_version_key (version_key, host_id)');
    for (const table of ['process_server', 'fleet_counter_delta'])
      await db.query(`ALTER TABLE ${table} DROP COLUMN os_key`);
    await db.query('DROP TABLE release_catalogue');
    await db.query('DROP TABLE product_release');
  }
}

import type { MigrationInterface, QueryRunner } from 'typeorm';

const SINCE_COLUMNS = ['cpu', 'memory', 'cache', 'upload'].flatMap((signal) => [
  `${signal}_warning_since_available_ms`,
  `${signal}_critical_since_available_ms`,
]);

/**
 * *_available_ms are times on the availability clock. load_above and load_raised have a bit for each signal and level; since when the
 * current side of a threshold lasts is null while the value is unknown. services_down: 1 while a service is stopped, null while unknown.
 * review_due: 1 until the health is published as published_health and published_errors.
 */
const COLUMNS = [
  'load_available_ms BIGINT NULL',
  'load_above TINYINT UNSIGNED NOT NULL DEFAULT 0',
  'load_raised TINYINT UNSIGNED NOT NULL DEFAULT 0',
  ...SINCE_COLUMNS.map((name) => `${name} BIGINT NULL`),
  'services_available_ms BIGINT NULL',
  'services_since_available_ms BIGINT NULL',
  'services_down TINYINT UNSIGNED NULL',
  'services_raised TINYINT UNSIGNED NOT NULL DEFAULT 0',
  'certificate_available_ms BIGINT NULL',
  'review_due TINYINT UNSIGNED NULL DEFAULT 1',
  'published_health TINYINT UNSIGNED NULL',
  'published_errors SMALLINT UNSIGNED NULL',
];

/** Params: none. The status of a load that has no time on the availability clock is unknown until the next report. */
const RESET_STATUS_OF_EARLIER_REPORTS = `
  UPDATE process_server_health
     SET load_severity = 0, load_report_bucket = NULL
   WHERE load_severity > 0 AND load_available_ms IS NULL
   LIMIT 1000`;

/** State of the health windows: signals are raised and cleared after a time on the availability clock. */
export class HealthWindows1796000000002 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    if (!(await db.hasColumn('process_server_health', 'review_due')))
      await db.query(
        `ALTER TABLE process_server_health ${COLUMNS.map((column) => `ADD COLUMN ${column}`).join(', ')},
           ADD KEY ix_review_due (review_due, host_id)`,
      );
    let reset: { affectedRows: number };
    do reset = (await db.query(RESET_STATUS_OF_EARLIER_REPORTS)) as { affectedRows: number };
    while (reset.affectedRows > 0);
  }

  async down(db: QueryRunner): Promise<void> {
    if (!(await db.hasColumn('process_server_health', 'review_due'))) return;
    const dropped = COLUMNS.map((column) => `DROP COLUMN ${column.split(' ', 1)[0]}`);
    await db.query(`ALTER TABLE process_server_health DROP KEY ix_review_due, ${dropped.join(', ')}`);
  }
}

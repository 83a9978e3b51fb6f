import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The watermark of each scan of the monitor: the last position that it has passed. */
export class Monitor1796000000006 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE IF NOT EXISTS monitor_progress (
        scan VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        position_ms BIGINT NOT NULL,
        host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        PRIMARY KEY (scan)
      ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE IF EXISTS monitor_progress');
  }
}

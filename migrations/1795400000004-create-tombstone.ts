import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is gone and may not come back by itself; removal is purge or clean_up. Kept until the host id registers again. */
export class CreateTombstone1795400000004 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE IF NOT EXISTS tombstone (
        host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        generation INT UNSIGNED NOT NULL,
        friendly_name VARCHAR(255) NOT NULL,
        ip_address VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        removed_at DATETIME(3) NOT NULL,
        removed_by VARCHAR(128) NOT NULL,
        reason VARCHAR(500) NULL,
        removal VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        plan_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
        PRIMARY KEY (host_id)
      ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE tombstone');
  }
}

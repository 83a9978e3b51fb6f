import type { MigrationInterface, QueryRunner } from 'typeorm';

/** One row: which site this database belongs to, and how often it was restored from a backup. */
export class CreateSite1795400000039 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE IF NOT EXISTS site (
        id TINYINT UNSIGNED NOT NULL,
        site_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        epoch INT UNSIGNED NOT NULL,
        epoch_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        generation_floor INT UNSIGNED NOT NULL,
        restored_at DATETIME(3) NULL,
        unfinished TINYINT UNSIGNED NOT NULL,
        PRIMARY KEY (id)
      ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE site');
  }
}

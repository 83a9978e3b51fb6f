import type { MigrationInterface, QueryRunner } from 'typeorm';

/** One row: the last pass of the lazy clean-up, by whichever replica. */
export class CreateCleanUpPass1795400000008 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE IF NOT EXISTS clean_up_run (
        id TINYINT UNSIGNED NOT NULL,
        at DATETIME(3) NOT NULL,
        replica VARCHAR(128) NOT NULL,
        removed INT UNSIGNED NOT NULL,
        error VARCHAR(500) NULL,
        PRIMARY KEY (id)
      ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE clean_up_run');
  }
}

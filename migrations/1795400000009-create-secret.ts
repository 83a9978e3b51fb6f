import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Keys that the replicas share; the first to insert one wins. */
export class CreateSecret1795400000009 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE IF NOT EXISTS shared_secret (
        name VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        value VARBINARY(64) NOT NULL,
        created_at DATETIME(3) NOT NULL,
        PRIMARY KEY (name)
      ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE shared_secret');
  }
}

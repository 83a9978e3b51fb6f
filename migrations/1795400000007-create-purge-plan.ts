import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Plans live 15 minutes; the result is stored once. */
export class CreatePurgePlan1795400000007 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE IF NOT EXISTS purge_plan (
        id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        created_at DATETIME(3) NOT NULL,
        created_by VARCHAR(128) NOT NULL,
        expires_at DATETIME(3) NOT NULL,
        filter JSON NOT NULL,
        candidates JSON NOT NULL,
        result JSON NULL,
        PRIMARY KEY (id),
        KEY ix_plan_expiry (expires_at)
      ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE purge_plan');
  }
}

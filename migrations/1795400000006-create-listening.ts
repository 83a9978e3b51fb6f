import type { MigrationInterface, QueryRunner } from 'typeorm';

/** One row: the listening clock and when it was noted. */
export class CreateListening1795400000006 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE IF NOT EXISTS listening (
        id TINYINT UNSIGNED NOT NULL,
        listened_ms BIGINT NOT NULL,
        noted_at DATETIME(3) NOT NULL,
        PRIMARY KEY (id)
      ) ENGINE=InnoDB`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE listening');
  }
}

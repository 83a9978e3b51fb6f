import type { MigrationInterface, QueryRunner } from 'typeorm';

/** One row: the listening clock and when it was noted. */
export class CreateListening1795400000006 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE IF NOT EXISTS availability_clock (
        id TINYINT UNSIGNED NOT NULL,
        available_ms BIGINT NOT NULL,
        recorded_at DATETIME(3) NOT NULL,
        PRIMARY KEY (id)
      ) ENGINE=InnoDB`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE availability_clock');
  }
}

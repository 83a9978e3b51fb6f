import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How far the clock runs on by itself after a record, when the wall clock was last unsteady, and its last step backwards. One row: the lock lasts no time. */
export class NoteClockSteps1795400000027 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    if ((await db.query(`SHOW COLUMNS FROM availability_clock LIKE 'run_ahead_ms'`)).length > 0) return;
    await db.query(`
      ALTER TABLE availability_clock
        ADD COLUMN run_ahead_ms INT UNSIGNED NOT NULL DEFAULT 0,
        ADD COLUMN unsteady_available_ms BIGINT NOT NULL DEFAULT 0,
        ADD COLUMN stepped_available_ms BIGINT NULL,
        ADD COLUMN stepped_back_available_ms BIGINT NULL,
        ADD COLUMN stepped_back_to DATETIME(3) NULL`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(
      'ALTER TABLE availability_clock DROP COLUMN run_ahead_ms, DROP COLUMN unsteady_available_ms, DROP COLUMN stepped_available_ms, DROP COLUMN stepped_back_available_ms, DROP COLUMN stepped_back_to',
    );
  }
}

import type { MigrationInterface, QueryRunner } from 'typeorm';

/** An actor is compared exactly, and found along an index. Copies the table: while it runs, whatever writes an event is told to come again. */
export class CompareActorsExactly1795400000015 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    const made = (await db.query(
      `SELECT 1 FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'event' AND INDEX_NAME = 'ix_actor' LIMIT 1`,
    )) as unknown[];
    if (made.length > 0) return;
    await db.query(`
      ALTER TABLE event
        MODIFY actor VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
        ADD KEY ix_actor (actor, at, id)`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE event
        DROP KEY ix_actor,
        MODIFY actor VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci NOT NULL`);
  }
}

import type { MigrationInterface, QueryRunner } from 'typeorm';

/** From which address an event was called for, and by which request. Events of before this have both in their detail, where a call made them. */
export class KeepWhereEventsCameFrom1795400000023 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    if (await db.hasColumn('event', 'source_address')) return;
    await db.query(`
      ALTER TABLE event
        ADD COLUMN source_address VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NULL AFTER actor,
        ADD COLUMN request_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL AFTER source_address`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE event DROP COLUMN source_address, DROP COLUMN request_id');
  }
}

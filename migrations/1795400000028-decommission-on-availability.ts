import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The grace before a removal runs on L, so that a step of the wall clock neither delays nor hastens it. Adds a column at the end: no rows are rewritten. */
export class DecommissionOnAvailability1795400000028 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    if ((await db.query(`SHOW COLUMNS FROM process_server LIKE 'decommissioned_available_ms'`)).length > 0) return;
    await db.query('ALTER TABLE process_server ADD COLUMN decommissioned_available_ms BIGINT NULL');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE process_server DROP COLUMN decommissioned_available_ms');
  }
}

import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The list of replaced instances stands in its place. */
export class DropPreviousInstance1795400000014 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    if (!(await db.hasColumn('process_server_lease', 'previous_instance_id'))) return;
    await db.query('ALTER TABLE process_server_lease DROP COLUMN previous_instance_id');
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE process_server_lease
        ADD COLUMN previous_instance_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL AFTER instance_id`);
  }
}

import type { MigrationInterface, QueryRunner } from 'typeorm';

/** More than two senders under one host id are told apart too: a JSON list of the instances that were replaced. */
export class KeepReplacedInstances1795400000013 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    if (await db.hasColumn('process_server_lease', 'replaced_instance_ids')) return;
    await db.query(`
      ALTER TABLE process_server_lease
        ADD COLUMN replaced_instance_ids VARCHAR(1100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '[]' AFTER instance_id`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE process_server_lease DROP COLUMN replaced_instance_ids');
  }
}

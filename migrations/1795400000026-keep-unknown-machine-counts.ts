import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Whether the last reported count of protected machines could not be used. Added in place, without a copy of the table. */
export class KeepUnknownMachineCounts1795400000026 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    if (await db.hasColumn('process_server_health', 'protected_machines_unknown')) return;
    await db.query(
      `ALTER TABLE process_server_health ADD COLUMN protected_machines_unknown TINYINT UNSIGNED NOT NULL DEFAULT 0`,
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE process_server_health DROP COLUMN protected_machines_unknown');
  }
}

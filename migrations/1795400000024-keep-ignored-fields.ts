import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Members of the last heartbeat that were not used, by name, as a JSON array; null when all were used. Added in place, without a copy of the table. */
export class KeepIgnoredFields1795400000024 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    if (await db.hasColumn('process_server_lease', 'ignored_fields')) return;
    await db.query(
      `ALTER TABLE process_server_lease ADD COLUMN ignored_fields VARCHAR(3000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL`,
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE process_server_lease DROP COLUMN ignored_fields');
  }
}

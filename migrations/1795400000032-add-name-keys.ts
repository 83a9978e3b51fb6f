import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Columns for the key that names are compared by. MariaDB and MySQL share no collation that folds case alone, so the application computes the key. */
export class AddNameKeys1795400000032 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    if (!(await db.hasColumn('process_server', 'name_key'))) {
      await db.query(
        "ALTER TABLE process_server ADD COLUMN name_key VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '' AFTER friendly_name",
      );
    }
    if (!(await db.hasColumn('api_key', 'name_key'))) {
      await db.query(
        'ALTER TABLE api_key ADD COLUMN name_key VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL AFTER name',
      );
    }
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE process_server DROP COLUMN name_key');
    await db.query('ALTER TABLE api_key DROP COLUMN name_key');
  }
}

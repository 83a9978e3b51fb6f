import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a list of keys shows: how each begins, who made it, and when it was used last. Keys of before this have no prefix. */
export class DescribeApiKeys1795400000021 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    if (await db.hasColumn('api_key', 'prefix')) return;
    await db.query(`
      ALTER TABLE api_key
        ADD COLUMN prefix VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '' AFTER role,
        ADD COLUMN created_by VARCHAR(128) NOT NULL DEFAULT 'configuration-server' AFTER created_at,
        ADD COLUMN last_used_at DATETIME(3) NULL AFTER revoked_at`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE api_key DROP COLUMN prefix, DROP COLUMN created_by, DROP COLUMN last_used_at');
  }
}

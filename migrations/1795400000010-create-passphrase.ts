import type { MigrationInterface, QueryRunner } from 'typeorm';

/** SHA-256 of each passphrase; valid until expires_at, for ever where that is null. */
export class CreatePassphrase1795400000010 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE IF NOT EXISTS passphrase (
        id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        hash BINARY(32) NOT NULL,
        created_at DATETIME(3) NOT NULL,
        expires_at DATETIME(3) NULL,
        PRIMARY KEY (id),
        UNIQUE KEY uq_hash (hash)
      ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE passphrase');
  }
}

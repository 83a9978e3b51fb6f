import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Under which name an entry is sorted, and when: a walk by name keeps to the names of its first page. valid_until is null for the last. */
export class CreateProcessServerName1795400000012 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE IF NOT EXISTS process_server_name_history (
        host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        valid_from DATETIME(3) NOT NULL,
        valid_until DATETIME(3) NULL,
        name VARCHAR(255) NOT NULL,
        PRIMARY KEY (host_id, valid_from),
        KEY ix_name_history_name (name_key, host_id),
        KEY ix_name_history_until (valid_until),
        CONSTRAINT fk_name_history_process_server FOREIGN KEY (host_id) REFERENCES process_server (host_id)
      ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE process_server_name_history');
  }
}

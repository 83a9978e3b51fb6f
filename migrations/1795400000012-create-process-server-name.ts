import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Under which name an entry is sorted, and when: a walk by name keeps to the names of its first page. until_at is null for the last. */
export class CreateProcessServerName1795400000012 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE IF NOT EXISTS process_server_name (
        host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        from_at DATETIME(3) NOT NULL,
        until_at DATETIME(3) NULL,
        name VARCHAR(255) NOT NULL,
        PRIMARY KEY (host_id, from_at),
        KEY by_name (name, host_id),
        KEY by_end (until_at),
        CONSTRAINT name_of_process_server FOREIGN KEY (host_id) REFERENCES process_server (host_id)
      ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE process_server_name');
  }
}

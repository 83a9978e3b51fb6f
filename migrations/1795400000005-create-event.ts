import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The audit log and timeline. Ids are made before the first attempt to write; the order to read by is (at, id). */
export class CreateEvent1795400000005 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE IF NOT EXISTS event (
        id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        at DATETIME(3) NOT NULL,
        kind VARCHAR(48) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
        generation INT UNSIGNED NULL,
        actor VARCHAR(128) NOT NULL,
        detail JSON NOT NULL,
        PRIMARY KEY (id),
        KEY ix_at (at, id),
        KEY ix_host (host_id, at, id),
        KEY ix_kind (kind, at, id)
      ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE event');
  }
}

import type { MigrationInterface, QueryRunner } from 'typeorm';

/** SHA-256 of the token of each enrolment, its limits, and the number of registrations that it was used for. */
const ENROLMENT = `
  CREATE TABLE IF NOT EXISTS enrolment (
    id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    hash BINARY(32) NOT NULL,
    note VARCHAR(200) NOT NULL,
    created_at DATETIME(3) NOT NULL,
    created_by VARCHAR(128) NOT NULL,
    expires_at DATETIME(3) NOT NULL,
    max_registrations INT UNSIGNED NOT NULL,
    registrations INT UNSIGNED NOT NULL DEFAULT 0,
    revoked_at DATETIME(3) NULL,
    revoked_by VARCHAR(128) NULL,
    PRIMARY KEY (id),
    UNIQUE KEY uq_hash (hash)
  ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci`;

const UUID_COLUMN = 'CHAR(36) CHARACTER SET ascii COLLATE ascii_bin';

/** A registration has a passphrase or an enrolment, the other one is null. Each step is idempotent. */
export class Enrolments1796000000004 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(ENROLMENT);
    await db.query(`ALTER TABLE process_server MODIFY passphrase_id ${UUID_COLUMN} NULL`);
    if (await db.hasColumn('process_server', 'enrolment_id')) return;
    await db.query(
      `ALTER TABLE process_server ADD COLUMN enrolment_id ${UUID_COLUMN} NULL, ADD KEY ix_enrolment (enrolment_id, host_id)`,
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('ALTER TABLE process_server DROP KEY ix_enrolment, DROP COLUMN enrolment_id');
    await db.query("UPDATE process_server AS p SET p.passphrase_id = '' WHERE p.passphrase_id IS NULL");
    await db.query(`ALTER TABLE process_server MODIFY passphrase_id ${UUID_COLUMN} NOT NULL`);
    await db.query('DROP TABLE enrolment');
  }
}

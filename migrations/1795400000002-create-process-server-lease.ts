import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The narrow table that a heartbeat without news writes. *_listened_ms are instants on the listening clock; said is a digest of what the last accepted heartbeat claimed. */
export class CreateProcessServerLease1795400000002 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE IF NOT EXISTS process_server_lease (
        host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        generation INT UNSIGNED NOT NULL,
        credential_hash BINARY(32) NOT NULL,
        retired TINYINT UNSIGNED NOT NULL,
        revoked TINYINT UNSIGNED NOT NULL,
        report_fingerprint BINARY(16) NOT NULL,
        last_heartbeat_at DATETIME(3) NULL,
        last_seen_available_ms BIGINT NOT NULL,
        expires_available_ms BIGINT NOT NULL,
        assigned_interval_seconds INT UNSIGNED NOT NULL,
        instance_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
        previous_instance_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
        source_address VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        skew_ms BIGINT NULL,
        PRIMARY KEY (host_id),
        KEY ix_lease_expiry (expires_available_ms, host_id),
        KEY ix_last_seen (last_seen_available_ms, host_id),
        CONSTRAINT fk_lease_process_server FOREIGN KEY (host_id) REFERENCES process_server (host_id)
      ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE process_server_lease');
  }
}

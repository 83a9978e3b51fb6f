import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What a process server registered with, and whether it is leaving; changes rarely. Sizes are bytes; version_key sorts as versions do. */
export class CreateProcessServer1795400000001 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE IF NOT EXISTS process_server (
        host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        generation INT UNSIGNED NOT NULL,
        friendly_name VARCHAR(255) NOT NULL,
        fqdn VARCHAR(255) NULL,
        ip_address VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        data_port SMALLINT UNSIGNED NOT NULL,
        os_type VARCHAR(64) NOT NULL,
        os_version VARCHAR(128) NOT NULL,
        agent_version VARCHAR(23) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        version_key CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        machine_id VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
        environment VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        cpu_cores SMALLINT UNSIGNED NOT NULL,
        memory_bytes BIGINT UNSIGNED NOT NULL,
        cache_disk_bytes BIGINT UNSIGNED NOT NULL,
        proxy_used TINYINT UNSIGNED NULL,
        proxy_address VARCHAR(255) NULL,
        proxy_port SMALLINT UNSIGNED NULL,
        proxy_authenticated TINYINT UNSIGNED NULL,
        passphrase_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        registered_at DATETIME(3) NOT NULL,
        decommissioned_at DATETIME(3) NULL,
        decommissioned_by VARCHAR(128) NULL,
        decommission_reason VARCHAR(500) NULL,
        remove_by DATETIME(3) NULL,
        PRIMARY KEY (host_id),
        KEY ix_name_key (friendly_name, host_id),
        KEY ix_ip_address (ip_address, host_id),
        KEY ix_version_key (version_key, host_id),
        KEY ix_decommissioned_at (decommissioned_at, host_id)
      ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE process_server');
  }
}

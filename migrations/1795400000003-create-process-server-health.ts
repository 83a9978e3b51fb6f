import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The last reported condition; a row for each entry from its registration on. load_severity: 0 unknown, 1 healthy, 2 warning, 3 critical. */
export class CreateProcessServerHealth1795400000003 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE IF NOT EXISTS process_server_health (
        host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
        load_reported_at DATETIME(3) NULL,
        load_severity TINYINT UNSIGNED NOT NULL,
        cpu_percent DOUBLE NULL,
        total_memory_bytes BIGINT UNSIGNED NULL,
        available_memory_bytes BIGINT UNSIGNED NULL,
        total_cache_bytes BIGINT UNSIGNED NULL,
        free_cache_bytes BIGINT UNSIGNED NULL,
        throughput_bytes_per_second BIGINT UNSIGNED NULL,
        pending_upload_bytes BIGINT UNSIGNED NULL,
        services JSON NULL,
        services_down_at DATETIME(3) NULL,
        protected_machine_count INT UNSIGNED NULL,
        replication_pair_count INT UNSIGNED NULL,
        certificate_expires_at DATETIME(3) NULL,
        PRIMARY KEY (host_id),
        CONSTRAINT fk_health_process_server FOREIGN KEY (host_id) REFERENCES process_server (host_id)
      ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci`);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP TABLE process_server_health');
  }
}

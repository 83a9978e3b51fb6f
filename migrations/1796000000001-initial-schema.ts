import type { MigrationInterface, QueryRunner } from 'typeorm';

const TABLE_OPTIONS = 'ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_520_ci';

/**
 * The registered facts of a process server and, if it is decommissioned, when and by which caller. Sizes are in bytes.
 * version_key sorts like versions; name_key is the normalised name for comparisons.
 */
const PROCESS_SERVER = `
  CREATE TABLE IF NOT EXISTS process_server (
    host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    generation INT UNSIGNED NOT NULL,
    friendly_name VARCHAR(255) NOT NULL,
    name_key VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
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
    decommissioned_available_ms BIGINT NULL,
    PRIMARY KEY (host_id),
    KEY ix_decommissioned_at (decommissioned_at, host_id),
    KEY ix_ip_address (ip_address, host_id),
    KEY ix_machine_id (machine_id, host_id),
    KEY ix_name_key (name_key, host_id),
    KEY ix_passphrase (passphrase_id, host_id),
    KEY ix_version_key (version_key, host_id)
  ) ${TABLE_OPTIONS}`;

/**
 * The narrow table that an unchanged heartbeat writes. *_available_ms are times on the availability clock; report_fingerprint is a
 * digest of the last accepted heartbeat; event_bounds counts the events that heartbeats caused in the current hour.
 */
const PROCESS_SERVER_LEASE = `
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
    replaced_instance_ids VARCHAR(1100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '[]',
    source_address VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    skew_ms BIGINT NULL,
    ignored_fields VARCHAR(3000) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    event_bounds VARCHAR(1000) CHARACTER SET ascii COLLATE ascii_bin NULL,
    never_connected TINYINT UNSIGNED NOT NULL DEFAULT 0,
    PRIMARY KEY (host_id),
    KEY ix_last_seen (last_seen_available_ms, host_id),
    KEY ix_lease_expiry (expires_available_ms, host_id),
    KEY ix_never_connected (never_connected, host_id),
    CONSTRAINT fk_lease_process_server FOREIGN KEY (host_id) REFERENCES process_server (host_id)
  ) ${TABLE_OPTIONS}`;

/**
 * The last reported health; one row for each entry from its registration on. load_severity: 0 unknown, 1 healthy, 2 warning,
 * 3 critical. load_report_bucket is the report time in steps of five minutes, so that an index finds old reports.
 */
const PROCESS_SERVER_HEALTH = `
  CREATE TABLE IF NOT EXISTS process_server_health (
    host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    load_reported_at DATETIME(3) NULL,
    load_report_bucket INT UNSIGNED NULL,
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
    protected_machines_unknown TINYINT UNSIGNED NOT NULL DEFAULT 0,
    cpu_exceeded_at DATETIME(3) NULL,
    memory_exceeded_at DATETIME(3) NULL,
    cache_exceeded_at DATETIME(3) NULL,
    upload_exceeded_at DATETIME(3) NULL,
    services_reported_at DATETIME(3) NULL,
    certificate_reported_at DATETIME(3) NULL,
    certificate_known_at DATETIME(3) NULL,
    PRIMARY KEY (host_id),
    KEY ix_certificate_expiry (certificate_expires_at, host_id),
    KEY ix_load (load_severity, load_report_bucket, host_id),
    KEY ix_services_down (services_down_at, host_id),
    CONSTRAINT fk_health_process_server FOREIGN KEY (host_id) REFERENCES process_server (host_id)
  ) ${TABLE_OPTIONS}`;

/** The name key of an entry in each period, for a stable order of pagination by name. valid_until is null for the current name. */
const PROCESS_SERVER_NAME_HISTORY = `
  CREATE TABLE IF NOT EXISTS process_server_name_history (
    host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    valid_from DATETIME(3) NOT NULL,
    valid_until DATETIME(3) NULL,
    name_key VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (host_id, valid_from),
    KEY ix_name_history_name (name_key, host_id),
    KEY ix_name_history_until (valid_until),
    CONSTRAINT fk_name_history_process_server FOREIGN KEY (host_id) REFERENCES process_server (host_id)
  ) ${TABLE_OPTIONS}`;

/** Removed generations, kept until the host id registers again. removal is purge or clean_up. */
const TOMBSTONE = `
  CREATE TABLE IF NOT EXISTS tombstone (
    host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    generation INT UNSIGNED NOT NULL,
    friendly_name VARCHAR(255) NOT NULL,
    ip_address VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    removed_at DATETIME(3) NOT NULL,
    removed_by VARCHAR(128) NOT NULL,
    reason VARCHAR(500) NULL,
    removal VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    plan_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
    PRIMARY KEY (host_id)
  ) ${TABLE_OPTIONS}`;

/** Sums of these rows are the numbers of entries by version and lifecycle. Each change adds a row; the clean-up merges rows. */
const FLEET_COUNTER_DELTA = `
  CREATE TABLE IF NOT EXISTS fleet_counter_delta (
    id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
    version_key CHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    decommissioned TINYINT UNSIGNED NOT NULL,
    entries INT NOT NULL,
    PRIMARY KEY (id)
  ) ${TABLE_OPTIONS}`;

/** Audit log and history. Ids are generated before the first attempt to write. Sorted by (at, id). */
const EVENT = `
  CREATE TABLE IF NOT EXISTS event (
    id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    at DATETIME(3) NOT NULL,
    kind VARCHAR(48) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    host_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
    generation INT UNSIGNED NULL,
    actor VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    source_address VARCHAR(45) CHARACTER SET ascii COLLATE ascii_bin NULL,
    request_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NULL,
    detail JSON NOT NULL,
    PRIMARY KEY (id),
    KEY ix_actor (actor, at, id),
    KEY ix_at (at, id),
    KEY ix_host (host_id, at, id),
    KEY ix_kind (kind, at, id)
  ) ${TABLE_OPTIONS}`;

/** One row: the availability clock, the time of its record, how far it advances without another record, and the last steps of the wall clock. */
const AVAILABILITY_CLOCK = `
  CREATE TABLE IF NOT EXISTS availability_clock (
    id TINYINT UNSIGNED NOT NULL,
    available_ms BIGINT NOT NULL,
    recorded_at DATETIME(3) NOT NULL,
    run_ahead_ms INT UNSIGNED NOT NULL DEFAULT 0,
    unsteady_available_ms BIGINT NOT NULL DEFAULT 0,
    stepped_available_ms BIGINT NULL,
    stepped_back_available_ms BIGINT NULL,
    stepped_back_to DATETIME(3) NULL,
    PRIMARY KEY (id)
  ) ${TABLE_OPTIONS}`;

/** Plans expire after 15 minutes. The result is stored once; each purge increments purges, so that both conflict on a cluster. */
const PURGE_PLAN = `
  CREATE TABLE IF NOT EXISTS purge_plan (
    id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    created_at DATETIME(3) NOT NULL,
    created_by VARCHAR(128) NOT NULL,
    expires_at DATETIME(3) NOT NULL,
    filter JSON NOT NULL,
    candidates JSON NOT NULL,
    fleet_size INT UNSIGNED NOT NULL DEFAULT 0,
    purges INT UNSIGNED NOT NULL DEFAULT 0,
    result JSON NULL,
    PRIMARY KEY (id),
    KEY ix_plan_expiry (expires_at)
  ) ${TABLE_OPTIONS}`;

/** One row: the last run of the clean-up on any replica. */
const CLEAN_UP_RUN = `
  CREATE TABLE IF NOT EXISTS clean_up_run (
    id TINYINT UNSIGNED NOT NULL,
    at DATETIME(3) NOT NULL,
    replica VARCHAR(128) NOT NULL,
    removed INT UNSIGNED NOT NULL,
    error VARCHAR(500) NULL,
    PRIMARY KEY (id)
  ) ${TABLE_OPTIONS}`;

/** Keys that the replicas share. The first insert of a name wins. */
const SHARED_SECRET = `
  CREATE TABLE IF NOT EXISTS shared_secret (
    name VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    value VARBINARY(64) NOT NULL,
    created_at DATETIME(3) NOT NULL,
    PRIMARY KEY (name)
  ) ${TABLE_OPTIONS}`;

/** SHA-256 of each passphrase. It is valid until expires_at, or without limit if expires_at is null. */
const PASSPHRASE = `
  CREATE TABLE IF NOT EXISTS passphrase (
    id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    hash BINARY(32) NOT NULL,
    created_at DATETIME(3) NOT NULL,
    expires_at DATETIME(3) NULL,
    PRIMARY KEY (id),
    UNIQUE KEY uq_hash (hash)
  ) ${TABLE_OPTIONS}`;

/** SHA-256 of each API key and its role: reader, operator or admin. */
const API_KEY = `
  CREATE TABLE IF NOT EXISTS api_key (
    id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    name VARCHAR(100) NOT NULL,
    name_key VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
    hash BINARY(32) NOT NULL,
    role VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    prefix VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    created_at DATETIME(3) NOT NULL,
    created_by VARCHAR(128) NOT NULL DEFAULT 'configuration-server',
    expires_at DATETIME(3) NULL,
    revoked_at DATETIME(3) NULL,
    last_used_at DATETIME(3) NULL,
    PRIMARY KEY (id),
    UNIQUE KEY uq_hash (hash),
    UNIQUE KEY uq_name_key (name_key)
  ) ${TABLE_OPTIONS}`;

/** One row: the site of this database, and how often it was restored from a backup. */
const SITE = `
  CREATE TABLE IF NOT EXISTS site (
    id TINYINT UNSIGNED NOT NULL,
    site_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    epoch INT UNSIGNED NOT NULL,
    epoch_id CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    generation_floor INT UNSIGNED NOT NULL,
    restored_at DATETIME(3) NULL,
    unfinished TINYINT UNSIGNED NOT NULL,
    PRIMARY KEY (id)
  ) ${TABLE_OPTIONS}`;

const TABLES = [
  PROCESS_SERVER,
  PROCESS_SERVER_LEASE,
  PROCESS_SERVER_HEALTH,
  PROCESS_SERVER_NAME_HISTORY,
  TOMBSTONE,
  FLEET_COUNTER_DELTA,
  EVENT,
  AVAILABILITY_CLOCK,
  PURGE_PLAN,
  CLEAN_UP_RUN,
  SHARED_SECRET,
  PASSPHRASE,
  API_KEY,
  SITE,
];

/** The schema of the first release, one idempotent statement for each table: an interrupted migration continues when it runs again. */
export class InitialSchema1796000000001 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    for (const table of TABLES) await db.query(table);
  }

  async down(db: QueryRunner): Promise<void> {
    for (const table of [
      'site',
      'api_key',
      'passphrase',
      'shared_secret',
      'clean_up_run',
      'purge_plan',
      'availability_clock',
      'event',
      'fleet_counter_delta',
      'tombstone',
      'process_server_name_history',
      'process_server_health',
      'process_server_lease',
      'process_server',
    ])
      await db.query(`DROP TABLE ${table}`);
  }
}

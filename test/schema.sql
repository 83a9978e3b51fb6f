CREATE TABLE api_key (
  id char(36) COLLATE ascii_bin NOT NULL,
  name varchar(100) COLLATE utf8mb4_unicode_520_ci NOT NULL,
  name_key varchar(100) COLLATE utf8mb4_bin,
  hash binary(32) NOT NULL,
  role varchar(16) COLLATE ascii_bin NOT NULL,
  prefix varchar(16) COLLATE ascii_bin NOT NULL,
  created_at datetime(3) NOT NULL,
  created_by varchar(128) COLLATE utf8mb4_unicode_520_ci NOT NULL,
  expires_at datetime(3),
  revoked_at datetime(3),
  last_used_at datetime(3),
  PRIMARY KEY (id),
  UNIQUE KEY uq_hash (hash),
  UNIQUE KEY uq_name_key (name_key)
);

CREATE TABLE availability_clock (
  id tinyint unsigned NOT NULL,
  available_ms bigint NOT NULL,
  recorded_at datetime(3) NOT NULL,
  run_ahead_ms int unsigned NOT NULL,
  unsteady_available_ms bigint NOT NULL,
  stepped_available_ms bigint,
  stepped_back_available_ms bigint,
  stepped_back_to datetime(3),
  PRIMARY KEY (id)
);

CREATE TABLE clean_up_run (
  id tinyint unsigned NOT NULL,
  at datetime(3) NOT NULL,
  replica varchar(128) COLLATE utf8mb4_unicode_520_ci NOT NULL,
  removed int unsigned NOT NULL,
  error varchar(500) COLLATE utf8mb4_unicode_520_ci,
  PRIMARY KEY (id)
);

CREATE TABLE enrolment (
  id char(36) COLLATE ascii_bin NOT NULL,
  hash binary(32) NOT NULL,
  note varchar(200) COLLATE utf8mb4_unicode_520_ci NOT NULL,
  created_at datetime(3) NOT NULL,
  created_by varchar(128) COLLATE utf8mb4_unicode_520_ci NOT NULL,
  expires_at datetime(3) NOT NULL,
  max_registrations int unsigned NOT NULL,
  registrations int unsigned NOT NULL,
  revoked_at datetime(3),
  revoked_by varchar(128) COLLATE utf8mb4_unicode_520_ci,
  PRIMARY KEY (id),
  UNIQUE KEY uq_hash (hash)
);

CREATE TABLE event (
  id char(36) COLLATE ascii_bin NOT NULL,
  at datetime(3) NOT NULL,
  kind varchar(48) COLLATE ascii_bin NOT NULL,
  host_id char(36) COLLATE ascii_bin,
  generation int unsigned,
  actor varchar(128) COLLATE utf8mb4_bin NOT NULL,
  source_address varchar(45) COLLATE ascii_bin,
  request_id char(36) COLLATE ascii_bin,
  detail json NOT NULL,
  KEY ix_actor (actor, at, id),
  KEY ix_at (at, id),
  KEY ix_host (host_id, at, id),
  KEY ix_kind (kind, at, id),
  PRIMARY KEY (id)
);

CREATE TABLE fleet_counter_delta (
  id bigint unsigned NOT NULL,
  version_key char(16) COLLATE ascii_bin NOT NULL,
  os_key varchar(8) COLLATE ascii_bin NOT NULL,
  decommissioned tinyint unsigned NOT NULL,
  entries int NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE migration_lock (
  id tinyint unsigned NOT NULL,
  owner varchar(128) COLLATE utf8mb4_unicode_520_ci NOT NULL,
  expires_at datetime(3) NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE monitor_progress (
  scan varchar(32) COLLATE ascii_bin NOT NULL,
  position_ms bigint NOT NULL,
  host_id char(36) COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (scan)
);

CREATE TABLE passphrase (
  id char(36) COLLATE ascii_bin NOT NULL,
  hash binary(32) NOT NULL,
  created_at datetime(3) NOT NULL,
  expires_at datetime(3),
  PRIMARY KEY (id),
  UNIQUE KEY uq_hash (hash)
);

CREATE TABLE process_server (
  host_id char(36) COLLATE ascii_bin NOT NULL,
  generation int unsigned NOT NULL,
  friendly_name varchar(255) COLLATE utf8mb4_unicode_520_ci NOT NULL,
  name_key varchar(255) COLLATE utf8mb4_bin NOT NULL,
  fqdn varchar(255) COLLATE utf8mb4_unicode_520_ci,
  ip_address varchar(45) COLLATE ascii_bin NOT NULL,
  data_port smallint unsigned NOT NULL,
  os_type varchar(64) COLLATE utf8mb4_unicode_520_ci NOT NULL,
  os_version varchar(128) COLLATE utf8mb4_unicode_520_ci NOT NULL,
  agent_version varchar(23) COLLATE ascii_bin NOT NULL,
  version_key char(16) COLLATE ascii_bin NOT NULL,
  os_key varchar(8) COLLATE ascii_bin NOT NULL,
  machine_id varchar(128) COLLATE utf8mb4_bin NOT NULL,
  environment varchar(16) COLLATE ascii_bin NOT NULL,
  cpu_cores smallint unsigned NOT NULL,
  memory_bytes bigint unsigned NOT NULL,
  cache_disk_bytes bigint unsigned NOT NULL,
  proxy_used tinyint unsigned,
  proxy_address varchar(255) COLLATE utf8mb4_unicode_520_ci,
  proxy_port smallint unsigned,
  proxy_authenticated tinyint unsigned,
  passphrase_id char(36) COLLATE ascii_bin,
  registered_at datetime(3) NOT NULL,
  decommissioned_at datetime(3),
  decommissioned_by varchar(128) COLLATE utf8mb4_unicode_520_ci,
  decommission_reason varchar(500) COLLATE utf8mb4_unicode_520_ci,
  remove_by datetime(3),
  decommissioned_available_ms bigint,
  enrolment_id char(36) COLLATE ascii_bin,
  KEY ix_decommissioned_at (decommissioned_at, host_id),
  KEY ix_enrolment (enrolment_id, host_id),
  KEY ix_ip_address (ip_address, host_id),
  KEY ix_machine_id (machine_id, host_id),
  KEY ix_name_key (name_key, host_id),
  KEY ix_passphrase (passphrase_id, host_id),
  KEY ix_version_key (version_key, os_key, host_id),
  PRIMARY KEY (host_id)
);

CREATE TABLE process_server_health (
  host_id char(36) COLLATE ascii_bin NOT NULL,
  load_reported_at datetime(3),
  load_report_bucket int unsigned,
  load_severity tinyint unsigned NOT NULL,
  cpu_percent double,
  total_memory_bytes bigint unsigned,
  available_memory_bytes bigint unsigned,
  total_cache_bytes bigint unsigned,
  free_cache_bytes bigint unsigned,
  throughput_bytes_per_second bigint unsigned,
  pending_upload_bytes bigint unsigned,
  services json,
  services_down_at datetime(3),
  protected_machine_count int unsigned,
  replication_pair_count int unsigned,
  certificate_expires_at datetime(3),
  protected_machines_unknown tinyint unsigned NOT NULL,
  cpu_exceeded_at datetime(3),
  memory_exceeded_at datetime(3),
  cache_exceeded_at datetime(3),
  upload_exceeded_at datetime(3),
  services_reported_at datetime(3),
  certificate_reported_at datetime(3),
  certificate_known_at datetime(3),
  load_available_ms bigint,
  load_above tinyint unsigned NOT NULL,
  load_raised tinyint unsigned NOT NULL,
  cpu_warning_since_available_ms bigint,
  cpu_critical_since_available_ms bigint,
  memory_warning_since_available_ms bigint,
  memory_critical_since_available_ms bigint,
  cache_warning_since_available_ms bigint,
  cache_critical_since_available_ms bigint,
  upload_warning_since_available_ms bigint,
  upload_critical_since_available_ms bigint,
  services_available_ms bigint,
  services_since_available_ms bigint,
  services_down tinyint unsigned,
  services_raised tinyint unsigned NOT NULL,
  certificate_available_ms bigint,
  review_due tinyint unsigned,
  published_health tinyint unsigned,
  published_errors smallint unsigned,
  churn_bytes_per_day bigint unsigned,
  KEY ix_certificate_expiry (certificate_expires_at, host_id),
  KEY ix_load (load_severity, load_report_bucket, host_id),
  KEY ix_review_due (review_due, host_id),
  KEY ix_services_down (services_down_at, host_id),
  PRIMARY KEY (host_id),
  FOREIGN KEY (host_id) REFERENCES process_server (host_id)
);

CREATE TABLE process_server_lease (
  host_id char(36) COLLATE ascii_bin NOT NULL,
  generation int unsigned NOT NULL,
  credential_hash binary(32) NOT NULL,
  retired tinyint unsigned NOT NULL,
  revoked tinyint unsigned NOT NULL,
  report_fingerprint binary(16) NOT NULL,
  last_heartbeat_at datetime(3),
  last_seen_available_ms bigint NOT NULL,
  expires_available_ms bigint NOT NULL,
  assigned_interval_seconds int unsigned NOT NULL,
  instance_id varchar(64) COLLATE utf8mb4_bin,
  replaced_instance_ids varchar(1100) COLLATE utf8mb4_bin NOT NULL,
  source_address varchar(45) COLLATE ascii_bin NOT NULL,
  skew_ms bigint,
  ignored_fields varchar(3000) COLLATE utf8mb4_bin,
  event_bounds varchar(1000) COLLATE ascii_bin,
  never_connected tinyint unsigned NOT NULL,
  KEY ix_last_seen (last_seen_available_ms, host_id),
  KEY ix_lease_expiry (expires_available_ms, host_id),
  KEY ix_never_connected (never_connected, host_id),
  PRIMARY KEY (host_id),
  FOREIGN KEY (host_id) REFERENCES process_server (host_id)
);

CREATE TABLE process_server_name_history (
  host_id char(36) COLLATE ascii_bin NOT NULL,
  valid_from datetime(3) NOT NULL,
  valid_until datetime(3),
  name_key varchar(255) COLLATE utf8mb4_bin NOT NULL,
  KEY ix_name_history_name (name_key, host_id),
  KEY ix_name_history_until (valid_until),
  PRIMARY KEY (host_id, valid_from),
  FOREIGN KEY (host_id) REFERENCES process_server (host_id)
);

CREATE TABLE product_release (
  component varchar(32) COLLATE ascii_bin NOT NULL,
  os_type varchar(8) COLLATE ascii_bin NOT NULL,
  version_key char(16) COLLATE ascii_bin NOT NULL,
  version varchar(23) COLLATE ascii_bin NOT NULL,
  released_at datetime(3) NOT NULL,
  support_ends_at datetime(3) NOT NULL,
  flags varchar(64) COLLATE ascii_bin NOT NULL,
  size_bytes bigint unsigned NOT NULL,
  sha256 binary(32) NOT NULL,
  download_url varchar(2000) COLLATE utf8mb4_bin,
  package_file varchar(255) COLLATE ascii_bin,
  PRIMARY KEY (component, os_type, version_key)
);

CREATE TABLE purge_plan (
  id char(36) COLLATE ascii_bin NOT NULL,
  created_at datetime(3) NOT NULL,
  created_by varchar(128) COLLATE utf8mb4_unicode_520_ci NOT NULL,
  expires_at datetime(3) NOT NULL,
  filter json NOT NULL,
  candidates json NOT NULL,
  fleet_size int unsigned NOT NULL,
  purges int unsigned NOT NULL,
  result json,
  KEY ix_plan_expiry (expires_at),
  PRIMARY KEY (id)
);

CREATE TABLE release_catalogue (
  id tinyint unsigned NOT NULL,
  revision char(36) COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE shared_secret (
  name varchar(32) COLLATE ascii_bin NOT NULL,
  value varbinary(64) NOT NULL,
  created_at datetime(3) NOT NULL,
  PRIMARY KEY (name)
);

CREATE TABLE site (
  id tinyint unsigned NOT NULL,
  site_id char(36) COLLATE ascii_bin NOT NULL,
  epoch int unsigned NOT NULL,
  epoch_id char(36) COLLATE ascii_bin NOT NULL,
  generation_floor int unsigned NOT NULL,
  restored_at datetime(3),
  unfinished tinyint unsigned NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE tombstone (
  host_id char(36) COLLATE ascii_bin NOT NULL,
  generation int unsigned NOT NULL,
  friendly_name varchar(255) COLLATE utf8mb4_unicode_520_ci NOT NULL,
  ip_address varchar(45) COLLATE ascii_bin NOT NULL,
  removed_at datetime(3) NOT NULL,
  removed_by varchar(128) COLLATE utf8mb4_unicode_520_ci NOT NULL,
  reason varchar(500) COLLATE utf8mb4_unicode_520_ci,
  removal varchar(16) COLLATE ascii_bin NOT NULL,
  plan_id char(36) COLLATE ascii_bin,
  PRIMARY KEY (host_id)
);

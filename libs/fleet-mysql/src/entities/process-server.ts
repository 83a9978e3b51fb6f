import * as column from './columns.js';
import { FACT_COLUMNS } from './registered-facts.js';
import { Table } from './table.js';

export const PROCESS_SERVER = new Table('process_server', {
  host_id: column.uuid().primary(),
  generation: column.unsigned('int'),
  ...FACT_COLUMNS,
  name_key: column.exactText(255).default(''),
  version_key: column.asciiChar(16),
  proxy_used: column.flag().nullable(),
  proxy_address: column.text(255).nullable(),
  proxy_port: column.unsigned('smallint').nullable(),
  proxy_authenticated: column.flag().nullable(),
  passphrase_id: column.uuid(),
  registered_at: column.datetime(),
  decommissioned_at: column.datetime().nullable(),
  decommissioned_by: column.text(128).nullable(),
  decommission_reason: column.text(500).nullable(),
  remove_by: column.datetime().nullable(),
  decommissioned_available_ms: column.signed('bigint').nullable(),
}).indexed({
  ix_decommissioned_at: ['decommissioned_at', 'host_id'],
  ix_ip_address: ['ip_address', 'host_id'],
  ix_machine_id: ['machine_id', 'host_id'],
  ix_name_key: ['name_key', 'host_id'],
  ix_passphrase: ['passphrase_id', 'host_id'],
  ix_version_key: ['version_key', 'host_id'],
});

export const LEASE = new Table('process_server_lease', {
  host_id: column.processServerId('fk_lease_process_server'),
  generation: column.unsigned('int'),
  credential_hash: column.binary(32),
  retired: column.flag(),
  revoked: column.flag(),
  report_fingerprint: column.binary(16),
  last_heartbeat_at: column.datetime().nullable(),
  last_seen_available_ms: column.signed('bigint'),
  expires_available_ms: column.signed('bigint'),
  assigned_interval_seconds: column.unsigned('int'),
  instance_id: column.exactText(64).nullable(),
  replaced_instance_ids: column.exactText(1100).default('[]'),
  source_address: column.ascii(45),
  skew_ms: column.signed('bigint').nullable(),
  ignored_fields: column.exactText(3000).nullable(),
  event_bounds: column.ascii(1000).nullable(),
  never_connected: column.flag().default(0),
}).indexed({
  ix_last_seen: ['last_seen_available_ms', 'host_id'],
  ix_lease_expiry: ['expires_available_ms', 'host_id'],
  ix_never_connected: ['never_connected', 'host_id'],
});

export const HEALTH = new Table('process_server_health', {
  host_id: column.processServerId('fk_health_process_server'),
  load_reported_at: column.datetime().nullable(),
  load_report_bucket: column.unsigned('int').nullable(),
  load_severity: column.unsigned('tinyint'),
  cpu_percent: column.double().nullable(),
  total_memory_bytes: column.unsigned('bigint').nullable(),
  available_memory_bytes: column.unsigned('bigint').nullable(),
  total_cache_bytes: column.unsigned('bigint').nullable(),
  free_cache_bytes: column.unsigned('bigint').nullable(),
  throughput_bytes_per_second: column.unsigned('bigint').nullable(),
  pending_upload_bytes: column.unsigned('bigint').nullable(),
  services: column.json().nullable(),
  services_down_at: column.datetime().nullable(),
  protected_machine_count: column.unsigned('int').nullable(),
  replication_pair_count: column.unsigned('int').nullable(),
  certificate_expires_at: column.datetime().nullable(),
  protected_machines_unknown: column.flag().default(0),
  cpu_exceeded_at: column.datetime().nullable(),
  memory_exceeded_at: column.datetime().nullable(),
  cache_exceeded_at: column.datetime().nullable(),
  upload_exceeded_at: column.datetime().nullable(),
  services_reported_at: column.datetime().nullable(),
  certificate_reported_at: column.datetime().nullable(),
  certificate_known_at: column.datetime().nullable(),
}).indexed({
  ix_certificate_expiry: ['certificate_expires_at', 'host_id'],
  ix_load: ['load_severity', 'load_report_bucket', 'host_id'],
  ix_services_down: ['services_down_at', 'host_id'],
});

export const NAME_HISTORY = new Table('process_server_name_history', {
  host_id: column.processServerId('fk_name_history_process_server'),
  valid_from: column.datetime().primary(),
  valid_until: column.datetime().nullable(),
  name_key: column.exactText(255),
}).indexed({ ix_name_history_name: ['name_key', 'host_id'], ix_name_history_until: ['valid_until'] });

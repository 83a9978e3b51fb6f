import {
  STATUS_BY_RANK,
  type Decommission,
  type Environment,
  type FleetEvent,
  type EventKind,
  type Lease,
  type ListedServer,
  type Load,
  type ProcessServer,
  type ProcessServerFacts,
  type ProxyFacts,
  type ReportedHealth,
  type ServiceState,
  type Tombstone,
} from '@app/fleet';

/** A row of `ENTRY_COLUMNS`: an entry, its lease and its health. */
export interface EntryRow {
  host_id: string;
  generation: number;
  friendly_name: string;
  fqdn: string | null;
  ip_address: string;
  data_port: number;
  os_type: string;
  os_version: string;
  agent_version: string;
  machine_id: string;
  environment: Environment;
  cpu_cores: number;
  memory_bytes: number;
  cache_disk_bytes: number;
  proxy_used: number | null;
  proxy_address: string | null;
  proxy_port: number | null;
  proxy_authenticated: number | null;
  passphrase_id: string;
  registered_at: Date;
  decommissioned_at: Date | null;
  decommissioned_by: string | null;
  decommission_reason: string | null;
  remove_by: Date | null;
  credential_hash: Buffer;
  revoked: number;
  last_heartbeat_at: Date | null;
  last_seen_available_ms: number;
  expires_available_ms: number;
  assigned_interval_seconds: number;
  instance_id: string | null;
  replaced_instance_ids: string;
  source_address: string;
  skew_ms: number | null;
  ignored_fields: string | null;
  load_reported_at: Date | null;
  load_severity: number | null;
  cpu_exceeded_at: Date | null;
  memory_exceeded_at: Date | null;
  cache_exceeded_at: Date | null;
  upload_exceeded_at: Date | null;
  cpu_percent: number | null;
  total_memory_bytes: number | null;
  available_memory_bytes: number | null;
  total_cache_bytes: number | null;
  free_cache_bytes: number | null;
  throughput_bytes_per_second: number | null;
  pending_upload_bytes: number | null;
  services: unknown;
  services_reported_at: Date | null;
  services_down_at: Date | null;
  protected_machine_count: number | null;
  protected_machines_unknown: number;
  replication_pair_count: number | null;
  certificate_expires_at: Date | null;
  certificate_reported_at: Date | null;
  certificate_known_at: Date | null;
}

/** The columns of `EntryRow`, from `process_server AS p`, its lease `l` and its health `h`. */
export const ENTRY_COLUMNS = `
  p.host_id, p.generation, p.friendly_name, p.fqdn, p.ip_address, p.data_port, p.os_type, p.os_version, p.agent_version,
  p.machine_id, p.environment, p.cpu_cores, p.memory_bytes, p.cache_disk_bytes, p.proxy_used, p.proxy_address, p.proxy_port,
  p.proxy_authenticated, p.passphrase_id, p.registered_at, p.decommissioned_at, p.decommissioned_by, p.decommission_reason,
  p.remove_by, l.credential_hash, l.revoked, l.last_heartbeat_at, l.last_seen_available_ms, l.expires_available_ms,
  l.assigned_interval_seconds, l.instance_id, l.replaced_instance_ids, l.source_address, l.skew_ms, l.ignored_fields,
  h.load_reported_at, h.load_severity, h.cpu_exceeded_at, h.memory_exceeded_at, h.cache_exceeded_at, h.upload_exceeded_at,
  h.cpu_percent, h.total_memory_bytes, h.available_memory_bytes, h.total_cache_bytes, h.free_cache_bytes,
  h.throughput_bytes_per_second, h.pending_upload_bytes, h.services, h.services_reported_at, h.services_down_at,
  h.protected_machine_count, h.protected_machines_unknown, h.replication_pair_count, h.certificate_expires_at,
  h.certificate_reported_at, h.certificate_known_at`;

/** A row of `LISTED_COLUMNS`: an entry in a list. */
export type ListedRow = Pick<
  EntryRow,
  | 'host_id'
  | 'generation'
  | 'friendly_name'
  | 'ip_address'
  | 'agent_version'
  | 'decommissioned_at'
  | 'remove_by'
  | 'last_heartbeat_at'
  | 'last_seen_available_ms'
  | 'expires_available_ms'
  | 'load_reported_at'
  | 'load_severity'
  | 'services_reported_at'
  | 'services_down_at'
  | 'certificate_expires_at'
  | 'certificate_reported_at'
>;

/** The columns of `ListedRow`. For a page of a hundred entries, all columns would double the cost. */
export const LISTED_COLUMNS = `
  p.host_id, p.generation, p.friendly_name, p.ip_address, p.agent_version, p.decommissioned_at, p.remove_by, l.last_heartbeat_at,
  l.last_seen_available_ms, l.expires_available_ms, h.load_reported_at, h.load_severity, h.services_reported_at, h.services_down_at,
  h.certificate_expires_at, h.certificate_reported_at`;

/** MySQL returns JSON columns parsed, MariaDB returns text. */
export function parseJsonColumn<Value>(column: unknown): Value {
  return (typeof column === 'string' ? JSON.parse(column) : column) as Value;
}

function toProxyFacts(row: EntryRow): ProxyFacts | null {
  if (row.proxy_used === null) return null;
  return {
    used: row.proxy_used === 1,
    address: row.proxy_address,
    port: row.proxy_port,
    authenticated: row.proxy_authenticated === 1,
  };
}

function toFacts(row: EntryRow): ProcessServerFacts {
  return {
    friendlyName: row.friendly_name,
    fqdn: row.fqdn,
    ipAddress: row.ip_address,
    dataPort: row.data_port,
    osType: row.os_type,
    osVersion: row.os_version,
    agentVersion: row.agent_version,
    machineId: row.machine_id,
    environment: row.environment,
    cpuCores: row.cpu_cores,
    memoryBytes: row.memory_bytes,
    cacheDiskBytes: row.cache_disk_bytes,
    proxy: toProxyFacts(row),
  };
}

function toLease(row: EntryRow): Lease {
  return {
    credentialHash: row.credential_hash.toString('hex'),
    revoked: row.revoked === 1,
    lastHeartbeatAt: row.last_heartbeat_at,
    lastSeenAvailableMs: row.last_seen_available_ms,
    expiresAvailableMs: row.expires_available_ms,
    assignedIntervalSeconds: row.assigned_interval_seconds,
    instanceId: row.instance_id,
    replacedInstanceIds: JSON.parse(row.replaced_instance_ids) as string[],
    sourceAddress: row.source_address,
    skewMs: row.skew_ms,
    ignoredFields: row.ignored_fields === null ? [] : (JSON.parse(row.ignored_fields) as string[]),
  };
}

function toLoad(row: EntryRow): Load {
  return {
    cpuPercent: row.cpu_percent,
    totalMemoryBytes: row.total_memory_bytes,
    availableMemoryBytes: row.available_memory_bytes,
    totalCacheBytes: row.total_cache_bytes,
    freeCacheBytes: row.free_cache_bytes,
    throughputBytesPerSecond: row.throughput_bytes_per_second,
    pendingUploadBytes: row.pending_upload_bytes,
  };
}

/** The input of the health rules, the same for lists, counts and entries. */
function toHealthSummary(row: ListedRow): ListedServer['health'] {
  return {
    loadReportedAt: row.load_reported_at,
    loadStatus: STATUS_BY_RANK[row.load_severity ?? 0] ?? 'Unknown',
    servicesReportedAt: row.services_reported_at,
    servicesDownAt: row.services_down_at,
    certificateExpiresAt: row.certificate_expires_at,
    certificateReportedAt: row.certificate_reported_at,
  };
}

function toReportedHealth(row: EntryRow): ReportedHealth {
  return {
    ...toHealthSummary(row),
    load: row.load_reported_at && toLoad(row),
    loadExceededAt: {
      cpu: row.cpu_exceeded_at,
      memory: row.memory_exceeded_at,
      cache: row.cache_exceeded_at,
      upload: row.upload_exceeded_at,
    },
    services: row.services === null ? null : parseJsonColumn<ServiceState[]>(row.services),
    protectedMachineCount: row.protected_machine_count,
    protectedMachinesUnknown: row.protected_machines_unknown === 1,
    replicationPairCount: row.replication_pair_count,
    certificateKnownAt: row.certificate_known_at,
  };
}

function toDecommission(row: EntryRow): Decommission | null {
  if (!row.decommissioned_at) return null;
  return {
    at: row.decommissioned_at,
    by: row.decommissioned_by ?? '',
    reason: row.decommission_reason,
    removeBy: row.remove_by ?? row.decommissioned_at,
  };
}

export function toProcessServer(row: EntryRow): ProcessServer {
  return {
    hostId: row.host_id,
    generation: row.generation,
    facts: toFacts(row),
    registeredAt: row.registered_at,
    passphraseId: row.passphrase_id,
    decommission: toDecommission(row),
    lease: toLease(row),
    health: toReportedHealth(row),
  };
}

export function toListedServer(row: ListedRow): ListedServer {
  return {
    hostId: row.host_id,
    generation: row.generation,
    facts: { friendlyName: row.friendly_name, ipAddress: row.ip_address, agentVersion: row.agent_version },
    decommission: row.decommissioned_at && { removeBy: row.remove_by ?? row.decommissioned_at },
    lease: {
      lastHeartbeatAt: row.last_heartbeat_at,
      lastSeenAvailableMs: row.last_seen_available_ms,
      expiresAvailableMs: row.expires_available_ms,
    },
    health: toHealthSummary(row),
  };
}

export interface TombstoneRow {
  host_id: string;
  generation: number;
  friendly_name: string;
  ip_address: string;
  removed_at: Date;
  removed_by: string;
  reason: string | null;
  removal: 'purge' | 'clean_up';
  plan_id: string | null;
}

export function toTombstone(row: TombstoneRow): Tombstone {
  return {
    hostId: row.host_id,
    generation: row.generation,
    friendlyName: row.friendly_name,
    ipAddress: row.ip_address,
    removedAt: row.removed_at,
    removedBy: row.removed_by,
    reason: row.reason,
    removal: row.removal,
    planId: row.plan_id,
  };
}

export interface EventRow {
  id: string;
  at: Date;
  kind: EventKind;
  host_id: string | null;
  generation: number | null;
  actor: string;
  source_address: string | null;
  request_id: string | null;
  detail: unknown;
}

export function toEvent(row: EventRow): FleetEvent {
  return {
    id: row.id,
    at: row.at,
    kind: row.kind,
    hostId: row.host_id,
    generation: row.generation,
    actor: row.actor,
    sourceAddress: row.source_address,
    requestId: row.request_id,
    detail: parseJsonColumn<Record<string, unknown>>(row.detail),
  };
}

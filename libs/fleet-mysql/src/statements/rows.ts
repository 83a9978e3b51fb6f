import {
  criticalBit,
  LOAD_SIGNALS,
  signalStatuses,
  STATUS_BY_RANK,
  warningBit,
  type Decommission,
  type FleetEvent,
  type Lease,
  type ListedServer,
  type ProcessServer,
  type ProxyFacts,
  type ReportedHealth,
  type ServiceState,
} from '@app/fleet';
import type { EVENT } from '../entities/fleet-tables.js';
import { HEALTH, LEASE, PROCESS_SERVER } from '../entities/process-server.js';
import { FACT_NAMES } from '../entities/registered-facts.js';
import type { DomainNames, RowOf } from '../entities/table.js';

const ENTRY = PROCESS_SERVER.omit('name_key', 'version_key', 'os_key', 'decommissioned_available_ms');
const ENTRY_LEASE = LEASE.omit(
  'host_id',
  'generation',
  'retired',
  'report_fingerprint',
  'event_bounds',
  'never_connected',
);
const ENTRY_HEALTH = HEALTH.omit('host_id', 'load_report_bucket', 'review_due', 'published_health', 'published_errors');

/** A row of `ENTRY_COLUMNS`: an entry, its lease and its health. */
export type EntryRow = RowOf<typeof ENTRY> & RowOf<typeof ENTRY_LEASE> & RowOf<typeof ENTRY_HEALTH>;

/** The columns of `EntryRow`, from `process_server AS p`, its lease `l` and its health `h`. */
export const ENTRY_COLUMNS = [ENTRY.of('p'), ENTRY_LEASE.of('l'), ENTRY_HEALTH.of('h')].join(', ');

const LISTED = PROCESS_SERVER.pick(
  'host_id',
  'generation',
  'friendly_name',
  'ip_address',
  'agent_version',
  'os_type',
  'decommissioned_at',
  'remove_by',
);
const LISTED_LEASE = LEASE.pick('last_heartbeat_at', 'last_seen_available_ms', 'expires_available_ms');
const LISTED_HEALTH = HEALTH.pick(
  'load_available_ms',
  'load_severity',
  'services_available_ms',
  'services_raised',
  'certificate_expires_at',
  'certificate_available_ms',
);

/** A row of `LISTED_COLUMNS`: an entry in a list. */
export type ListedRow = RowOf<typeof LISTED> & RowOf<typeof LISTED_LEASE> & RowOf<typeof LISTED_HEALTH>;

/** The columns of `ListedRow`. For a page of a hundred entries, all columns would double the cost. */
export const LISTED_COLUMNS = [LISTED.of('p'), LISTED_LEASE.of('l'), LISTED_HEALTH.of('h')].join(', ');

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

export const FACTS = PROCESS_SERVER.pick(...FACT_NAMES);
/** The columns of a lease that have the values of the domain. */
export const PLAIN_LEASE = ENTRY_LEASE.omit('credential_hash', 'revoked', 'replaced_instance_ids', 'ignored_fields');

const toLease = (row: EntryRow): Lease =>
  PLAIN_LEASE.toDomain(row, {
    credentialHash: row.credential_hash.toString('hex'),
    revoked: row.revoked === 1,
    replacedInstanceIds: JSON.parse(row.replaced_instance_ids) as string[],
    ignoredFields: row.ignored_fields === null ? [] : (JSON.parse(row.ignored_fields) as string[]),
  });

const LOAD = HEALTH.pick(
  'cpu_percent',
  'total_memory_bytes',
  'available_memory_bytes',
  'total_cache_bytes',
  'free_cache_bytes',
  'throughput_bytes_per_second',
  'pending_upload_bytes',
);

/** The input of the health rules, the same for lists, counts and entries. */
function toHealthSummary(row: ListedRow): ListedServer['health'] {
  return {
    loadAvailableMs: row.load_available_ms,
    loadStatus: STATUS_BY_RANK[row.load_severity ?? 0] ?? 'Unknown',
    servicesAvailableMs: row.services_available_ms,
    servicesRaised: row.services_raised === 1,
    certificateExpiresAt: row.certificate_expires_at,
    certificateAvailableMs: row.certificate_available_ms,
  };
}

/** Both levels of a signal are known together. */
const knownSignals = (row: EntryRow): number =>
  LOAD_SIGNALS.reduce(
    (bits, signal) =>
      row[`${signal}_warning_since_available_ms`] === null ? bits : bits | warningBit(signal) | criticalBit(signal),
    0,
  );

function toReportedHealth(row: EntryRow): ReportedHealth {
  return Object.assign(toHealthSummary(row), {
    load: row.load_reported_at && LOAD.toDomain(row, {}),
    loadReportedAt: row.load_reported_at,
    loadStatuses: signalStatuses(knownSignals(row), row.load_raised),
    loadExceededAt: {
      cpu: row.cpu_exceeded_at,
      memory: row.memory_exceeded_at,
      cache: row.cache_exceeded_at,
      upload: row.upload_exceeded_at,
    },
    services: row.services === null ? null : parseJsonColumn<ServiceState[]>(row.services),
    servicesReportedAt: row.services_reported_at,
    servicesDownAt: row.services_down_at,
    protectedMachineCount: row.protected_machine_count,
    protectedMachinesUnknown: row.protected_machines_unknown === 1,
    replicationPairCount: row.replication_pair_count,
    churnBytesPerDay: row.churn_bytes_per_day,
    certificateReportedAt: row.certificate_reported_at,
    certificateKnownAt: row.certificate_known_at,
  });
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
    facts: FACTS.toDomain(row, { proxy: toProxyFacts(row) }),
    registeredAt: row.registered_at,
    passphraseId: row.passphrase_id,
    enrolmentId: row.enrolment_id,
    decommission: toDecommission(row),
    lease: toLease(row),
    health: toReportedHealth(row),
  };
}

export function toListedServer(row: ListedRow): ListedServer {
  return {
    hostId: row.host_id,
    generation: row.generation,
    facts: {
      friendlyName: row.friendly_name,
      ipAddress: row.ip_address,
      agentVersion: row.agent_version,
      osType: row.os_type,
    },
    decommission: row.decommissioned_at && { removeBy: row.remove_by ?? row.decommissioned_at },
    lease: {
      lastHeartbeatAt: row.last_heartbeat_at,
      lastSeenAvailableMs: row.last_seen_available_ms,
      expiresAvailableMs: row.expires_available_ms,
    },
    health: toHealthSummary(row),
  };
}

export const toEvent = (row: DomainNames<RowOf<typeof EVENT>>): FleetEvent =>
  Object.assign(row, { detail: parseJsonColumn<Record<string, unknown>>(row.detail) });

import {
  HEALTH_WINDOW_MS,
  nextInstances,
  isServiceRunning,
  loadStatuses,
  NO_EVENTS_YET,
  reportsAheadFrom,
  statusRank,
  worstLoadStatus,
  type ComponentStatus,
  type EventBounds,
  type ForgettableMember,
  type Heartbeat,
  type StoredLease,
  type Load,
  type LoadSignal,
  type ServiceState,
  type QueuedHeartbeat,
  type WithdrawableMember,
} from '@app/fleet';
import type { Statement } from '../database.js';
import { EXCEEDED_BITS, UPDATE_LOAD_REPORTS, UPDATE_STATUS_REPORTS } from './leases.js';

/** A heartbeat as a JSON array for the statements in `leases.ts`. Objects would repeat their member names in each row. */
export type HeartbeatRow = readonly (string | number | null)[];

const LOAD_REPORT_BUCKET_MS = 300_000;

/** The five-minute bucket of a timestamp, counted from 1970. Load reports are indexed by it. */
export const loadReportBucketOf = (at: Date): number => Math.floor(at.getTime() / LOAD_REPORT_BUCKET_MS);

/** For UPDATE_LOAD_REPORTS. */
export function loadRow(hostId: string, load: Load): HeartbeatRow {
  const signals = loadStatuses(load);
  return [
    hostId,
    statusRank(worstLoadStatus(signals)),
    exceededBits(signals),
    load.cpuPercent,
    load.totalMemoryBytes,
    load.availableMemoryBytes,
    load.totalCacheBytes,
    load.freeCacheBytes,
    load.throughputBytesPerSecond,
    load.pendingUploadBytes,
  ];
}

const SIGNALS = Object.entries(EXCEEDED_BITS) as [LoadSignal, number][];

const exceededBits = (signals: Readonly<Record<LoadSignal, ComponentStatus>>): number =>
  SIGNALS.reduce((bits, [signal, bit]) => (statusRank(signals[signal]) > statusRank('Healthy') ? bits | bit : bits), 0);

/** An unchanged report is rewritten after this long: often enough for the health window of 15 minutes. */
const REPORT_REWRITE_INTERVAL_MS = 60_000;

/** An unchanged report that was written in this range is not rewritten: within a minute, with tolerance for a clock that is ahead. */
const recentReportRange = (now: Date): readonly Date[] => [
  new Date(now.getTime() - REPORT_REWRITE_INTERVAL_MS + 1),
  new Date(now.getTime() + REPORT_REWRITE_INTERVAL_MS),
];
/** Reports that were written in this range are still valid. */
const validReportRange = (now: Date): readonly Date[] => [
  new Date(now.getTime() - HEALTH_WINDOW_MS + 1),
  new Date(reportsAheadFrom(now).getTime() - 1),
];

export function updateLoadReports(rows: readonly HeartbeatRow[], now: Date): Statement {
  const validRange = [...validReportRange(now), now];
  return {
    sql: UPDATE_LOAD_REPORTS,
    parameters: [
      JSON.stringify(rows),
      ...validRange,
      ...validRange,
      ...validRange,
      ...validRange,
      now,
      loadReportBucketOf(now),
      ...recentReportRange(now),
    ],
  };
}

/** A buffer is sent in hexadecimal, so its size is bounded. As a string, external text could be escaped character by character, twice. */
const toJsonBuffer = (rows: readonly HeartbeatRow[]): Buffer => Buffer.from(JSON.stringify(rows));

export function updateStatusReports(rows: readonly HeartbeatRow[], now: Date): Statement {
  const recent = [...recentReportRange(now), now];
  return {
    sql: UPDATE_STATUS_REPORTS,
    parameters: [toJsonBuffer(rows), ...recent, ...validReportRange(now), now, ...recent, now, now],
  };
}

/** For UPDATE_STATUS_REPORTS; null when the heartbeat has no status report. */
export function reportRow({
  hostId,
  services,
  protectedMachineCount,
  replicationPairCount,
  churnBytesPerDay,
  certificateExpiresAt,
}: Heartbeat): HeartbeatRow | null {
  if (
    !services &&
    protectedMachineCount === null &&
    replicationPairCount === null &&
    churnBytesPerDay === null &&
    !certificateExpiresAt
  )
    return null;
  return [
    hostId,
    services && JSON.stringify(services),
    services && services.length > 0 ? hasStoppedService(services) : null,
    protectedMachineCount,
    replicationPairCount,
    certificateExpiresAt && certificateExpiresAt.toISOString().replace('T', ' ').replace('Z', ''),
    churnBytesPerDay,
  ];
}

const hasStoppedService = (services: readonly ServiceState[]): 0 | 1 => (services.every(isServiceRunning) ? 0 : 1);

/** For CLEAR_REPORTS; null when there is nothing to clear. */
export function clearedReportsRow({ hostId, ignored, withdrawn }: Heartbeat): HeartbeatRow | null {
  if (!ignored && !withdrawn) return null;
  const isUnusable = (member: ForgettableMember): boolean => ignored?.unusable.includes(member) ?? false;
  const isWithdrawn = (member: WithdrawableMember): boolean => withdrawn?.includes(member) ?? false;
  const flags = [
    isWithdrawn('services') ? 2 : Number(isUnusable('services')),
    Number(isUnusable('protectedMachineCount')),
    Number(isUnusable('replicationPairCount')),
    Number(isUnusable('certificateExpiresAt') || isWithdrawn('certificateExpiresAt')),
    Number(isWithdrawn('load')),
    Number(isUnusable('churnBytesPerDay')),
  ];
  return flags.some((flag) => flag > 0) ? [hostId, ...flags] : null;
}

/** Maximum number of ignored fields that are stored with a lease. The column has room for them at any length of their names. */
const MAX_STORED_FIELDS = 20;

/** For UPDATE_LOCKED_LEASES, which reads values by member name. */
export function lockedLeaseRow(
  { heartbeat, leaseSeconds, assignedIntervalSeconds }: QueuedHeartbeat,
  fingerprint: string,
  stored: StoredLease,
  bounds: EventBounds,
  availableMs: number,
): object {
  const { ignored } = heartbeat;
  const { instanceId, replacedInstanceIds } = nextInstances(heartbeat, stored);
  return {
    hostId: heartbeat.hostId,
    generation: heartbeat.generation,
    fingerprint,
    expiresAvailableMs: availableMs + leaseSeconds * 1000,
    assignedIntervalSeconds,
    skewMs: heartbeat.skewMs,
    skewUnknown: Number(ignored?.unusable.includes('skewMs') ?? false),
    instanceId,
    replacedInstanceIds: JSON.stringify(replacedInstanceIds),
    sourceAddress: heartbeat.sourceAddress,
    ignoredFields: ignored && JSON.stringify(ignored.fields.slice(0, MAX_STORED_FIELDS)),
    eventBounds: bounds === NO_EVENTS_YET ? null : JSON.stringify(bounds),
  };
}

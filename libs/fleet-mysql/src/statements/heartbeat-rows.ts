import {
  clearAfterMs,
  isServiceRunning,
  loadSides,
  nextInstances,
  NO_EVENTS_YET,
  rewriteAfterMs,
  type EventBounds,
  type ForgettableMember,
  type Heartbeat,
  type Load,
  type Moment,
  type QueuedHeartbeat,
  type ServiceState,
  type StoredLease,
  type WithdrawableMember,
} from '@app/fleet';
import type { Statement } from '../database.js';
import { UPDATE_LOAD_REPORTS, UPDATE_STATUS_REPORTS } from './health-reports.js';

/** A heartbeat as a JSON array for the statements in `leases.ts`. Objects would repeat their member names in each row. */
export type HeartbeatRow = readonly (string | number | null)[];

const LOAD_REPORT_BUCKET_MS = 300_000;

/** The five-minute bucket of a time on the availability clock. Load reports are indexed by it. */
export const loadReportBucketOf = (availableMs: number): number =>
  Math.max(0, Math.floor(availableMs / LOAD_REPORT_BUCKET_MS));

/** For UPDATE_LOAD_REPORTS. */
export function loadRow({ heartbeat: { hostId }, leaseSeconds }: QueuedHeartbeat, load: Load): HeartbeatRow {
  const { known, above } = loadSides(load);
  return [
    hostId,
    known,
    above,
    leaseSeconds * 1000,
    load.cpuPercent,
    load.totalMemoryBytes,
    load.availableMemoryBytes,
    load.totalCacheBytes,
    load.freeCacheBytes,
    load.throughputBytesPerSecond,
    load.pendingUploadBytes,
  ];
}

/** Parameters of REPORT_TIME. */
const reportTime = ({ at, availableMs }: Moment, windowMs: number): readonly (number | Date)[] => [
  availableMs,
  at,
  loadReportBucketOf(availableMs),
  availableMs - windowMs,
  availableMs - clearAfterMs(windowMs),
  availableMs - rewriteAfterMs(windowMs),
];

export const updateLoadReports = (rows: readonly HeartbeatRow[], moment: Moment, windowMs: number): Statement => ({
  sql: UPDATE_LOAD_REPORTS,
  parameters: [JSON.stringify(rows), ...reportTime(moment, windowMs)],
});

/** A buffer is sent in hexadecimal, so its size is bounded. As a string, external text could be escaped character by character, twice. */
const toJsonBuffer = (rows: readonly HeartbeatRow[]): Buffer => Buffer.from(JSON.stringify(rows));

export function updateStatusReports(rows: readonly HeartbeatRow[], moment: Moment, windowMs: number): Statement {
  const now = moment.at.getTime();
  const rewriteMs = rewriteAfterMs(windowMs);
  return {
    sql: UPDATE_STATUS_REPORTS,
    parameters: [
      toJsonBuffer(rows),
      ...reportTime(moment, windowMs),
      new Date(now - rewriteMs + 1),
      new Date(now + rewriteMs), // tolerates a clock that is ahead
    ],
  };
}

/** For UPDATE_STATUS_REPORTS; null when the heartbeat has no status report. */
export function reportRow({ heartbeat, leaseSeconds }: QueuedHeartbeat): HeartbeatRow | null {
  const { hostId, services, protectedMachineCount, replicationPairCount, certificateExpiresAt, churnBytesPerDay } =
    heartbeat;
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
    leaseSeconds * 1000,
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

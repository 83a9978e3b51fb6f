import {
  HEALTH_WINDOW_MS,
  instancesAfter,
  isRunning,
  loadStatuses,
  NO_EVENTS_YET,
  reportsAheadFrom,
  statusRank,
  worstLoadStatus,
  type ComponentStatus,
  type EventBounds,
  type ForgettableMember,
  type Heartbeat,
  type LeaseOnRecord,
  type Load,
  type LoadSignal,
  type ServiceState,
  type WaitingHeartbeat,
  type WithdrawableMember,
} from '@app/fleet';
import type { Statement } from '../database.js';
import { EXCEEDED_BITS, WRITE_LOADS, WRITE_REPORTS } from './leases.js';

/** One of the statements in `leases.ts` takes an array for each heartbeat: names would be read as often as values. */
export type HeartbeatRow = readonly (string | number | null)[];

const LOAD_SLOT_MS = 300_000;

/** The five minutes that an instant is in, counted from 1970: what loads are found by. */
export const loadSlotOf = (at: Date): number => Math.floor(at.getTime() / LOAD_SLOT_MS);

/** For WRITE_LOADS. */
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

/** The same report again is written so long after it was written last: often enough for a window of a quarter of an hour. */
const SAME_REPORT_AGAIN_MS = 60_000;

/** When the same report was written if it is not to be written again: since a minute before, and not after now by more than clocks differ. */
const sameReportFrom = (now: Date): readonly Date[] => [
  new Date(now.getTime() - SAME_REPORT_AGAIN_MS + 1),
  new Date(now.getTime() + SAME_REPORT_AGAIN_MS),
];
/** When a report was written that still counts now. */
const countingFrom = (now: Date): readonly Date[] => [
  new Date(now.getTime() - HEALTH_WINDOW_MS + 1),
  new Date(reportsAheadFrom(now).getTime() - 1),
];

export function writeLoads(rows: readonly HeartbeatRow[], now: Date): Statement {
  const lasting = [...countingFrom(now), now];
  return {
    sql: WRITE_LOADS,
    parameters: [
      JSON.stringify(rows),
      ...lasting,
      ...lasting,
      ...lasting,
      ...lasting,
      now,
      loadSlotOf(now),
      ...sameReportFrom(now),
    ],
  };
}

/** Text that comes from outside may be nothing but signs to escape, one by one, twice; bytes are written in hexadecimal, whatever they are. */
const bytesOf = (rows: readonly HeartbeatRow[]): Buffer => Buffer.from(JSON.stringify(rows));

export function writeReports(rows: readonly HeartbeatRow[], now: Date): Statement {
  const again = [...sameReportFrom(now), now];
  return { sql: WRITE_REPORTS, parameters: [bytesOf(rows), ...again, ...countingFrom(now), now, ...again, now, now] };
}

/** For WRITE_REPORTS; null when there is nothing to report. */
export function reportRow({
  hostId,
  services,
  protectedMachineCount,
  replicationPairCount,
  certificateExpiresAt,
}: Heartbeat): HeartbeatRow | null {
  if (!services && protectedMachineCount === null && replicationPairCount === null && !certificateExpiresAt)
    return null;
  return [
    hostId,
    services && JSON.stringify(services),
    services && services.length > 0 ? someAreDown(services) : null,
    protectedMachineCount,
    replicationPairCount,
    certificateExpiresAt && certificateExpiresAt.toISOString().replace('T', ' ').replace('Z', ''),
  ];
}

const someAreDown = (services: readonly ServiceState[]): 0 | 1 => (services.every(isRunning) ? 0 : 1);

/** For FORGET_REPORTS; null when there is nothing to forget. */
export function forgetRow({ hostId, ignored, withdrawn }: Heartbeat): HeartbeatRow | null {
  if (!ignored && !withdrawn) return null;
  const isUnusable = (member: ForgettableMember): boolean => ignored?.unusable.includes(member) ?? false;
  const isWithdrawn = (member: WithdrawableMember): boolean => withdrawn?.includes(member) ?? false;
  const flags = [
    isWithdrawn('services') ? 2 : Number(isUnusable('services')),
    Number(isUnusable('protectedMachineCount')),
    Number(isUnusable('replicationPairCount')),
    Number(isUnusable('certificateExpiresAt') || isWithdrawn('certificateExpiresAt')),
    Number(isWithdrawn('load')),
  ];
  return flags.some((flag) => flag > 0) ? [hostId, ...flags] : null;
}

/** Fields that are kept with a lease: as many as its column holds, whatever their names are. */
const MOST_FIELDS_KEPT = 20;

/** For RENEW_HELD_LEASES, which reads values by their names. */
export function heldLeaseRow(
  { beat, leaseSeconds, toldIntervalSeconds }: WaitingHeartbeat,
  said: string,
  onRecord: LeaseOnRecord,
  bounds: EventBounds,
  listenedMs: number,
): object {
  const { ignored } = beat;
  const { instanceId, replacedInstanceIds } = instancesAfter(beat, onRecord);
  return {
    hostId: beat.hostId,
    generation: beat.generation,
    said,
    endsListenedMs: listenedMs + leaseSeconds * 1000,
    toldIntervalSeconds,
    skewMs: beat.skewMs,
    skewUnknown: Number(ignored?.unusable.includes('skewMs') ?? false),
    instanceId,
    replacedInstanceIds: JSON.stringify(replacedInstanceIds),
    sourceAddress: beat.sourceAddress,
    ignoredFields: ignored && JSON.stringify(ignored.fields.slice(0, MOST_FIELDS_KEPT)),
    eventBounds: bounds === NO_EVENTS_YET ? null : JSON.stringify(bounds),
  };
}

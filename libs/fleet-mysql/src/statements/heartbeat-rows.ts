import {
  instancesAfter,
  isRunning,
  loadStatus,
  NO_EVENTS_YET,
  statusRank,
  type EventBounds,
  type Heartbeat,
  type LeaseOnRecord,
  type Load,
  type ServiceState,
  type WaitingHeartbeat,
} from '@app/fleet';

/** One of the statements in `leases.ts` takes an array for each heartbeat: names would be read as often as values. */
export type HeartbeatRow = readonly (string | number | null)[];

const LOAD_SLOT_MS = 300_000;

/** The five minutes that an instant is in, counted from 1970: what loads are found by. */
export const loadSlotOf = (at: Date): number => Math.floor(at.getTime() / LOAD_SLOT_MS);

/** For WRITE_LOADS. */
export const loadRow = (hostId: string, load: Load): HeartbeatRow => [
  hostId,
  statusRank(loadStatus(load)),
  load.cpuPercent,
  load.totalMemoryBytes,
  load.availableMemoryBytes,
  load.totalCacheBytes,
  load.freeCacheBytes,
  load.throughputBytesPerSecond,
  load.pendingUploadBytes,
];

/** For WRITE_REPORTS; null when there is nothing to report. */
export function reportRow({ hostId, services, protectedMachineCount, replicationPairCount, certificateExpiresAt }: Heartbeat): HeartbeatRow | null {
  if (!services && protectedMachineCount === null && replicationPairCount === null && !certificateExpiresAt) return null;
  return [
    hostId,
    services && JSON.stringify(services),
    services && someAreDown(services),
    protectedMachineCount,
    replicationPairCount,
    certificateExpiresAt && certificateExpiresAt.toISOString().replace('T', ' ').replace('Z', ''),
  ];
}

const someAreDown = (services: readonly ServiceState[]): 0 | 1 => (services.every(isRunning) ? 0 : 1);

const FORGETTABLE = ['services', 'protectedMachineCount', 'replicationPairCount', 'certificateExpiresAt'] as const;

/** For FORGET_REPORTS; null when there is nothing to forget. */
export function forgetRow({ hostId, ignored }: Heartbeat): HeartbeatRow | null {
  const flags = FORGETTABLE.map((member) => Number(ignored?.unusable.includes(member) ?? false));
  return flags.includes(1) ? [hostId, ...flags] : null;
}

/** Fields that are kept with a lease: as many as its column holds, whatever their names are. */
const MOST_FIELDS_KEPT = 20;

/** For RENEW_HELD_LEASES, which reads values by their names. */
export function heldLeaseRow({ beat, leaseSeconds, toldIntervalSeconds }: WaitingHeartbeat, said: string, onRecord: LeaseOnRecord, bounds: EventBounds, listenedMs: number): object {
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

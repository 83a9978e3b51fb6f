import { isRunning, loadStatus, statusRank, type Heartbeat, type Load, type ServiceState } from '@app/fleet';

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

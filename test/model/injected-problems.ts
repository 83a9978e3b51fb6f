import type { Heartbeat, Load } from '@app/fleet';

export const GB = 1_000_000_000;
/** Minutes after the start of the day. */
export const hours = (count: number, minutes = 0): number => count * 60 + minutes;
export const DAY = hours(24);

/** The load of a healthy process server. */
export const HEALTHY: Load = {
  cpuPercent: 40,
  totalMemoryBytes: 16 * GB,
  availableMemoryBytes: 8 * GB,
  totalCacheBytes: 600 * GB,
  freeCacheBytes: 400 * GB,
  throughputBytesPerSecond: 10_000_000,
  pendingUploadBytes: 0,
};

/** A process server of the day; times are in minutes after its start. */
export interface DayServer {
  readonly name: string;
  readonly registration?: Record<string, unknown>;
  /** The members of the heartbeat of a round in addition to those of a steady one; null sends none. */
  readonly heartbeat?: (minute: number, timeAt: (minute: number) => Date) => Partial<Heartbeat> | null;
}

/** A load from one time up to another; healthy otherwise. */
const load =
  (over: Partial<Load>, from: number, until = Infinity) =>
  (minute: number): Partial<Heartbeat> => ({
    load: minute >= from && minute < until ? { ...HEALTHY, ...over } : HEALTHY,
  });
/** A certificate that expires at this minute of the day. */
const certificate: (expiry: number) => NonNullable<DayServer['heartbeat']> = (expiry) => (_minute, timeAt) => ({
  certificateExpiresAt: timeAt(expiry),
});
const silentBetween =
  (last: number, back: number, over: Partial<Heartbeat> = {}) =>
  (minute: number): Partial<Heartbeat> | null =>
    minute > last && minute < back ? null : over;

/** Each has one problem. The first host id has most room. */
export const INJECTED: readonly DayServer[] = [
  { name: 'nearly-empty', heartbeat: () => ({ protectedMachineCount: 10, churnBytesPerDay: 50 * GB }) },
  { name: 'cpu-warning', heartbeat: load({ cpuPercent: 90 }, hours(2), hours(10)) },
  { name: 'cpu-critical', heartbeat: load({ cpuPercent: 98 }, hours(2), hours(10)) },
  { name: 'cpu-before-outage', heartbeat: load({ cpuPercent: 90 }, hours(11, 30), hours(20)) },
  { name: 'cpu-ends-before-outage', heartbeat: load({ cpuPercent: 90 }, hours(8), hours(11, 40)) },
  { name: 'cpu-spike', heartbeat: load({ cpuPercent: 99 }, hours(14), hours(15, 30)) },
  { name: 'cpu-at-threshold', heartbeat: load({ cpuPercent: 80 }, 0) },
  {
    name: 'cpu-around-threshold',
    heartbeat: (minute) => ({ load: { ...HEALTHY, cpuPercent: minute % 20 === 0 ? 85 : 75 } }),
  },
  { name: 'memory', heartbeat: load({ availableMemoryBytes: 1.6 * GB }, hours(4), hours(8)) },
  { name: 'cache', heartbeat: load({ freeCacheBytes: 120 * GB }, hours(5)) },
  { name: 'upload', heartbeat: load({ pendingUploadBytes: 35 * 60 * 10_000_000 }, hours(18)) },
  {
    name: 'service',
    heartbeat: (minute) => ({
      services: [{ name: 'tmansvc', state: minute >= hours(7) && minute < hours(9) ? 'stopped' : 'running' }],
    }),
  },
  {
    name: 'load-withheld',
    heartbeat: (minute) => ({
      load: minute > hours(8) && minute < hours(11) ? null : { ...HEALTHY, cpuPercent: 40 + (minute % 20) },
    }),
  },
  { name: 'certificate-45', heartbeat: certificate(45 * DAY) },
  { name: 'certificate-5', heartbeat: certificate(5 * DAY) },
  { name: 'certificate-today', heartbeat: certificate(hours(15, 30)) },
  { name: 'certificate-60', heartbeat: certificate(60 * DAY + hours(6, 1)) },
  { name: 'silent-and-back', heartbeat: silentBetween(hours(3), hours(6)) },
  { name: 'silent-over-outage', heartbeat: silentBetween(hours(11, 50), hours(13, 10)) },
  { name: 'silent-for-good', heartbeat: silentBetween(hours(16), Infinity) },
  { name: 'decommissioned', heartbeat: silentBetween(hours(8, 50), Infinity, { protectedMachineCount: 0 }) },
  { name: 'purged', heartbeat: silentBetween(hours(1), Infinity, { protectedMachineCount: 0 }) },
  {
    name: 'version-too-old',
    registration: { agentVersion: '9.58.0.1' },
    heartbeat: () => ({ agentVersion: '9.58.0.1' }),
  },
  {
    name: 'version-flagged',
    registration: { agentVersion: '9.61.0.1' },
    heartbeat: () => ({ agentVersion: '9.61.0.1' }),
  },
  {
    name: 'version-raised',
    registration: { agentVersion: '9.62.0.1' },
    heartbeat: (minute) => ({ agentVersion: minute < hours(14) ? '9.62.0.1' : '9.63.7187.1' }),
  },
  {
    name: 'beyond-class',
    registration: { cpuCores: 4, memoryBytes: 8 * GB, cacheDiskBytes: 300 * GB },
    heartbeat: () => ({ protectedMachineCount: 90, churnBytesPerDay: 300 * GB }),
  },
  { name: 'duplicate-address-1', registration: { ipAddress: '192.0.2.77' } },
  { name: 'duplicate-address-2', registration: { ipAddress: '192.0.2.77' } },
];

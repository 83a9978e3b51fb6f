import type { ComponentStatus } from './component-status.js';

/** A load report in bytes, bytes per second and percent. Each value may be missing; its status is then Unknown. */
export interface Load {
  readonly cpuPercent: number | null;
  readonly totalMemoryBytes: number | null;
  readonly availableMemoryBytes: number | null;
  readonly totalCacheBytes: number | null;
  readonly freeCacheBytes: number | null;
  readonly throughputBytesPerSecond: number | null;
  readonly pendingUploadBytes: number | null;
}

/** In the order of their bits. */
export const LOAD_SIGNALS = ['cpu', 'memory', 'cache', 'upload'] as const;
export type LoadSignal = (typeof LOAD_SIGNALS)[number];

/** Rounds to two decimals before evaluating and storing: a value with more digits may be read back as another one. */
export const roundedPercent = (percent: number): number => Math.round(percent * 100) / 100;

/** A part larger than the whole makes the percentage unknown. */
const percentOf = (part: number | null, whole: number | null): number | null =>
  part === null || !whole || part > whole ? null : (100 * part) / whole;

/** The time that the pending upload takes, in minutes; 0 when nothing is pending, whatever the throughput. */
function uploadMinutes({ pendingUploadBytes, throughputBytesPerSecond }: Load): number | null {
  if (pendingUploadBytes === 0) return 0;
  if (pendingUploadBytes === null || throughputBytesPerSecond === null) return null;
  return pendingUploadBytes / throughputBytesPerSecond / 60;
}

/** The product's thresholds: CPU and memory in use in percent, cache in use in percent, upload in minutes. */
export const LOAD_THRESHOLDS: Readonly<Record<LoadSignal, readonly [warning: number, critical: number]>> = {
  cpu: [80, 95],
  memory: [80, 95],
  cache: [70, 75],
  upload: [30, 45],
};

const inUse = (free: number | null): number | null => (free === null ? null : 100 - free);

/** Each signal in the unit of its thresholds; null when unknown. */
function loadValues(load: Load): Record<LoadSignal, number | null> {
  return {
    cpu: load.cpuPercent,
    memory: inUse(percentOf(load.availableMemoryBytes, load.totalMemoryBytes)),
    cache: inUse(percentOf(load.freeCacheBytes, load.totalCacheBytes)),
    upload: uploadMinutes(load),
  };
}

/** Bits of machines: the Warning levels of the signals in bits 0 to 3, their Critical levels in bits 4 to 7. */
export const WARNING_BITS = 0x0f;
export const CRITICAL_BITS = 0xf0;
export const LOAD_BITS = WARNING_BITS | CRITICAL_BITS;
export const warningBit = (signal: LoadSignal): number => 1 << LOAD_SIGNALS.indexOf(signal);
export const criticalBit = (signal: LoadSignal): number => warningBit(signal) << LOAD_SIGNALS.length;

/** On which side of their thresholds the values of a report are. A value that equals a threshold is not above it. */
export interface Sides {
  /** Bits of the known values. */
  readonly known: number;
  /** Bits of the values above their thresholds. */
  readonly above: number;
}

export function loadSides(load: Load): Sides {
  const values = loadValues(load);
  let [known, above] = [0, 0];
  for (const signal of LOAD_SIGNALS) {
    const value = values[signal];
    if (value === null || Number.isNaN(value)) continue;
    const [warning, critical] = LOAD_THRESHOLDS[signal];
    known |= warningBit(signal) | criticalBit(signal);
    if (value > warning) above |= warningBit(signal);
    if (value > critical) above |= criticalBit(signal);
  }
  return { known, above };
}

/** The status of each signal from its raised levels. */
export function signalStatuses(known: number, raised: number): Record<LoadSignal, ComponentStatus> {
  const statusOf = (signal: LoadSignal): ComponentStatus => {
    if (!(known & warningBit(signal))) return 'Unknown';
    if (raised & criticalBit(signal)) return 'Critical';
    return raised & warningBit(signal) ? 'Warning' : 'Healthy';
  };
  return { cpu: statusOf('cpu'), memory: statusOf('memory'), cache: statusOf('cache'), upload: statusOf('upload') };
}

/** The worst known signal; when none is raised, one unknown signal makes the whole Unknown. */
export function loadStatus(known: number, raised: number): ComponentStatus {
  if (raised & known & CRITICAL_BITS) return 'Critical';
  if (raised & known & WARNING_BITS) return 'Warning';
  return known === LOAD_BITS ? 'Healthy' : 'Unknown';
}

/** The signal status of a load that nothing has reported. */
export const ALL_UNKNOWN = signalStatuses(0, 0);

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { statusRank, type ComponentStatus } from './component-status.js';
import { LOAD_BITS, loadSides, loadStatus, roundedPercent, signalStatuses, type Load } from './load.js';

const aLoad = (over: Partial<Load> = {}): Load => ({
  cpuPercent: 10,
  totalMemoryBytes: 1_000,
  availableMemoryBytes: 900,
  totalCacheBytes: 1_000,
  freeCacheBytes: 900,
  throughputBytesPerSecond: 100,
  pendingUploadBytes: 0,
  ...over,
});

const NO_LOAD: Load = {
  cpuPercent: null,
  totalMemoryBytes: null,
  availableMemoryBytes: null,
  totalCacheBytes: null,
  freeCacheBytes: null,
  throughputBytesPerSecond: null,
  pendingUploadBytes: null,
};

/** The statuses if every value above its threshold is raised. */
function statusesOf(load: Load): ReturnType<typeof signalStatuses> {
  const { known, above } = loadSides(load);
  return signalStatuses(known, above);
}

describe('a load signal that is raised while above its thresholds', () => {
  it.each([
    [0, 'Healthy'],
    [80, 'Healthy'],
    [80.01, 'Warning'],
    [95, 'Warning'],
    [95.01, 'Critical'],
    [100, 'Critical'],
    [Number.NaN, 'Unknown'],
    [null, 'Unknown'],
  ] as const)('at %d %% of the CPU is %s', (cpuPercent, status) => {
    expect(statusesOf(aLoad({ cpuPercent })).cpu).toBe(status);
  });

  it.each([
    [1_000, 1_000, 'Healthy'],
    [200, 1_000, 'Healthy'],
    [199, 1_000, 'Warning'],
    [50, 1_000, 'Warning'],
    [49, 1_000, 'Critical'],
    [0, 1_000, 'Critical'],
    [null, 1_000, 'Unknown'],
    [200, null, 'Unknown'],
    [0, 0, 'Unknown'],
    [1_001, 1_000, 'Unknown'],
    [Number.MAX_SAFE_INTEGER, 100, 'Unknown'],
  ] as const)('with %d of %d bytes of memory available is %s', (availableMemoryBytes, totalMemoryBytes, status) => {
    expect(statusesOf(aLoad({ availableMemoryBytes, totalMemoryBytes })).memory).toBe(status);
  });

  it.each([
    [1_000, 1_000, 'Healthy'],
    [300, 1_000, 'Healthy'],
    [299, 1_000, 'Warning'],
    [250, 1_000, 'Warning'],
    [249, 1_000, 'Critical'],
    [0, 1_000, 'Critical'],
    [null, 1_000, 'Unknown'],
    [300, null, 'Unknown'],
    [0, 0, 'Unknown'],
    [1_001, 1_000, 'Unknown'],
    [30_000_000_000, 600_000_000, 'Unknown'],
  ] as const)('with %d of %d bytes of cache free is %s', (freeCacheBytes, totalCacheBytes, status) => {
    expect(statusesOf(aLoad({ freeCacheBytes, totalCacheBytes })).cache).toBe(status);
  });

  it.each([
    [0, 100, 'Healthy'],
    [0, 0, 'Healthy'],
    [0, null, 'Healthy'],
    [30 * 60 * 100, 100, 'Healthy'],
    [30 * 60 * 100 + 1, 100, 'Warning'],
    [45 * 60 * 100, 100, 'Warning'],
    [45 * 60 * 100 + 1, 100, 'Critical'],
    [1, 0, 'Critical'],
    [null, 100, 'Unknown'],
    [1, null, 'Unknown'],
  ] as const)(
    'with %d bytes pending at %d bytes a second is %s',
    (pendingUploadBytes, throughputBytesPerSecond, status) => {
      expect(statusesOf(aLoad({ pendingUploadBytes, throughputBytesPerSecond })).upload).toBe(status);
    },
  );
});

it.each([
  [95.00000000000001, 95, 'Warning'],
  [95.004, 95, 'Warning'],
  [95.005, 95.01, 'Critical'],
  [80.00000000000001, 80, 'Healthy'],
  [0.1 + 0.2, 0.3, 'Healthy'],
  [100, 100, 'Critical'],
])('a CPU usage of %d %% is rounded to %d with the status %s', (reported, rounded, status) => {
  expect(roundedPercent(reported)).toBe(rounded);
  expect(statusesOf(aLoad({ cpuPercent: roundedPercent(reported) })).cpu).toBe(status);
});

describe('the load as a whole', () => {
  function statusOf(load: Load | null): ComponentStatus {
    const { known, above } = load ? loadSides(load) : { known: 0, above: 0 };
    return loadStatus(known, above);
  }

  it.each([
    ['nothing at all', null, 'Unknown'],
    ['a report without a value', NO_LOAD, 'Unknown'],
    ['four healthy signals', aLoad(), 'Healthy'],
    ['three healthy signals and an unknown one', aLoad({ cpuPercent: null }), 'Unknown'],
    ['a warning', aLoad({ cpuPercent: 81 }), 'Warning'],
    ['a warning and an unknown signal', aLoad({ cpuPercent: 81, freeCacheBytes: null }), 'Warning'],
    ['a critical signal and a warning', aLoad({ cpuPercent: 81, freeCacheBytes: 100 }), 'Critical'],
    ['one critical signal and three unknown ones', { ...NO_LOAD, cpuPercent: 99 }, 'Critical'],
    ['one healthy signal and three unknown ones', { ...NO_LOAD, cpuPercent: 1 }, 'Unknown'],
  ] as const)('from %s is %s', (_case, load, status) => {
    expect(statusOf(load)).toBe(status);
  });

  it('is never healthy while a signal is unknown', () => {
    const value = fc.option(fc.nat(2_000), { nil: null });
    const load = fc.record({
      cpuPercent: fc.option(fc.nat(100), { nil: null }),
      totalMemoryBytes: value,
      availableMemoryBytes: value,
      totalCacheBytes: value,
      freeCacheBytes: value,
      throughputBytesPerSecond: value,
      pendingUploadBytes: value,
    });
    fc.assert(
      fc.property(load, (one) => {
        const statuses: ComponentStatus[] = Object.values(statusesOf(one));
        const isHealthy = statuses.every((status) => status === 'Healthy');
        expect(statusOf(one) === 'Healthy').toBe(isHealthy);
        const bad = statuses.filter((status) => status === 'Warning' || status === 'Critical');
        if (bad.length > 0) expect(statusRank(statusOf(one))).toBe(Math.max(...bad.map(statusRank)));
      }),
    );
  });
});

it('is not above a threshold that it equals, at any size', () => {
  for (const total of [5, 1e3, 5e9, 2 ** 40, 9e15 - 5]) {
    const free = total / 5;
    if (!Number.isInteger(free)) continue;
    const at = aLoad({ totalMemoryBytes: total, availableMemoryBytes: free });
    expect(loadSides(at)).toEqual({ known: LOAD_BITS, above: 0 });
    expect(loadSides({ ...at, cpuPercent: 80 })).toEqual({ known: LOAD_BITS, above: 0 });
  }
});

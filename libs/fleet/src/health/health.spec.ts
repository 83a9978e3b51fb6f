import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  healthAt,
  isServiceRunning,
  loadStatus,
  loadStatuses,
  loadStatusesAt,
  NO_REPORT,
  roundedPercent,
  servicesStatusAt,
  certificateStatusAt,
  afterRegistration,
  statusRank,
  type ComponentStatus,
  type HealthInputs,
  type Load,
} from './health.js';
import { msAfter, NOON } from '../testing/examples.js';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

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

describe('a load signal', () => {
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
    expect(loadStatuses(aLoad({ cpuPercent })).cpu).toBe(status);
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
    expect(loadStatuses(aLoad({ availableMemoryBytes, totalMemoryBytes })).memory).toBe(status);
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
    expect(loadStatuses(aLoad({ freeCacheBytes, totalCacheBytes })).cache).toBe(status);
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
      expect(loadStatuses(aLoad({ pendingUploadBytes, throughputBytesPerSecond })).upload).toBe(status);
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
  expect(loadStatuses(aLoad({ cpuPercent: roundedPercent(reported) })).cpu).toBe(status);
});

describe('the load as a whole', () => {
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
    expect(loadStatus(load)).toBe(status);
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
        const statuses: ComponentStatus[] = Object.values(loadStatuses(one));
        const isHealthy = statuses.every((status) => status === 'Healthy');
        expect(loadStatus(one) === 'Healthy').toBe(isHealthy);
        const bad = statuses.filter((status) => status === 'Warning' || status === 'Critical');
        if (bad.length > 0) expect(statusRank(loadStatus(one))).toBe(Math.max(...bad.map(statusRank)));
      }),
    );
  });
});

describe('a service', () => {
  it.each([
    ['Running', true],
    ['running', true],
    ['Stopped', false],
    ['StartPending', false],
    ['not running', false],
    ['', false],
  ])('in the state %j is running: %s', (state, running) => {
    expect(isServiceRunning({ name: 'obengine', state })).toBe(running);
  });
});

describe('overall health', () => {
  const lastSeen = (over: Partial<HealthInputs> = {}): HealthInputs => ({
    decommissioned: false,
    connected: true,
    silentMs: 0,
    reported: NO_REPORT,
    ...over,
  });
  const reporting = (loadStatus: ComponentStatus, over: Partial<HealthInputs['reported']> = {}): HealthInputs =>
    lastSeen({
      reported: {
        ...NO_REPORT,
        loadReportedAt: NOON,
        servicesReportedAt: NOON,
        certificateReportedAt: NOON,
        loadStatus,
        ...over,
      },
    });

  it.each([
    ['Unknown', 'None'],
    ['Healthy', 'Normal'],
    ['Warning', 'Warning'],
    ['Critical', 'Critical'],
  ] as const)('with a load that is %s is %s', (status, health) => {
    expect(healthAt(NOON, reporting(status))).toBe(health);
  });

  it.each([
    [-DAY_MS, 'None'],
    [-10 * MINUTE_MS, 'None'],
    [1 - 10 * MINUTE_MS, 'Normal'],
    [0, 'Normal'],
    [15 * MINUTE_MS - 1, 'Normal'],
    [15 * MINUTE_MS, 'None'],
    [DAY_MS, 'None'],
  ])('%d ms after a healthy report is %s', (ageMs, health) => {
    expect(healthAt(NOON, reporting('Healthy', { loadReportedAt: msAfter(NOON, -ageMs) }))).toBe(health);
  });

  it.each([
    [15 * MINUTE_MS - 1, 'Critical'],
    [15 * MINUTE_MS, 'None'],
  ])('%d ms after a critical report is %s', (ageMs, health) => {
    expect(healthAt(NOON, reporting('Critical', { loadReportedAt: msAfter(NOON, -ageMs) }))).toBe(health);
  });

  it.each([
    [0, 'Normal'],
    [15 * MINUTE_MS - 1, 'Normal'],
    [15 * MINUTE_MS, 'Critical'],
  ])('after %d ms of silence is %s', (silentMs, health) => {
    expect(healthAt(NOON, { ...reporting('Healthy'), silentMs })).toBe(health);
  });

  it.each([
    [0, 'Normal'],
    [15 * MINUTE_MS - 1, 'Normal'],
    [15 * MINUTE_MS, 'Warning'],
  ])('with a service down for %d ms is %s', (downMs, health) => {
    expect(healthAt(NOON, reporting('Healthy', { servicesDownAt: msAfter(NOON, -downMs) }))).toBe(health);
  });

  it.each([
    [61 * DAY_MS, 'Normal'],
    [60 * DAY_MS, 'Normal'],
    [60 * DAY_MS - 1, 'Warning'],
    [1, 'Warning'],
    [0, 'Critical'],
    [-1, 'Critical'],
  ])('with %d ms left of the certificate is %s', (leftMs, health) => {
    expect(healthAt(NOON, reporting('Healthy', { certificateExpiresAt: msAfter(NOON, leftMs) }))).toBe(health);
  });

  it('is the worst single signal', () => {
    const expired = { certificateExpiresAt: NOON };
    const servicesDown = { servicesDownAt: msAfter(NOON, -15 * MINUTE_MS) };
    expect(healthAt(NOON, reporting('Warning', expired))).toBe('Critical');
    expect(healthAt(NOON, reporting('Critical', servicesDown))).toBe('Critical');
    expect(healthAt(NOON, reporting('Unknown', servicesDown))).toBe('Warning');
  });

  it('is never healthy when nothing was reported', () => {
    expect(healthAt(NOON, lastSeen())).toBe('None');
    expect(healthAt(NOON, lastSeen({ reported: { ...NO_REPORT, loadStatus: 'Healthy' } }))).toBe('None');
    expect(
      healthAt(
        NOON,
        lastSeen({
          reported: {
            ...NO_REPORT,
            certificateReportedAt: NOON,
            certificateExpiresAt: msAfter(NOON, 90 * DAY_MS),
          },
        }),
      ),
    ).toBe('None');
  });

  const SERVICES_DOWN = { servicesDownAt: msAfter(NOON, -DAY_MS) };
  it.each([
    [15 * MINUTE_MS - 1, 'Warning'],
    [15 * MINUTE_MS, 'Normal'],
    [-10 * MINUTE_MS, 'Normal'],
  ])('%d ms after services were reported down is %s', (ageMs, health) => {
    expect(healthAt(NOON, reporting('Healthy', { ...SERVICES_DOWN, servicesReportedAt: msAfter(NOON, -ageMs) }))).toBe(
      health,
    );
  });

  it.each([
    [15 * MINUTE_MS - 1, 'Critical'],
    [15 * MINUTE_MS, 'Normal'],
    [-10 * MINUTE_MS, 'Normal'],
  ])('%d ms after an expired certificate was reported is %s', (ageMs, health) => {
    expect(
      healthAt(
        NOON,
        reporting('Healthy', { certificateExpiresAt: NOON, certificateReportedAt: msAfter(NOON, -ageMs) }),
      ),
    ).toBe(health);
  });

  it.each([
    [15 * MINUTE_MS - 1, 'None'],
    [15 * MINUTE_MS, 'Critical'],
  ])('of a Disconnected process server after %d ms of silence is %s, whatever it reported', (silentMs, health) => {
    for (const load of ['Healthy', 'Warning', 'Critical'] as const) {
      expect(
        healthAt(NOON, {
          ...reporting(load, { ...SERVICES_DOWN, certificateExpiresAt: NOON }),
          connected: false,
          silentMs,
        }),
      ).toBe(health);
    }
  });

  it('is None for a decommissioned process server, whatever its signals', () => {
    expect(healthAt(NOON, { ...reporting('Critical'), silentMs: DAY_MS, decommissioned: true })).toBe('None');
  });
});

describe('the load signals of a report', () => {
  it.each([
    [-10 * MINUTE_MS, 'Unknown'],
    [1 - 10 * MINUTE_MS, 'Healthy'],
    [0, 'Healthy'],
    [15 * MINUTE_MS - 1, 'Healthy'],
    [15 * MINUTE_MS, 'Unknown'],
  ])('%d ms after the report are %s', (ageMs, status) => {
    const reported = { load: aLoad(), loadReportedAt: msAfter(NOON, -ageMs) };
    expect(new Set(Object.values(loadStatusesAt({ now: NOON, connected: true }, reported)))).toEqual(new Set([status]));
    expect(new Set(Object.values(loadStatusesAt({ now: NOON, connected: false }, reported)))).toEqual(
      new Set(['Unknown']),
    );
  });
});

describe('services', () => {
  const RUNNING = [{ name: 'svagents', state: 'running' }];
  const STOPPED = [{ name: 'svagents', state: 'stopped' }];

  it.each([
    [null, null, 'Unknown'],
    [[], null, 'Unknown'],
    [[], NOON, 'Unknown'],
    [RUNNING, null, 'Healthy'],
    [STOPPED, NOON, 'Warning'],
  ])('%j, down since %j, are %s', (services, servicesDownAt, status) => {
    expect(
      servicesStatusAt({ now: NOON, connected: true }, { services, servicesReportedAt: NOON, servicesDownAt }),
    ).toBe(status);
    expect(
      servicesStatusAt({ now: NOON, connected: false }, { services, servicesReportedAt: NOON, servicesDownAt }),
    ).toBe('Unknown');
  });

  it.each([
    [15 * MINUTE_MS - 1, 'Healthy'],
    [15 * MINUTE_MS, 'Unknown'],
    [-10 * MINUTE_MS, 'Unknown'],
  ])('reported %d ms ago are %s', (ageMs, status) => {
    expect(
      servicesStatusAt(
        { now: NOON, connected: true },
        { services: RUNNING, servicesReportedAt: msAfter(NOON, -ageMs), servicesDownAt: null },
      ),
    ).toBe(status);
  });

  it('and the certificate are cleared by a registration; load and counts are kept', () => {
    const counts = { load: aLoad(), loadReportedAt: NOON, protectedMachineCount: 3, replicationPairCount: 4 };
    const condition = {
      services: STOPPED,
      servicesReportedAt: NOON,
      servicesDownAt: NOON,
      certificateExpiresAt: NOON,
      certificateReportedAt: NOON,
      certificateKnownAt: NOON,
    };
    expect(afterRegistration({ ...NO_REPORT, ...counts, ...condition })).toEqual({
      ...NO_REPORT,
      ...counts,
    });
  });
});

it.each([
  [true, NOON, 60 * DAY_MS, 'Healthy'],
  [true, NOON, 60 * DAY_MS - 1, 'Warning'],
  [true, NOON, 1, 'Warning'],
  [true, NOON, 0, 'Critical'],
  [true, msAfter(NOON, -15 * MINUTE_MS), 0, 'Unknown'],
  [true, null, 0, 'Unknown'],
  [false, NOON, 0, 'Unknown'],
])(
  'connected %j, a certificate reported at %j with %d ms left is %s',
  (connected, certificateReportedAt, leftMs, status) => {
    expect(
      certificateStatusAt(
        { now: NOON, connected },
        { certificateExpiresAt: msAfter(NOON, leftMs), certificateReportedAt },
      ),
    ).toBe(status);
  },
);

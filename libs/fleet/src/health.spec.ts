import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { healthAt, healthErrorsAt, isRunning, loadStatus, loadStatuses, loadStatusesAt, NOTHING_REPORTED, servicesStatus, statusRank, type ComponentStatus, type HealthInputs, type Load, type ReportedHealth } from './health.js';
import { msAfter, NOON } from './testing/examples.js';

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
  ] as const)('with %d bytes pending at %d bytes a second is %s', (pendingUploadBytes, throughputBytesPerSecond, status) => {
    expect(loadStatuses(aLoad({ pendingUploadBytes, throughputBytesPerSecond })).upload).toBe(status);
  });
});

describe('the load as a whole', () => {
  it.each([
    ['nothing at all', null, 'Unknown'],
    ['a report without a value', NO_LOAD, 'Unknown'],
    ['four healthy signals', aLoad(), 'Healthy'],
    ['three healthy signals and an unknown one', aLoad({ cpuPercent: null }), 'Unknown'],
    ['a warning', aLoad({ cpuPercent: 81 }), 'Warning'],
    ['a warning beside an unknown one', aLoad({ cpuPercent: 81, freeCacheBytes: null }), 'Warning'],
    ['a critical signal beside a warning', aLoad({ cpuPercent: 81, freeCacheBytes: 100 }), 'Critical'],
    ['one critical signal and nothing else', { ...NO_LOAD, cpuPercent: 99 }, 'Critical'],
    ['one healthy signal and nothing else', { ...NO_LOAD, cpuPercent: 1 }, 'Unknown'],
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
    expect(isRunning({ name: 'obengine', state })).toBe(running);
  });
});

describe('overall health', () => {
  const NOTHING_SAID = { loadReportedAt: null, servicesDownAt: null, certificateExpiresAt: null };
  const heard = (over: Partial<HealthInputs> = {}): HealthInputs => ({ decommissioned: false, silentMs: 0, reported: NOTHING_SAID, loadStatus: 'Unknown', ...over });
  const reporting = (loadStatus: ComponentStatus, over: Partial<HealthInputs['reported']> = {}): HealthInputs =>
    heard({ loadStatus, reported: { ...NOTHING_SAID, loadReportedAt: NOON, ...over } });

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

  it('never looks healthy when nobody has said anything', () => {
    expect(healthAt(NOON, heard())).toBe('None');
    expect(healthAt(NOON, heard({ loadStatus: 'Healthy' }))).toBe('None');
    expect(healthAt(NOON, heard({ reported: { ...NOTHING_SAID, certificateExpiresAt: msAfter(NOON, 90 * DAY_MS) } }))).toBe('None');
  });

  it('is none of a server that is leaving, however bad its signals', () => {
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
  ])('of %d ms ago are %s', (ageMs, status) => {
    const reported = { load: aLoad(), loadReportedAt: msAfter(NOON, -ageMs) };
    expect(new Set(Object.values(loadStatusesAt(NOON, reported)))).toEqual(new Set([status]));
  });
});

it.each([
  [null, null, 'Unknown'],
  [[], null, 'Healthy'],
  [[{ name: 'svagents', state: 'stopped' }], NOON, 'Warning'],
])('services %j, down since %j, are %s', (services, servicesDownAt, status) => {
  expect(servicesStatus({ services, servicesDownAt })).toBe(status);
});

describe('the errors of a process server', () => {
  const HEARD = msAfter(NOON, -3 * DAY_MS);

  it('name the wall instant of the last sign of life, whatever the listening clock did since', () => {
    expect(healthErrorsAt(NOON, { decommissioned: false, silentMs: 15 * MINUTE_MS, lastHeardAt: HEARD, reported: NOTHING_REPORTED })).toEqual([
      { code: 'heartbeat_missing', level: 'Critical', since: HEARD },
    ]);
  });

  const errors = (silentMs: number, over: Partial<ReportedHealth>): string[] =>
    healthErrorsAt(NOON, { decommissioned: false, silentMs, lastHeardAt: HEARD, reported: { ...NOTHING_REPORTED, ...over } }).map(({ code, level }) => `${code} ${level}`);

  it.each<[string, number, Partial<ReportedHealth>, string[]]>([
    ['nothing said', 0, {}, []],
    ['all well', 0, { load: aLoad(), loadReportedAt: NOON, services: [], certificateExpiresAt: msAfter(NOON, 60 * DAY_MS) }, []],
    ['silence', 15 * MINUTE_MS, {}, ['heartbeat_missing Critical']],
    ['a busy processor', 0, { load: aLoad({ cpuPercent: 81 }), loadReportedAt: NOON }, ['cpu_high Warning']],
    ['a full cache and no upload', 0, { load: aLoad({ freeCacheBytes: 0, pendingUploadBytes: 1, throughputBytesPerSecond: 0 }), loadReportedAt: NOON }, ['cache_space_low Critical', 'upload_slow Critical']],
    ['an old report', 0, { load: aLoad({ availableMemoryBytes: 0 }), loadReportedAt: msAfter(NOON, -15 * MINUTE_MS) }, []],
    ['a service just down', 0, { servicesDownAt: msAfter(NOON, 1 - 15 * MINUTE_MS) }, []],
    ['a service down', 0, { servicesDownAt: msAfter(NOON, -15 * MINUTE_MS) }, ['services_not_running Warning']],
    ['a certificate that ends soon', 0, { certificateExpiresAt: msAfter(NOON, 60 * DAY_MS - 1) }, ['certificate_expiring Warning']],
    ['a certificate that has ended', 0, { certificateExpiresAt: NOON }, ['certificate_expired Critical']],
  ])('with %s are named', (_case, silentMs, over, expected) => {
    expect(errors(silentMs, over)).toEqual(expected);
  });

  it('are none for one that is leaving', () => {
    expect(healthErrorsAt(NOON, { decommissioned: true, silentMs: DAY_MS, lastHeardAt: HEARD, reported: NOTHING_REPORTED })).toEqual([]);
  });

  it('and the health say the same', () => {
    const value = fc.option(fc.nat(2_000), { nil: null });
    const instant = fc.option(fc.integer({ min: -90 * DAY_MS, max: 90 * DAY_MS }).map((ms) => msAfter(NOON, ms)), { nil: null });
    const past = fc.option(fc.nat(30 * MINUTE_MS).map((ms) => msAfter(NOON, -ms)), { nil: null });
    const load = fc.record({ cpuPercent: value, totalMemoryBytes: value, availableMemoryBytes: value, totalCacheBytes: value, freeCacheBytes: value, throughputBytesPerSecond: value, pendingUploadBytes: value });
    fc.assert(
      fc.property(fc.nat(30 * MINUTE_MS), load, past, past, instant, (silentMs, one, loadReportedAt, servicesDownAt, certificateExpiresAt) => {
        const reported = { ...NOTHING_REPORTED, load: loadReportedAt && one, loadReportedAt, servicesDownAt, certificateExpiresAt };
        const levels = healthErrorsAt(NOON, { decommissioned: false, silentMs, lastHeardAt: HEARD, reported }).map(({ level }) => level);
        const worst = levels.includes('Critical') ? 'Critical' : levels[0];
        const health = healthAt(NOON, { decommissioned: false, silentMs, reported, loadStatus: loadStatus(reported.load) });
        expect(health === 'Critical' || health === 'Warning' ? health : undefined).toBe(worst);
      }),
    );
  });
});

import { describe, expect, it } from '@jest/globals';
import type { ComponentStatus } from './component-status.js';
import {
  healthAt,
  isServiceRunning,
  loadStatusesAt,
  NO_REPORT,
  servicesStatusAt,
  certificateStatusAt,
  afterRegistration,
  type HealthInputs,
  type HealthMoment,
} from './health.js';
import { ALL_UNKNOWN, type Load } from './load.js';
import { msAfter, NOON } from '../testing/examples.js';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

const LOAD: Load = {
  cpuPercent: 10,
  totalMemoryBytes: 1_000,
  availableMemoryBytes: 900,
  totalCacheBytes: 1_000,
  freeCacheBytes: 900,
  throughputBytesPerSecond: 100,
  pendingUploadBytes: 0,
};
const AVAILABLE_MS = 10 * DAY_MS;
const MOMENT: HealthMoment = { at: NOON, availableMs: AVAILABLE_MS, connected: true, windowMs: 15 * MINUTE_MS };
const SILENT: HealthMoment = { ...MOMENT, connected: false };
const ago = (ms: number): number => AVAILABLE_MS - ms;

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
    silentMs: 0,
    reported: NO_REPORT,
    ...over,
  });
  const reporting = (loadStatus: ComponentStatus, over: Partial<HealthInputs['reported']> = {}): HealthInputs =>
    lastSeen({
      reported: {
        ...NO_REPORT,
        loadAvailableMs: AVAILABLE_MS,
        servicesAvailableMs: AVAILABLE_MS,
        certificateAvailableMs: AVAILABLE_MS,
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
    expect(healthAt(MOMENT, reporting(status))).toBe(health);
  });

  it.each([
    [0, 'Normal'],
    [15 * MINUTE_MS - 1, 'Normal'],
    [15 * MINUTE_MS, 'None'],
    [DAY_MS, 'None'],
  ])('%d ms after a healthy report is %s', (ageMs, health) => {
    expect(healthAt(MOMENT, reporting('Healthy', { loadAvailableMs: ago(ageMs) }))).toBe(health);
  });

  it.each([
    [15 * MINUTE_MS - 1, 'Critical'],
    [15 * MINUTE_MS, 'None'],
  ])('%d ms after a critical report is %s', (ageMs, health) => {
    expect(healthAt(MOMENT, reporting('Critical', { loadAvailableMs: ago(ageMs) }))).toBe(health);
  });

  it.each([
    [0, 'Normal', 'None'],
    [15 * MINUTE_MS - 1, 'Normal', 'None'],
    [15 * MINUTE_MS, 'Normal', 'Critical'],
  ])('after %d ms of silence is %s while the lease runs, otherwise %s', (silentMs, whileConnected, health) => {
    expect(healthAt(MOMENT, { ...reporting('Healthy'), silentMs })).toBe(whileConnected);
    expect(healthAt(SILENT, { ...reporting('Healthy'), silentMs })).toBe(health);
  });

  it.each([
    [false, 'Normal'],
    [true, 'Warning'],
  ])('with services not running raised: %s, is %s', (servicesRaised, health) => {
    expect(healthAt(MOMENT, reporting('Healthy', { servicesRaised }))).toBe(health);
  });

  it.each([
    [61 * DAY_MS, 'Normal'],
    [60 * DAY_MS, 'Normal'],
    [60 * DAY_MS - 1, 'Warning'],
    [1, 'Warning'],
    [0, 'Critical'],
    [-1, 'Critical'],
  ])('with %d ms left of the certificate is %s', (leftMs, health) => {
    expect(healthAt(MOMENT, reporting('Healthy', { certificateExpiresAt: msAfter(NOON, leftMs) }))).toBe(health);
  });

  it('is the worst single signal', () => {
    const expired = { certificateExpiresAt: NOON };
    const servicesDown = { servicesRaised: true };
    expect(healthAt(MOMENT, reporting('Warning', expired))).toBe('Critical');
    expect(healthAt(MOMENT, reporting('Critical', servicesDown))).toBe('Critical');
    expect(healthAt(MOMENT, reporting('Unknown', servicesDown))).toBe('Warning');
  });

  it('is never healthy when nothing was reported', () => {
    expect(healthAt(MOMENT, lastSeen())).toBe('None');
    expect(healthAt(MOMENT, lastSeen({ reported: { ...NO_REPORT, loadStatus: 'Healthy' } }))).toBe('None');
    expect(
      healthAt(
        MOMENT,
        lastSeen({
          reported: {
            ...NO_REPORT,
            certificateAvailableMs: AVAILABLE_MS,
            certificateExpiresAt: msAfter(NOON, 90 * DAY_MS),
          },
        }),
      ),
    ).toBe('None');
  });

  const SERVICES_DOWN = { servicesRaised: true };
  it.each([
    [15 * MINUTE_MS - 1, 'Warning'],
    [15 * MINUTE_MS, 'Normal'],
  ])('%d ms after services were reported down is %s', (ageMs, health) => {
    expect(healthAt(MOMENT, reporting('Healthy', { ...SERVICES_DOWN, servicesAvailableMs: ago(ageMs) }))).toBe(health);
  });

  it.each([
    [15 * MINUTE_MS - 1, 'Critical'],
    [15 * MINUTE_MS, 'Normal'],
  ])('%d ms after an expired certificate was reported is %s', (ageMs, health) => {
    expect(
      healthAt(MOMENT, reporting('Healthy', { certificateExpiresAt: NOON, certificateAvailableMs: ago(ageMs) })),
    ).toBe(health);
  });

  it.each([
    [15 * MINUTE_MS - 1, 'None'],
    [15 * MINUTE_MS, 'Critical'],
  ])('of a Disconnected process server after %d ms of silence is %s, whatever it reported', (silentMs, health) => {
    for (const load of ['Healthy', 'Warning', 'Critical'] as const) {
      expect(
        healthAt(SILENT, {
          ...reporting(load, { ...SERVICES_DOWN, certificateExpiresAt: NOON }),
          silentMs,
        }),
      ).toBe(health);
    }
  });

  it('is None for a decommissioned process server, whatever its signals', () => {
    expect(healthAt(MOMENT, { ...reporting('Critical'), silentMs: DAY_MS, decommissioned: true })).toBe('None');
  });
});

describe('the load signals of a report', () => {
  it.each([
    [0, 'Critical'],
    [15 * MINUTE_MS - 1, 'Critical'],
    [15 * MINUTE_MS, 'Unknown'],
  ])('%d ms after the report are %s', (ageMs, cpu) => {
    const loadStatuses = { cpu: 'Critical', memory: 'Unknown', cache: 'Healthy', upload: 'Warning' } as const;
    const reported = { loadStatuses, loadAvailableMs: ago(ageMs) };
    expect(loadStatusesAt(MOMENT, reported)).toEqual(cpu === 'Unknown' ? ALL_UNKNOWN : loadStatuses);
    expect(loadStatusesAt(SILENT, reported)).toEqual(ALL_UNKNOWN);
  });
});

describe('services', () => {
  const RUNNING = [{ name: 'svagents', state: 'running' }];
  const STOPPED = [{ name: 'svagents', state: 'stopped' }];

  it.each([
    [null, false, 'Unknown'],
    [[], false, 'Unknown'],
    [[], true, 'Warning'],
    [RUNNING, false, 'Healthy'],
    [RUNNING, true, 'Warning'],
    [STOPPED, false, 'Healthy'],
    [STOPPED, true, 'Warning'],
  ])('%j, raised: %s, are %s', (services, servicesRaised, status) => {
    const reported = { services, servicesRaised, servicesAvailableMs: AVAILABLE_MS };
    expect(servicesStatusAt(MOMENT, reported)).toBe(status);
    expect(servicesStatusAt(SILENT, reported)).toBe('Unknown');
  });

  it.each([
    [15 * MINUTE_MS - 1, 'Healthy'],
    [15 * MINUTE_MS, 'Unknown'],
  ])('reported %d ms ago are %s', (ageMs, status) => {
    expect(
      servicesStatusAt(MOMENT, { services: RUNNING, servicesRaised: false, servicesAvailableMs: ago(ageMs) }),
    ).toBe(status);
  });

  it('and the certificate are cleared by a registration; load and counts are kept', () => {
    const counts = {
      load: LOAD,
      loadReportedAt: NOON,
      loadAvailableMs: 1,
      protectedMachineCount: 3,
      replicationPairCount: 4,
    };
    const condition = {
      services: STOPPED,
      servicesReportedAt: NOON,
      servicesAvailableMs: 1,
      servicesRaised: true,
      servicesDownAt: NOON,
      certificateExpiresAt: NOON,
      certificateReportedAt: NOON,
      certificateAvailableMs: 1,
      certificateKnownAt: NOON,
    };
    expect(afterRegistration({ ...NO_REPORT, ...counts, ...condition })).toEqual({
      ...NO_REPORT,
      ...counts,
    });
  });
});

it.each([
  [true, 0, 60 * DAY_MS, 'Healthy'],
  [true, 0, 60 * DAY_MS - 1, 'Warning'],
  [true, 0, 1, 'Warning'],
  [true, 0, 0, 'Critical'],
  [true, 15 * MINUTE_MS - 1, 0, 'Critical'],
  [true, 15 * MINUTE_MS, 0, 'Unknown'],
  [true, null, 0, 'Unknown'],
  [false, 0, 0, 'Unknown'],
])('connected %j, a certificate reported %j ms ago with %d ms left is %s', (connected, ageMs, leftMs, status) => {
  expect(
    certificateStatusAt(
      { ...MOMENT, connected },
      { certificateExpiresAt: msAfter(NOON, leftMs), certificateAvailableMs: ageMs === null ? null : ago(ageMs) },
    ),
  ).toBe(status);
});

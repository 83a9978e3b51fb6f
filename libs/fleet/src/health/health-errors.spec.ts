import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { healthErrorsAt } from './health-errors.js';
import { healthAt, loadStatus, NO_REPORT, type Load, type ReportedHealth } from './health.js';
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

describe('the errors of a process server', () => {
  const LAST_SEEN = msAfter(NOON, -3 * DAY_MS);

  it('contain the wall time of the last heartbeat, whatever the availability clock did since', () => {
    expect(
      healthErrorsAt(NOON, {
        decommissioned: false,
        connected: false,
        silentMs: 15 * MINUTE_MS,
        lastSeenAt: LAST_SEEN,
        reported: NO_REPORT,
      }),
    ).toEqual([{ code: 'heartbeat_missing', level: 'Critical', since: LAST_SEEN }]);
  });

  const errors = (silentMs: number, over: Partial<ReportedHealth>): string[] =>
    healthErrorsAt(NOON, {
      decommissioned: false,
      connected: true,
      silentMs,
      lastSeenAt: LAST_SEEN,
      reported: { ...NO_REPORT, servicesReportedAt: NOON, certificateReportedAt: NOON, ...over },
    }).map(({ code, level }) => `${code} ${level}`);

  it.each<[string, number, Partial<ReportedHealth>, string[]]>([
    ['no report', 0, {}, []],
    [
      'healthy reports',
      0,
      { load: aLoad(), loadReportedAt: NOON, services: [], certificateExpiresAt: msAfter(NOON, 60 * DAY_MS) },
      [],
    ],
    ['silence', 15 * MINUTE_MS, {}, ['heartbeat_missing Critical']],
    ['a high CPU usage', 0, { load: aLoad({ cpuPercent: 81 }), loadReportedAt: NOON }, ['cpu_high Warning']],
    [
      'a full cache and no upload',
      0,
      { load: aLoad({ freeCacheBytes: 0, pendingUploadBytes: 1, throughputBytesPerSecond: 0 }), loadReportedAt: NOON },
      ['cache_space_low Critical', 'upload_slow Critical'],
    ],
    [
      'an old report',
      0,
      { load: aLoad({ availableMemoryBytes: 0 }), loadReportedAt: msAfter(NOON, -15 * MINUTE_MS) },
      [],
    ],
    ['a service that stopped less than 15 minutes ago', 0, { servicesDownAt: msAfter(NOON, 1 - 15 * MINUTE_MS) }, []],
    ['a service down', 0, { servicesDownAt: msAfter(NOON, -15 * MINUTE_MS) }, ['services_not_running Warning']],
    [
      'a certificate that expires soon',
      0,
      { certificateExpiresAt: msAfter(NOON, 60 * DAY_MS - 1) },
      ['certificate_expiring Warning'],
    ],
    ['an expired certificate', 0, { certificateExpiresAt: NOON }, ['certificate_expired Critical']],
  ])('with %s are listed', (_case, silentMs, over, expected) => {
    expect(errors(silentMs, over)).toEqual(expected);
  });

  it('are empty for a decommissioned process server', () => {
    expect(
      healthErrorsAt(NOON, {
        decommissioned: true,
        connected: false,
        silentMs: DAY_MS,
        lastSeenAt: LAST_SEEN,
        reported: NO_REPORT,
      }),
    ).toEqual([]);
  });

  const errorsOf = (over: Partial<ReportedHealth>, connected = true) =>
    healthErrorsAt(NOON, {
      decommissioned: false,
      connected,
      silentMs: 0,
      lastSeenAt: LAST_SEEN,
      reported: {
        ...NO_REPORT,
        loadReportedAt: NOON,
        servicesReportedAt: NOON,
        certificateReportedAt: NOON,
        ...over,
      },
    });
  const EARLIER = msAfter(NOON, -DAY_MS);
  const IN_A_MONTH = msAfter(NOON, 30 * DAY_MS);

  it.each([
    [
      'a load signal above its threshold',
      { load: aLoad({ cpuPercent: 99 }), loadExceededAt: { ...NO_REPORT.loadExceededAt, cpu: EARLIER } },
      EARLIER,
    ],
    ['a load without a stored start time', { load: aLoad({ cpuPercent: 99 }) }, NOON],
    ['services', { services: [], servicesDownAt: EARLIER }, EARLIER],
    [
      'a certificate that expired after it was reported',
      { certificateExpiresAt: msAfter(NOON, -1), certificateKnownAt: EARLIER },
      msAfter(NOON, -1),
    ],
    [
      'a certificate that was reported after its expiry',
      { certificateExpiresAt: msAfter(NOON, -90 * DAY_MS), certificateKnownAt: EARLIER },
      EARLIER,
    ],
    [
      'a certificate that neared its expiry after it was reported',
      { certificateExpiresAt: IN_A_MONTH, certificateKnownAt: msAfter(NOON, -90 * DAY_MS) },
      msAfter(NOON, -30 * DAY_MS),
    ],
    [
      'a certificate that was reported near its expiry',
      { certificateExpiresAt: IN_A_MONTH, certificateKnownAt: EARLIER },
      EARLIER,
    ],
  ])('contain the time since which they are known: %s', (_case, over, since) => {
    expect(errorsOf(over).map((error) => error.since)).toEqual([since]);
    expect(errorsOf(over, false)).toEqual([]);
  });

  it('match the overall health', () => {
    const value = fc.option(fc.nat(2_000), { nil: null });
    const time = fc.option(
      fc.integer({ min: -90 * DAY_MS, max: 90 * DAY_MS }).map((ms) => msAfter(NOON, ms)),
      { nil: null },
    );
    const past = fc.option(
      fc.nat(30 * MINUTE_MS).map((ms) => msAfter(NOON, -ms)),
      { nil: null },
    );
    const load = fc.record({
      cpuPercent: value,
      totalMemoryBytes: value,
      availableMemoryBytes: value,
      totalCacheBytes: value,
      freeCacheBytes: value,
      throughputBytesPerSecond: value,
      pendingUploadBytes: value,
    });
    fc.assert(
      fc.property(
        fc.nat(30 * MINUTE_MS),
        fc.boolean(),
        load,
        past,
        past,
        past,
        past,
        time,
        (
          silentMs,
          connected,
          one,
          loadReportedAt,
          servicesReportedAt,
          servicesDownAt,
          certificateReportedAt,
          certificateExpiresAt,
        ) => {
          const reported = {
            ...NO_REPORT,
            load: loadReportedAt && one,
            loadReportedAt,
            loadStatus: loadStatus(one),
            servicesReportedAt,
            servicesDownAt,
            certificateReportedAt,
            certificateExpiresAt,
          };
          const levels = healthErrorsAt(NOON, {
            decommissioned: false,
            connected,
            silentMs,
            lastSeenAt: LAST_SEEN,
            reported,
          }).map(({ level }) => level);
          const worst = levels.includes('Critical') ? 'Critical' : levels[0];
          const health = healthAt(NOON, { decommissioned: false, connected, silentMs, reported });
          expect(health === 'Critical' || health === 'Warning' ? health : undefined).toBe(worst);
        },
      ),
    );
  });
});

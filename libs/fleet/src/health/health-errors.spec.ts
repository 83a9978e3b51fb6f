import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { healthErrorsAt } from './health-errors.js';
import { healthAt, NO_REPORT, type HealthMoment, type ReportedHealth } from './health.js';
import {
  ALL_UNKNOWN,
  loadStatus,
  signalStatuses,
  warningBit,
  criticalBit,
  LOAD_BITS,
  type LoadSignal,
} from './load.js';
import { msAfter, NOON } from '../testing/examples.js';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

const AVAILABLE_MS = 10 * DAY_MS;
const MOMENT: HealthMoment = { at: NOON, availableMs: AVAILABLE_MS, connected: true, windowMs: 15 * MINUTE_MS };
const SILENT: HealthMoment = { ...MOMENT, connected: false };

/** A valid load report with this state of its signals. */
const withLoad = (loadStatuses: Partial<ReportedHealth['loadStatuses']>): Partial<ReportedHealth> => ({
  loadReportedAt: NOON,
  loadAvailableMs: AVAILABLE_MS,
  loadStatuses: { ...ALL_UNKNOWN, ...loadStatuses },
});

describe('the errors of a process server', () => {
  const LAST_SEEN = msAfter(NOON, -3 * DAY_MS);

  it('contain the wall time of the last heartbeat, whatever the availability clock did since', () => {
    expect(
      healthErrorsAt(SILENT, {
        decommissioned: false,
        silentMs: 15 * MINUTE_MS,
        lastSeenAt: LAST_SEEN,
        reported: NO_REPORT,
      }),
    ).toEqual([{ code: 'heartbeat_missing', level: 'Critical', since: LAST_SEEN }]);
  });

  const errors = (silentMs: number, over: Partial<ReportedHealth>): string[] =>
    healthErrorsAt(silentMs > 0 ? SILENT : MOMENT, {
      decommissioned: false,
      silentMs,
      lastSeenAt: LAST_SEEN,
      reported: { ...NO_REPORT, servicesAvailableMs: AVAILABLE_MS, certificateAvailableMs: AVAILABLE_MS, ...over },
    }).map(({ code, level }) => `${code} ${level}`);

  it.each<[string, number, Partial<ReportedHealth>, string[]]>([
    ['no report', 0, {}, []],
    [
      'healthy reports',
      0,
      { ...withLoad({ cpu: 'Healthy' }), services: [], certificateExpiresAt: msAfter(NOON, 60 * DAY_MS) },
      [],
    ],
    ['silence', 15 * MINUTE_MS, {}, ['heartbeat_missing Critical']],
    ['a high CPU usage', 0, withLoad({ cpu: 'Warning' }), ['cpu_high Warning']],
    [
      'a full cache and no upload',
      0,
      withLoad({ cache: 'Critical', upload: 'Critical' }),
      ['cache_space_low Critical', 'upload_slow Critical'],
    ],
    ['an old report', 0, { ...withLoad({ memory: 'Critical' }), loadAvailableMs: AVAILABLE_MS - 15 * MINUTE_MS }, []],
    ['a service that stopped, not raised', 0, { servicesDownAt: msAfter(NOON, 1 - 15 * MINUTE_MS) }, []],
    ['a service down', 0, { servicesRaised: true }, ['services_not_running Warning']],
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
      healthErrorsAt(SILENT, {
        decommissioned: true,
        silentMs: DAY_MS,
        lastSeenAt: LAST_SEEN,
        reported: NO_REPORT,
      }),
    ).toEqual([]);
  });

  const errorsOf = (over: Partial<ReportedHealth>, connected = true) =>
    healthErrorsAt(
      { ...MOMENT, connected },
      {
        decommissioned: false,
        silentMs: 0,
        lastSeenAt: LAST_SEEN,
        reported: {
          ...NO_REPORT,
          servicesAvailableMs: AVAILABLE_MS,
          certificateAvailableMs: AVAILABLE_MS,
          ...over,
        },
      },
    );
  const EARLIER = msAfter(NOON, -DAY_MS);
  const IN_A_MONTH = msAfter(NOON, 30 * DAY_MS);

  it.each([
    [
      'a load signal above its threshold',
      { ...withLoad({ cpu: 'Critical' }), loadExceededAt: { ...NO_REPORT.loadExceededAt, cpu: EARLIER } },
      EARLIER,
    ],
    ['a load without a stored start time', withLoad({ cpu: 'Critical' }), NOON],
    ['services', { servicesRaised: true, servicesDownAt: EARLIER }, EARLIER],
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
    const age = fc.option(fc.nat(30 * MINUTE_MS), { nil: null });
    const availableAt = (ageMs: number | null): number | null => (ageMs === null ? null : AVAILABLE_MS - ageMs);
    const bits = fc.array(fc.constantFrom<LoadSignal>('cpu', 'memory', 'cache', 'upload'));
    fc.assert(
      fc.property(
        fc.record({ silentMs: fc.nat(30 * MINUTE_MS), connected: fc.boolean(), servicesRaised: fc.boolean() }),
        fc.record({ load: age, services: age, certificate: age }),
        fc.record({ unknown: bits, warning: bits, critical: bits }),
        fc.option(fc.integer({ min: -90 * DAY_MS, max: 90 * DAY_MS }), { nil: null }),
        ({ silentMs, connected, servicesRaised }, ages, { unknown, warning, critical }, leftMs) => {
          const known = unknown.reduce((all, signal) => all & ~(warningBit(signal) | criticalBit(signal)), LOAD_BITS);
          let raised = warning.reduce((all, signal) => all | warningBit(signal), 0);
          raised = critical.reduce((all, signal) => all | warningBit(signal) | criticalBit(signal), raised);
          const reported = {
            ...NO_REPORT,
            loadAvailableMs: availableAt(ages.load),
            loadStatus: loadStatus(known, raised),
            loadStatuses: signalStatuses(known, raised),
            servicesAvailableMs: availableAt(ages.services),
            servicesRaised,
            certificateAvailableMs: availableAt(ages.certificate),
            certificateExpiresAt: leftMs === null ? null : msAfter(NOON, leftMs),
          };
          const moment = { ...MOMENT, connected };
          const levels = healthErrorsAt(moment, {
            decommissioned: false,
            silentMs,
            lastSeenAt: LAST_SEEN,
            reported,
          }).map(({ level }) => level);
          const worst = levels.includes('Critical') ? 'Critical' : levels[0];
          const health = healthAt(moment, { decommissioned: false, silentMs, reported });
          expect(health === 'Critical' || health === 'Warning' ? health : undefined).toBe(worst);
        },
      ),
    );
  });
});

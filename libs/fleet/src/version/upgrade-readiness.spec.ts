import { describe, expect, it } from '@jest/globals';
import { aRelease, msAfter, NOON } from '../testing/examples.js';
import type { OsKey, Release } from './release.js';
import {
  defaultUpgradeTarget,
  ReadinessRules,
  SUPPORT_END_NOTICE_MS,
  type InstalledVersion,
  type UpgradeReadiness,
} from './upgrade-readiness.js';
import { formatVersion, parseVersion, type Version } from './version.js';
import { VersionRules } from './version-rules.js';

const OURS = '9.63.7187.1';
const version = (text: string): Version => parseVersion(text) as Version;
const release = (text: string, over: Partial<Release> = {}): Release => aRelease({ version: version(text), ...over });
const readinessRules = (target: string, catalogue: readonly Release[], at = NOON): ReadinessRules =>
  new ReadinessRules(new VersionRules(version(OURS), catalogue), version(target), at);
const installed = (text: string, over: Partial<InstalledVersion> = {}): InstalledVersion => ({
  version: parseVersion(text),
  osKey: 'Windows',
  lifecycle: 'Registered',
  ...over,
});
const brief = ({ readiness, steps, blockedBy }: UpgradeReadiness): string =>
  [readiness, ...steps, blockedBy ?? ''].join(' ').trim();

describe('the readiness of a process server', () => {
  const CATALOGUE = ['9.55.0.0', '9.59.4.0'].map((text) => release(text));

  it.each([
    ['9.63.7187.1', OURS, 'UpToDate'],
    ['9.63.7187.0', OURS, 'Direct 9.63.7187.1'],
    ['9.59.0.0', OURS, 'Direct 9.63.7187.1'],
    ['9.58.65535.0', OURS, 'InSteps 9.59.4.0 9.63.7187.1'],
    ['9.51.0.0', OURS, 'InSteps 9.55.0.0 9.59.4.0 9.63.7187.1'],
    ['9.50.0.0', OURS, 'Blocked NoIntermediateRelease'],
    ['8.63.0.0', OURS, 'Blocked UnknownAcrossMajor'],
    ['not a version', OURS, 'Blocked UnknownAcrossMajor'],
    ['9.63.7187.1', '9.60.0.0', 'Blocked NewerThanTarget'],
    ['9.60.0.0', '9.60.0.0', 'UpToDate'],
    ['9.63.0.0', '9.67.0.0', 'Direct 9.67.0.0'],
  ])('of version %s for %s is %s', (agent, target, expected) => {
    expect(brief(readinessRules(target, CATALOGUE).readinessOf(installed(agent)))).toBe(expected);
  });

  it.each<[string, Partial<InstalledVersion>, string]>([
    ['Windows', { osKey: 'Windows' }, 'InSteps 9.59.4.0 9.63.7187.1'],
    ['Linux', { osKey: 'Linux' }, 'Blocked NoIntermediateRelease'],
    ['another operating system', { osKey: '' }, 'Blocked NoIntermediateRelease'],
    ['Windows, Decommissioned', { lifecycle: 'Decommissioned' }, 'Blocked Decommissioned'],
  ])('with releases for Windows on %s is %3$s', (_case, over, expected) => {
    expect(brief(readinessRules(OURS, CATALOGUE).readinessOf(installed('9.58.0.0', over)))).toBe(expected);
  });

  it.each([
    ['9.67.0.0', [], 'Direct 9.67.0.0', 'Direct 9.67.0.0'],
    ['9.68.0.0', [], 'Blocked NoIntermediateRelease', 'Blocked ConfigurationServerBlocked'],
    ['9.68.0.0', ['9.66.0.0'], 'InSteps 9.66.0.0 9.68.0.0', 'Direct 9.68.0.0'],
    ['10.0.0.0', [], 'Blocked UnknownAcrossMajor', 'Blocked UnknownAcrossMajor'],
    ['9.60.0.0', [], 'UpToDate', 'Blocked NewerThanTarget'],
  ])(
    'for %s, with the configuration server releases %j, waits for the configuration server',
    (target, texts, ours, ps) => {
      const rules = readinessRules(
        target,
        texts.map((text) => release(text, { component: 'ConfigurationServer', osType: 'Linux' })),
      );
      expect([brief(rules.configurationServer), brief(rules.readinessOf(installed('9.64.0.0')))]).toEqual([ours, ps]);
    },
  );
});

describe('the notice of the end of a support', () => {
  const endsIn = (ms: number): Release =>
    release('9.62.0.0', { supportEndsAt: msAfter(NOON, ms), flags: ['Deprecated'] });
  const DAY_MS = 24 * 3_600_000;

  it.each([
    ['60 days and a millisecond', SUPPORT_END_NOTICE_MS + 1, false],
    ['60 days', 60 * DAY_MS, true],
    ['a millisecond', 1, true],
    ['no time: it has ended', 0, false],
    ['a negative time', -1, false],
  ])('with %s left', (_case, ms, isLeaving) => {
    expect(readinessRules(OURS, [endsIn(ms)]).leavesSupportAt(installed('9.62.0.0'))).toEqual(
      isLeaving ? msAfter(NOON, ms) : null,
    );
  });

  it.each<[string, InstalledVersion]>([
    ['another version', installed('9.62.0.1')],
    ['another operating system', installed('9.62.0.0', { osKey: 'Linux' })],
    ['a Decommissioned entry', installed('9.62.0.0', { lifecycle: 'Decommissioned' })],
    ['a text that is not a version', installed('none')],
  ])('does not concern %s', (_case, other) => {
    expect(readinessRules(OURS, [endsIn(1)]).leavesSupportAt(other)).toBeNull();
  });

  it('does not concern a version outside of the support window', () => {
    const old = release('9.58.0.0', { supportEndsAt: msAfter(NOON, 1) });
    expect(readinessRules(OURS, [old]).leavesSupportAt(installed('9.58.0.0'))).toBeNull();
  });
});

describe('the default target', () => {
  it.each<[string, readonly Release[], string]>([
    ['the version of the configuration server, without releases', [], OURS],
    ['the version of the configuration server, with earlier releases', [release('9.62.0.0')], OURS],
    ['the latest release', [release('9.65.0.0'), release('9.66.0.0'), release('9.64.0.0')], '9.66.0.0'],
    ['a release of the configuration server', [release('9.64.0.0', { component: 'ConfigurationServer' })], '9.64.0.0'],
    ['no release of the mobility service', [release('9.64.0.0', { component: 'MobilityService' })], OURS],
    ['a release from its first moment on', [release('9.64.0.0', { releasedAt: NOON })], '9.64.0.0'],
    ['no release before it is out', [release('9.64.0.0', { releasedAt: msAfter(NOON, 1) })], OURS],
    ['a release until its support ends', [release('9.64.0.0', { supportEndsAt: msAfter(NOON, 1) })], '9.64.0.0'],
    ['no release whose support has ended', [release('9.64.0.0', { supportEndsAt: NOON })], OURS],
  ])('is %s', (_case, catalogue, expected) => {
    expect(formatVersion(defaultUpgradeTarget(new VersionRules(version(OURS), catalogue), NOON))).toBe(expected);
  });
});

describe('the summary of a fleet', () => {
  it('counts each readiness, and the process servers of each release that leaves its support, the earliest first', () => {
    const catalogue = [
      release('9.59.0.0', { supportEndsAt: msAfter(NOON, 2_000) }),
      release('9.60.0.0', { supportEndsAt: msAfter(NOON, 1_000), osType: 'Linux' }),
      release('9.61.0.0'),
    ];
    const counted = (text: string, count: number, osKey: OsKey = 'Windows', over: Partial<InstalledVersion> = {}) => ({
      ...installed(text, { osKey, ...over }),
      count,
    });
    const { counts, leavingSupport } = readinessRules(OURS, catalogue).summary([
      counted(OURS, 7),
      counted('9.59.0.0', 5),
      counted('9.59.0.0', 3, 'Windows', { lifecycle: 'Decommissioned' }),
      counted('9.60.0.0', 11, 'Linux'),
      counted('9.60.0.0', 0, ''),
      counted('9.56.0.0', 2),
      counted('8.0.0.0', 1),
    ]);
    expect(counts).toEqual({ UpToDate: 7, Direct: 16, InSteps: 2, Blocked: 4 });
    expect(leavingSupport).toEqual([
      { version: version('9.60.0.0'), osKey: 'Linux', supportEndsAt: msAfter(NOON, 1_000), count: 11 },
      { version: version('9.59.0.0'), osKey: 'Windows', supportEndsAt: msAfter(NOON, 2_000), count: 5 },
    ]);
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { aRelease, msAfter, NOON } from '../testing/examples.js';
import type { Release, ReleaseFlag } from './release.js';
import { VersionRules } from './version-rules.js';
import { parseVersion, versionKey, type Version } from './version.js';

const version = (text: string): Version => parseVersion(text) as Version;
const releases = (...versions: string[]): Release[] => versions.map((text) => aRelease({ version: version(text) }));
const verdict = (ours: string, agent: string, catalogue: readonly Release[], osType = 'Windows', at = NOON): string => {
  const { status, reason } = new VersionRules(version(ours), catalogue).verdictOf(agent, osType, at);
  return `${status} ${reason}`;
};

describe('within a major, the version status', () => {
  it.each([
    ['9.63.7187.1', 'Supported WithinSupport'],
    ['9.63.7187.0', 'Supported WithinSupport'],
    ['9.63.7187.2', 'NotSupported NewerThanConfigurationServer'],
    ['9.64.0.0', 'NotSupported NewerThanConfigurationServer'],
    ['10.0.0.0', 'NotSupported NewerThanConfigurationServer'],
    ['9.59.0.0', 'Supported WithinSupport'],
    ['9.58.65535.65535', 'NotSupported OutsideSupportWindow'],
    ['9.0.0.0', 'NotSupported OutsideSupportWindow'],
    ['8.65535.0.0', 'NotSupported UnknownAcrossMajor'],
    ['not a version', 'NotSupported UnknownAcrossMajor'],
  ])('of %s under 9.63.7187.1, without a catalogue, is %s', (agent, expected) => {
    expect(verdict('9.63.7187.1', agent, [])).toBe(expected);
  });
});

describe('across majors, the version status', () => {
  const CATALOGUE = releases('8.0.0.0', '9.59.0.0', '9.60.0.0', '9.61.0.0', '9.62.0.0', '9.63.0.0', '10.0.0.0');
  it.each([
    ['10.0.0.0', '9.63.0.0', 'Supported WithinSupport'],
    ['10.0.0.0', '9.60.0.0', 'Supported WithinSupport'],
    ['10.0.0.0', '9.59.65535.0', 'NotSupported OutsideSupportWindow'],
    ['10.0.0.0', '9.70.0.0', 'Supported WithinSupport'],
    ['10.0.0.0', '8.0.0.0', 'NotSupported OutsideSupportWindow'],
    ['10.2.0.0', '9.62.0.0', 'Supported WithinSupport'],
    ['10.2.0.0', '9.61.65535.65535', 'NotSupported OutsideSupportWindow'],
    ['10.3.0.0', '9.63.0.0', 'Supported WithinSupport'],
    ['10.3.0.0', '9.62.65535.0', 'NotSupported OutsideSupportWindow'],
    ['10.4.0.0', '9.63.0.0', 'NotSupported OutsideSupportWindow'],
    ['10.4.0.0', '7.0.0.0', 'NotSupported OutsideSupportWindow'],
    ['11.0.0.0', '10.0.0.0', 'NotSupported UnknownAcrossMajor'],
  ])('under %s of %s is %s by the order of the catalogue', (ours, agent, expected) => {
    expect(verdict(ours, agent, CATALOGUE)).toBe(expected);
  });

  it.each([
    ['without a release of our major', releases('9.63.0.0'), 'NotSupported UnknownAcrossMajor'],
    ['without a release of the other major', releases('10.0.0.0'), 'NotSupported UnknownAcrossMajor'],
    ['below the earliest release', releases('9.63.1.0', '10.0.0.0'), 'NotSupported UnknownAcrossMajor'],
    ['with releases of both', releases('9.62.0.0', '10.0.0.0'), 'Supported WithinSupport'],
  ])('of 9.62.0.0 under 10.1.0.0 %s', (_case, catalogue, expected) => {
    expect(verdict('10.1.0.0', '9.62.0.0', catalogue)).toBe(expected);
  });

  it('is unknown if a major between has no release', () => {
    expect(verdict('11.0.0.0', '9.63.0.0', releases('9.63.0.0', '11.0.0.0'))).toBe('NotSupported UnknownAcrossMajor');
    expect(verdict('11.0.0.0', '9.63.0.0', releases('9.63.0.0', '10.0.0.0', '11.0.0.0'))).toBe(
      'Supported WithinSupport',
    );
  });

  it('begins a major at the first release of the catalogue', () => {
    expect(verdict('9.63.0.0', '8.20.0.0', releases('8.20.0.0', '9.62.0.0', '9.63.0.0'))).toBe(
      'Supported WithinSupport',
    );
  });

  it('counts releases of configuration servers, not those of the mobility service', () => {
    const of = (component: Release['component']): Release[] =>
      releases('9.62.0.0', '10.0.0.0').map((release) => ({ ...release, component }));
    expect(verdict('10.0.0.0', '9.62.0.0', of('ConfigurationServer'))).toBe('Supported WithinSupport');
    expect(verdict('10.0.0.0', '9.62.0.0', of('MobilityService'))).toBe('NotSupported UnknownAcrossMajor');
  });

  it('is within support exactly at a distance of at most four minors', () => {
    const minor = fc.record({ major: fc.integer({ min: 8, max: 11 }), minor: fc.integer({ min: 0, max: 6 }) });
    fc.assert(
      fc.property(fc.array(minor, { maxLength: 12 }), minor, minor, (known, agent, ours) => {
        const catalogue = known.map((each) => aRelease({ version: { ...each, build: 0, revision: 0 } }));
        const rules = new VersionRules({ ...ours, build: 9, revision: 0 }, catalogue);
        const key = versionKey({ ...agent, build: 0, revision: 0 });
        const distance =
          key > versionKey({ ...ours, build: 9, revision: 0 }) ? null : rules.order.distance(agent, ours);
        const isSupported = rules.verdict(key, 'Linux', NOON).status === 'Supported';
        if (ours.major === agent.major || distance !== null)
          expect(isSupported).toBe(distance !== null && distance >= 0 && distance <= 4);
        else expect(isSupported).toBe(false);
      }),
    );
  });
});

describe('a release', () => {
  const flagged = (...flags: ReleaseFlag[]): Release[] => [aRelease({ flags })];
  const AGENT = '9.62.0.0';

  it.each([
    [[], 'Supported WithinSupport'],
    [['Deprecated'], 'Deprecated Flagged'],
    [['UpdateRequired', 'Deprecated'], 'UpdateRequired Flagged'],
    [['SecurityUpdateRequired', 'UpdateRequired', 'Deprecated'], 'SecurityUpdateRequired Flagged'],
  ] as [ReleaseFlag[], string][])('with the flags %j is %s', (flags, expected) => {
    expect(verdict('9.63.0.0', AGENT, flagged(...flags))).toBe(expected);
  });

  it.each([
    [-1, 'Deprecated Flagged'],
    [0, 'NotSupported SupportEnded'],
    [1, 'NotSupported SupportEnded'],
  ])('%d ms after the end of its support is %s', (ms, expected) => {
    const [release = aRelease()] = flagged('Deprecated');
    expect(verdict('9.63.0.0', AGENT, [release], 'Windows', msAfter(release.supportEndsAt, ms))).toBe(expected);
  });

  it.each([
    ['Windows', 'Deprecated Flagged'],
    ['windows', 'Deprecated Flagged'],
    ['Linux', 'Supported WithinSupport'],
    ['Windows 11', 'Supported WithinSupport'],
  ])('for Windows counts for the operating system %s: %s', (osType, expected) => {
    expect(verdict('9.63.0.0', AGENT, flagged('Deprecated'), osType)).toBe(expected);
  });

  it('counts for exactly its version', () => {
    expect(verdict('9.63.0.0', '9.62.0.1', flagged('Deprecated'))).toBe('Supported WithinSupport');
  });

  it.each(['ConfigurationServer', 'MobilityService'] as const)('of the component %s does not count', (component) => {
    expect(verdict('9.63.0.0', AGENT, [aRelease({ component, flags: ['Deprecated'] })])).toBe(
      'Supported WithinSupport',
    );
  });

  it('outside the window stays outside', () => {
    const old = aRelease({ version: version('9.50.0.0'), flags: ['Deprecated'] });
    const rules = new VersionRules(version('9.63.0.0'), [old]);
    expect(rules.verdictOf('9.50.0.0', 'Windows', NOON).reason).toBe('OutsideSupportWindow');
    expect(rules.exceptions(NOON)).toEqual([]);
  });

  it('with a status of its own is an exception of the window, and depends on the operating system', () => {
    const rules = new VersionRules(version('9.63.0.0'), flagged('Deprecated'));
    const key = versionKey(version(AGENT));
    expect(rules.exceptions(NOON)).toEqual([{ versionKey: key, osKey: 'Windows', status: 'Deprecated' }]);
    expect([rules.dependsOnOs(key, NOON), rules.dependsOnOs(versionKey(version('9.61.0.0')), NOON)]).toEqual([
      true,
      false,
    ]);
    const supported = new VersionRules(version('9.63.0.0'), [aRelease()]);
    expect([supported.exceptions(NOON), supported.dependsOnOs(key, NOON)]).toEqual([[], false]);
  });
});

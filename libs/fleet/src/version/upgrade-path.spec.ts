import { describe, expect, it } from '@jest/globals';
import { aRelease } from '../testing/examples.js';
import type { Release } from './release.js';
import { findUpgradePath } from './upgrade-path.js';
import { parseVersion, type Version } from './version.js';
import { VersionRules } from './version-rules.js';

const version = (text: string): Version => parseVersion(text) as Version;
const releases = (texts: readonly string[], over: Partial<Release> = {}): Release[] =>
  texts.map((text) => aRelease({ version: version(text), ...over }));
const path = (from: string, target: string, catalogue: readonly Release[], osType = 'windows'): string => {
  const { steps, blockedBy } = findUpgradePath(
    version(from),
    version(target),
    { component: 'ProcessServer', osType },
    new VersionRules(version(target), catalogue),
  );
  return blockedBy ?? steps.join(' ');
};

describe('an upgrade path', () => {
  const CATALOGUE = releases(['9.16.0.0', '9.18.0.0', '9.20.0.0', '9.20.5.0', '9.22.0.0', '9.24.0.0']);

  it.each([
    ['9.24.0.0', '9.24.0.0', ''],
    ['9.24.0.1', '9.24.0.0', 'NewerThanTarget'],
    ['9.24.0.0', '9.24.0.1', '9.24.0.1'],
    ['9.20.0.0', '9.24.0.0', '9.24.0.0'],
    ['9.19.65535.0', '9.24.0.0', '9.22.0.0 9.24.0.0'],
    ['9.16.0.0', '9.24.0.0', '9.20.5.0 9.24.0.0'],
    ['9.16.0.0', '9.25.7.0', '9.20.5.0 9.24.0.0 9.25.7.0'],
    ['9.12.0.0', '9.24.0.0', '9.16.0.0 9.20.5.0 9.24.0.0'],
    ['9.11.0.0', '9.24.0.0', 'NoIntermediateRelease'],
    ['9.16.0.0', '9.29.0.0', 'NoIntermediateRelease'],
  ])('from %s to %s is %j', (from, target, expected) => {
    expect(path(from, target, CATALOGUE)).toBe(expected);
  });

  it('without a catalogue is direct, or blocked', () => {
    expect(path('9.20.0.0', '9.24.0.0', [])).toBe('9.24.0.0');
    expect(path('9.19.0.0', '9.24.0.0', [])).toBe('NoIntermediateRelease');
    expect(path('8.19.0.0', '9.0.0.0', [])).toBe('UnknownAcrossMajor');
  });

  it('leads across a major by the order of the catalogue', () => {
    const across = releases(['9.58.0.0', '9.60.0.0', '9.62.0.0', '9.63.0.0', '10.0.0.0', '10.1.0.0', '10.2.0.0']);
    expect(path('9.63.0.0', '10.2.0.0', across)).toBe('10.2.0.0');
    expect(path('9.58.0.0', '10.2.0.0', across)).toBe('10.0.0.0 10.2.0.0');
  });

  it.each([
    ['of another operating system', { osType: 'Linux' }],
    ['of another component', { component: 'ConfigurationServer' }],
  ] as const)('has no step over a release %s', (_case, over) => {
    expect(path('9.16.0.0', '9.24.0.0', releases(['9.20.0.0'], over))).toBe('NoIntermediateRelease');
  });
});

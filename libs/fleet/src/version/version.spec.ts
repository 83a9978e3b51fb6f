import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  canonicalVersion,
  compareVersions,
  earliestSupported,
  formatVersion,
  parseVersion,
  parseVersionKey,
  versionKey,
  type Version,
} from './version.js';

function version(text: string): Version {
  const parsed = parseVersion(text);
  if (!parsed) throw new Error(`not a version: ${text}`);
  return parsed;
}

const part = fc.integer({ min: 0, max: 65_535 });
const anyVersion = fc.record({ major: part, minor: part, build: part, revision: part });

it.each([
  ['09.063.07187.01', '9.63.7187.1'],
  ['9.63.7187.1', '9.63.7187.1'],
  ['not a version', 'not a version'],
])('writes %s as %s', (text, canonical) => {
  expect(canonicalVersion(text)).toBe(canonical);
});

describe('a version', () => {
  it.each([
    ['9.63.7187.1', { major: 9, minor: 63, build: 7187, revision: 1 }],
    ['0.0.0.0', { major: 0, minor: 0, build: 0, revision: 0 }],
    ['65535.65535.65535.65535', { major: 65_535, minor: 65_535, build: 65_535, revision: 65_535 }],
    ['09.063.07187.01', { major: 9, minor: 63, build: 7187, revision: 1 }],
  ])('%s is parsed into four parts', (text, parts) => {
    expect(parseVersion(text)).toEqual(parts);
  });

  it.each([
    '',
    '9',
    '9.63',
    '9.63.7187',
    '9.63.7187.1.2',
    '9.63.7187.',
    '.63.7187.1',
    '9..7187.1',
    '9.63.7187.x',
    'v9.63.7187.1',
    ' 9.63.7187.1',
    '9.63.7187.1 ',
    '9.63.7187.1\n',
    '-9.63.7187.1',
    '9.63.7187.65536',
    '9.63.7187.100000',
    '9.6e1.1.1',
    '９.63.7187.1',
  ])('%j is rejected', (text) => {
    expect(parseVersion(text)).toBeNull();
  });

  it('formatted and parsed again is equal', () => {
    fc.assert(fc.property(anyVersion, (one) => expect(parseVersion(formatVersion(one))).toEqual(one)));
  });
});

describe('the order of versions', () => {
  it.each([
    ['9.9.0.0', '9.10.0.0'],
    ['9.63.7187.1', '9.63.7187.2'],
    ['9.63.7187.9', '9.63.7187.10'],
    ['9.63.999.1', '9.63.7187.0'],
    ['9.63.7187.1', '10.0.0.0'],
    ['9.63.0.65535', '9.63.1.0'],
  ])('%s comes before %s', (earlier, later) => {
    expect(compareVersions(version(earlier), version(later))).toBeLessThan(0);
    expect(compareVersions(version(later), version(earlier))).toBeGreaterThan(0);
  });

  it('is 0 for equal versions', () => {
    expect(compareVersions(version('9.63.7187.1'), version('9.63.7187.1'))).toBe(0);
  });

  it('matches the order of the keys', () => {
    const sign = (number: number): number => Math.sign(number);
    const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
    const near = fc
      .tuple(anyVersion, anyVersion)
      .map(([a, b]): [Version, Version] => [a, { ...a, revision: b.revision, build: b.build }]);
    fc.assert(
      fc.property(fc.oneof(fc.tuple(anyVersion, anyVersion), near), ([a, b]) => {
        expect(byText(versionKey(a), versionKey(b))).toBe(sign(compareVersions(a, b)));
        expect(parseVersionKey(versionKey(a))).toEqual(a);
      }),
    );
  });

  it('uses keys of sixteen digits', () => {
    expect(versionKey(version('9.63.7187.1'))).toBe('0009003f1c130001');
    expect(versionKey(version('65535.65535.65535.65535'))).toBe('ffffffffffffffff');
  });
});

describe('the support window', () => {
  it.each([
    ['9.63.7187.1', '9.59.0.0'],
    ['9.4.1.1', '9.0.0.0'],
    ['9.3.1.1', '9.0.0.0'],
    ['9.0.0.0', '9.0.0.0'],
  ])('of %s begins at %s', (serverVersion, earliest) => {
    expect(formatVersion(earliestSupported(version(serverVersion)))).toBe(earliest);
  });
});

import { describe, expect, it } from '@jest/globals';
import { aRelease, NOON } from '../testing/examples.js';
import { formatVersion, parseVersion, type Version } from '../version/version.js';
import { newestInstallable } from './install-package.js';

const version = (text: string): Version => parseVersion(text) as Version;
const NOW = NOON;
const releases = (...texts: readonly string[]) => texts.map((text) => aRelease({ version: version(text) }));

describe('the package to install', () => {
  it.each([
    ['is released at this moment', { releasedAt: NOW }, true],
    ['is not released yet', { releasedAt: new Date(NOW.getTime() + 1) }, false],
    ['leaves its support a millisecond later', { supportEndsAt: new Date(NOW.getTime() + 1) }, true],
    ['leaves its support at this moment', { supportEndsAt: NOW }, false],
  ])('that %s: %j is %s', (_case, over, isFound) => {
    const release = aRelease({ version: version('9.62.0.0'), ...over });
    expect(newestInstallable([release], version('9.63.7187.1'), 'Windows', NOW)).toBe(isFound ? release : null);
  });

  it.each([
    ['none in an empty catalogue', [], null],
    ['the newest, in any order', ['9.9.0.0', '9.63.0.0', '9.10.0.0'], '9.63.0.0'],
    ['the version of the configuration server itself', ['9.62.0.0', '9.63.7187.1'], '9.63.7187.1'],
    ['never a newer one', ['9.62.0.0', '9.63.7187.2', '10.0.0.0'], '9.62.0.0'],
    ['none if all are newer', ['9.64.0.0'], null],
  ])('is %s', (_case, texts, expected) => {
    const found = newestInstallable(releases(...texts), version('9.63.7187.1'), 'Windows', NOW);
    expect(found && formatVersion(found.version)).toBe(expected);
  });

  it('is a process server release for the operating system', () => {
    const others = [
      aRelease({ osType: 'Linux' }),
      aRelease({ component: 'MobilityService' }),
      aRelease({ component: 'ConfigurationServer' }),
    ];
    expect(newestInstallable(others, version('9.63.7187.1'), 'Windows', NOW)).toBeNull();
    expect(newestInstallable(others, version('9.63.7187.1'), 'Linux', NOW)).toBe(others[0]);
  });
});

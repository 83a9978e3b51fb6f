import { describe, expect, it } from '@jest/globals';
import { aRelease } from '../testing/examples.js';
import type { Release } from './release.js';
import { checkVersion } from './version-policy.js';
import { parseVersion, type Version } from './version.js';
import { VersionRules } from './version-rules.js';

const version = (text: string): Version => parseVersion(text) as Version;
const SERVER_VERSION = version('9.63.7187.1');
const check = (agent: string, policy: 'same-or-earlier' | 'exact', catalogue: readonly Release[] = []) =>
  checkVersion(version(agent), 'windows', new VersionRules(SERVER_VERSION, catalogue), policy);

describe('the version policy', () => {
  it.each([
    ['9.63.7187.1', 'same-or-earlier', null],
    ['9.63.7187.0', 'same-or-earlier', null],
    ['9.10.0.0', 'same-or-earlier', null],
    ['8.10.0.0', 'same-or-earlier', null],
    ['9.63.7187.2', 'same-or-earlier', 'version_newer_than_configuration_server'],
    ['10.0.0.0', 'same-or-earlier', 'version_newer_than_configuration_server'],
    ['9.63.7187.1', 'exact', null],
    ['9.63.7187.0', 'exact', 'version_not_exact'],
    ['9.10.0.0', 'exact', 'version_not_exact'],
    ['9.63.7187.2', 'exact', 'version_newer_than_configuration_server'],
  ] as const)('checks %s under %s with the rejection %s', (agent, policy, code) => {
    expect(check(agent, policy)?.code ?? null).toBe(code);
  });

  it.each([
    ['9.67.0.0', 'same-or-earlier', [], 'configuration server first: to 9.67.0.0.'],
    [
      '9.71.0.0',
      'same-or-earlier',
      ['9.66.0.0', '9.67.1.0'],
      'configuration server first: to 9.67.1.0, then 9.71.0.0.',
    ],
    ['9.59.0.0', 'exact', [], 'process server first: to 9.63.7187.1.'],
    ['9.55.0.0', 'exact', ['9.57.0.0', '9.59.0.5'], 'process server first: to 9.59.0.5, then 9.63.7187.1.'],
    [
      '9.55.0.0',
      'exact',
      [],
      'process server first: to 9.63.7187.1, in steps of at most 4 minors; the release catalogue does not have the steps.',
    ],
  ] as const)('rejects %s under %s with the releases %j by naming the steps', (agent, policy, texts, hint) => {
    const catalogue = texts.flatMap((text) => [
      aRelease({ version: version(text) }),
      aRelease({ component: 'ConfigurationServer', osType: 'Linux', version: version(text) }),
    ]);
    expect(check(agent, policy, catalogue)?.upgradeFirst).toBe(`Upgrade the ${hint}`);
  });
});

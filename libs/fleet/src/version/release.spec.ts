import { describe, expect, it } from '@jest/globals';
import { aRelease, AN_OPERATOR, msAfter } from '../testing/examples.js';
import {
  compareReleases,
  MAX_RELEASES,
  putRelease,
  removeRelease,
  sortedFlags,
  type Release,
  type ReleaseFlag,
} from './release.js';

const EMPTY = { release: null, count: 0 };

describe('putRelease', () => {
  it('adds a release that the catalogue does not have', () => {
    const release = aRelease();
    const { result, change } = putRelease(release, AN_OPERATOR, EMPTY);
    expect(result).toEqual({ isNew: true });
    expect(change?.release).toBe(release);
    expect(change?.event).toMatchObject({
      kind: 'release_added',
      actor: 'anna',
      detail: { component: 'ProcessServer', osType: 'Windows', version: '9.62.0.0', sizeBytes: 1_000 },
    });
  });

  it('changes nothing for the same facts', () => {
    expect(putRelease(aRelease(), AN_OPERATOR, { release: aRelease(), count: 1 })).toEqual({
      result: { isNew: false },
    });
  });

  it.each([
    ['supportEndsAt', { supportEndsAt: msAfter(aRelease().supportEndsAt, 1) }],
    ['releasedAt', { releasedAt: msAfter(aRelease().releasedAt, 1) }],
    ['flags', { flags: ['Deprecated'] }],
    ['sizeBytes', { sizeBytes: 1_001 }],
    ['sha256', { sha256: 'cd'.repeat(32) }],
    ['downloadUrl', { downloadUrl: 'https://packages.example.net/other' }],
    ['packageFile', { packageFile: 'ps.exe' }],
  ] as const)('names the changed fact %s with both values', (name, over) => {
    const { result, change } = putRelease(aRelease(over), AN_OPERATOR, { release: aRelease(), count: 1 });
    expect(result).toEqual({ isNew: false });
    expect(change?.event.kind).toBe('release_changed');
    expect(Object.keys(change?.event.detail['changes'] as object)).toEqual([name]);
  });

  it.each([
    [-1, 'support_end_not_after_release'],
    [0, 'support_end_not_after_release'],
    [1, null],
  ])('with a support end %d ms after the release throws %s', (ms, code) => {
    const release = aRelease({ supportEndsAt: msAfter(aRelease().releasedAt, ms) });
    const put = (): unknown => putRelease(release, AN_OPERATOR, EMPTY);
    if (code) expect(put).toThrow(code);
    else expect(put).not.toThrow();
  });

  it('rejects a new release in a full catalogue, and changes one that is there', () => {
    expect(() => putRelease(aRelease(), AN_OPERATOR, { release: null, count: MAX_RELEASES })).toThrow(
      'release_catalogue_full',
    );
    const changed = aRelease({ sizeBytes: 5 });
    expect(putRelease(changed, AN_OPERATOR, { release: aRelease(), count: MAX_RELEASES }).change?.release).toBe(
      changed,
    );
  });
});

describe('removeRelease', () => {
  it('removes a release with its facts in the event', () => {
    const { result, change } = removeRelease(aRelease(), AN_OPERATOR, { release: aRelease(), count: 1 });
    expect(result).toEqual(aRelease());
    expect(change).toMatchObject({
      release: null,
      event: { kind: 'release_removed', detail: { version: '9.62.0.0', sizeBytes: 1_000 } },
    });
  });

  it('rejects a release that the catalogue does not have', () => {
    expect(() => removeRelease(aRelease(), AN_OPERATOR, EMPTY)).toThrow('release_not_found');
  });
});

it('sorts flags by severity, without repetitions', () => {
  const given: ReleaseFlag[] = ['Deprecated', 'SecurityUpdateRequired', 'Deprecated', 'UpdateRequired'];
  expect(sortedFlags(given)).toEqual(['SecurityUpdateRequired', 'UpdateRequired', 'Deprecated']);
});

it('orders releases by component, operating system and version', () => {
  const ordered: Release[] = [
    aRelease({ version: { major: 9, minor: 9, build: 0, revision: 0 } }),
    aRelease({ version: { major: 9, minor: 10, build: 0, revision: 0 } }),
    aRelease({ osType: 'Linux', version: { major: 1, minor: 0, build: 0, revision: 0 } }),
    aRelease({ component: 'ConfigurationServer' }),
    aRelease({ component: 'MobilityService' }),
  ];
  expect([...ordered].reverse().sort(compareReleases)).toEqual(ordered);
});

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ReleaseDto, ReleaseList } from '@app/api-contract';
import { expectProblem } from '../support/expect-problem.js';
import { TestCluster, type TestResponse } from '../support/test-cluster.js';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open({ replicas: 2 });
});
afterAll(() => cluster.close());

const BODY = {
  releasedAt: '2026-01-01T00:00:00Z',
  supportEndsAt: '2027-01-01T00:00:00Z',
  sizeBytes: 1_000,
  sha256: 'AB'.repeat(32),
  downloadUrl: 'https://packages.example.net/ps.exe',
};
const path = (version: string, place = 'ProcessServer/Windows'): string => `/v1/releases/${place}/${version}`;
const put = (
  url: string,
  over: Record<string, unknown> = {},
  replica = 0,
): Promise<TestResponse<ReleaseDto & Record<string, unknown>>> =>
  cluster.call('PUT', url, { body: { ...BODY, ...over }, authorization: cluster.admin, replica });
const remove = (url: string, replica = 0): Promise<TestResponse> =>
  cluster.call('DELETE', url, { authorization: cluster.admin, replica });
const list = async (query = '', replica = 0): Promise<string[]> =>
  (await cluster.read<ReleaseList>(`/v1/releases${query}`, replica)).body.items.map(
    ({ component, osType, version }) => `${component} ${osType} ${version}`,
  );
const eventsOf = async (kind: string): Promise<Record<string, unknown>[]> =>
  (await cluster.read<{ items: Record<string, unknown>[] }>(`/v1/events?kind=${kind}&limit=1000`)).body.items;

describe('a release', () => {
  it('is added once, changed, listed by every replica and removed, with one event for each change', async () => {
    const added = await put(path('09.062.0.0'));
    expect([added.status, added.body]).toEqual([
      201,
      {
        component: 'ProcessServer',
        osType: 'Windows',
        version: '9.62.0.0',
        releasedAt: '2026-01-01T00:00:00.000Z',
        supportEndsAt: '2027-01-01T00:00:00.000Z',
        flags: [],
        sizeBytes: 1_000,
        sha256: 'ab'.repeat(32),
        downloadUrl: BODY.downloadUrl,
        packageFile: null,
      },
    ]);
    const before = await cluster.fingerprint();
    const again = await put(path('9.62.0.0'), { flags: null, sha256: 'ab'.repeat(32) }, 1);
    expect([again.status, again.body]).toEqual([200, added.body]);
    expect(await cluster.fingerprint()).toBe(before);

    const flags = ['Deprecated', 'SecurityUpdateRequired'];
    const changed = await put(path('9.62.0.0'), { flags }, 1);
    expect([changed.status, changed.body.flags]).toEqual([200, ['SecurityUpdateRequired', 'Deprecated']]);
    for (const replica of [0, 1])
      expect((await cluster.read<ReleaseList>('/v1/releases', replica)).body.items).toEqual([changed.body]);

    const removed = await remove(path('9.62.0.0'));
    expect([removed.status, removed.body]).toEqual([200, changed.body]);
    for (const replica of [0, 1]) expect(await list('', replica)).toEqual([]);
    expectProblem(await remove(path('9.62.0.0'), 1), 'release_not_found');

    expect(await eventsOf('release_added')).toMatchObject([
      { actor: 'operator:admin', detail: { version: '9.62.0.0', flags: [] } },
    ]);
    expect(await eventsOf('release_changed')).toMatchObject([
      { detail: { changes: { flags: { from: [], to: ['SecurityUpdateRequired', 'Deprecated'] } } } },
    ]);
    expect(await eventsOf('release_removed')).toMatchObject([{ detail: { version: '9.62.0.0' } }]);
  });

  it('is added once by ten calls at the same moment', async () => {
    const before = (await eventsOf('release_added')).length;
    const calls = await Promise.all(Array.from({ length: 10 }, (_, n) => put(path('9.50.0.0'), {}, n % 2)));
    expect(calls.map(({ status }) => status).sort()).toEqual([...Array<number>(9).fill(200), 201]);
    expect(await eventsOf('release_added')).toHaveLength(before + 1);
    await remove(path('9.50.0.0'));
  });

  it('is listed in pages, by component, operating system and version', async () => {
    const keys = [
      'ProcessServer Windows 9.9.0.0',
      'ProcessServer Windows 9.10.0.0',
      'ProcessServer Linux 9.8.0.0',
      'ConfigurationServer Windows 9.63.7187.1',
      'MobilityService Linux 9.1.0.0',
    ];
    for (const key of [...keys].reverse()) {
      const [component, osType, version = ''] = key.split(' ');
      await put(path(version, `${component}/${osType}`));
    }
    expect(await list()).toEqual(keys);
    expect(await list('?component=ProcessServer&osType=Windows')).toEqual(keys.slice(0, 2));
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const url: string = `/v1/releases?limit=2${cursor && `&cursor=${cursor}`}`;
      const { body }: TestResponse<ReleaseList> = await cluster.read(url);
      seen.push(...body.items.map(({ component, osType, version }) => `${component} ${osType} ${version}`));
      cursor = body.nextCursor;
    }
    expect(seen).toEqual(keys);
    expectProblem(await cluster.read('/v1/releases?cursor=made-up'), 'invalid_cursor');
  });
});

describe('a change of the catalogue is rejected, and nothing is written,', () => {
  it.each([
    ['without a release time', { releasedAt: undefined }, 'releasedAt'],
    ['with a release time that is none', { releasedAt: '2026-02-30T00:00:00Z' }, 'releasedAt'],
    ['without a support end', { supportEndsAt: undefined }, 'supportEndsAt'],
    ['with an unknown flag', { flags: ['Broken'] }, 'flags'],
    ['with a flag twice', { flags: ['Deprecated', 'Deprecated'] }, 'flags'],
    ['with a flag as text', { flags: 'Deprecated' }, 'flags'],
    ['with a size of 0', { sizeBytes: 0 }, 'sizeBytes'],
    ['with a size as text', { sizeBytes: '1' }, 'sizeBytes'],
    ['with a size that is no integer', { sizeBytes: 1.5 }, 'sizeBytes'],
    ['with a short checksum', { sha256: 'ab' }, 'sha256'],
    ['with a checksum that is none', { sha256: 'xy'.repeat(32) }, 'sha256'],
    ['with a file URL', { downloadUrl: 'file:///etc/passwd' }, 'downloadUrl'],
    ['with a relative URL', { downloadUrl: '/ps.exe' }, 'downloadUrl'],
    ['with a password in the URL', { downloadUrl: 'https://user:secret@packages.example.net/' }, 'downloadUrl'],
    ['with a line break in the URL', { downloadUrl: 'https://packages.example.net/\n' }, 'downloadUrl'],
    ['without a place of the package', { downloadUrl: undefined }, 'downloadUrl'],
    ['with two places of the package', { packageFile: 'ps.exe' }, 'downloadUrl'],
    ['with a path as file', { downloadUrl: undefined, packageFile: '../ps.exe' }, 'packageFile'],
    ['with an absolute path as file', { downloadUrl: undefined, packageFile: '/etc/passwd' }, 'packageFile'],
    ['with a backslash in the file name', { downloadUrl: undefined, packageFile: 'a\\b' }, 'packageFile'],
    ['with a dot as file', { downloadUrl: undefined, packageFile: '..' }, 'packageFile'],
    ['with a hidden file', { downloadUrl: undefined, packageFile: '.ps' }, 'packageFile'],
    ['with a NUL in the file name', { downloadUrl: undefined, packageFile: 'ps\u0000' }, 'packageFile'],
    ['with an unknown member', { colour: 'red' }, 'colour'],
  ])('%s', async (_case, over, field) => {
    const before = await cluster.fingerprint();
    const response = await put(path('9.62.0.0'), over);
    expectProblem(response, 'validation_failed');
    expect(response.body['errors']).toMatchObject([{ field }]);
    expect(await cluster.fingerprint()).toBe(before);
  });

  it.each([
    ['ProcessServer/Windows/9.62', 'version'],
    ['ProcessServer/Windows/9.62.0.65536', 'version'],
    ['ProcessServer/windows/9.62.0.0', 'osType'],
    ['ProcessServer/Solaris/9.62.0.0', 'osType'],
    ['Agent/Windows/9.62.0.0', 'component'],
  ])('for %s', async (place, field) => {
    const before = await cluster.fingerprint();
    for (const response of [await put(`/v1/releases/${place}`), await remove(`/v1/releases/${place}`)]) {
      expectProblem(response as TestResponse, 'validation_failed');
      expect(response.body['errors']).toMatchObject([{ field }]);
    }
    expect(await cluster.fingerprint()).toBe(before);
  });

  it.each(['2026-01-01T00:00:00Z', '2025-12-31T23:59:59.999Z', '2026-01-01T00:00:00.0009Z'])(
    'with support that ends at %s, not after the release',
    async (supportEndsAt) => {
      const before = await cluster.fingerprint();
      const response = await put(path('9.62.0.0'), { supportEndsAt });
      expectProblem(response, 'support_end_not_after_release');
      expect(response.body['errors']).toMatchObject([{ field: 'supportEndsAt' }]);
      expect(await cluster.fingerprint()).toBe(before);
    },
  );
});

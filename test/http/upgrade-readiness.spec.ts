import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { UpgradeReadinessResponse } from '@app/api-contract';
import { expectProblem } from '../support/expect-problem.js';
import { TestCluster } from '../support/test-cluster.js';

const OURS = '9.63.7187.1';
const DAY_MS = 24 * 3_600_000;
/** The digit of the host id, the version and the operating system of each process server. */
const FLEET = [
  ['1', OURS, 'Windows'],
  ['2', '9.60.0.0', 'Windows'],
  ['3', '9.56.0.0', 'windows'],
  ['4', '9.56.0.0', 'Linux'],
  ['5', '8.0.0.0', 'Windows'],
] as const;
const hostIdOf = (digit: string): string => `00000000-0000-4000-8000-00000000000${digit}`;

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open({ replicas: 2 });
  await cluster.recordAvailability();
  for (const [digit, agentVersion, osType] of FLEET)
    await cluster.registered(
      { agentVersion, osType, machineId: digit, friendlyName: `ps-${digit}`, ipAddress: `192.0.2.${digit}` },
      hostIdOf(digit),
    );
  await put('ProcessServer/Windows/9.60.0.0', 60);
});
afterAll(() => cluster.close());

/** Adds a release whose support ends after this many days. */
async function put(path: string, days: number): Promise<void> {
  const at = cluster.clock.now().getTime();
  await cluster.call('PUT', `/v1/releases/${path}`, {
    body: {
      releasedAt: new Date(at - DAY_MS).toISOString(),
      supportEndsAt: new Date(at + days * DAY_MS).toISOString(),
      sizeBytes: 1_000,
      sha256: 'ab'.repeat(32),
      downloadUrl: 'https://packages.example.net/ps.exe',
    },
    authorization: cluster.admin,
  });
}
const readiness = async (query = '', replica = 0): Promise<UpgradeReadinessResponse> =>
  (await cluster.read<UpgradeReadinessResponse>(`/v1/fleet/upgrade-readiness${query}`, replica)).body;
const brief = ({ items }: UpgradeReadinessResponse): (string | boolean | null)[][] =>
  items.map((item) => [
    item.friendlyName,
    item.readiness,
    item.upgradePath.join(' '),
    item.upgradeBlockReason,
    item.leavesSupportSoon,
  ]);

describe('the upgrade readiness of the fleet', () => {
  it('has the path or the block of each process server, the counts, and the releases that leave their support', async () => {
    const answer = await readiness();
    expect(brief(answer)).toEqual([
      ['ps-1', 'UpToDate', '', null, false],
      ['ps-2', 'Direct', OURS, null, true],
      ['ps-3', 'InSteps', `9.60.0.0 ${OURS}`, null, false],
      ['ps-4', 'Blocked', '', 'NoIntermediateRelease', false],
      ['ps-5', 'Blocked', '', 'UnknownAcrossMajor', false],
    ]);
    const supportEndsAt = new Date(cluster.clock.now().getTime() + 60 * DAY_MS).toISOString();
    expect(answer).toMatchObject({
      target: OURS,
      order: ['ConfigurationServer', 'ProcessServer', 'MobilityService'],
      configurationServer: { version: OURS, readiness: 'UpToDate', upgradePath: [], upgradeBlockReason: null },
      counts: { UpToDate: 1, Direct: 1, InSteps: 1, Blocked: 2 },
      leavingSupport: [{ version: '9.60.0.0', osType: 'Windows', supportEndsAt, processServerCount: 1 }],
      nextCursor: null,
      asOf: cluster.clock.now().toISOString(),
    });
    expect(answer.items[1]).toMatchObject({ versionStatus: 'Supported', agentExpiryDate: supportEndsAt });
    expect(await readiness('', 1)).toEqual(answer);
  });

  it('is for the target of the query', async () => {
    const earlier = await readiness('?target=9.60.0.0');
    expect(brief(earlier).map(([, state, , reason]) => reason ?? state)).toEqual([
      'NewerThanTarget',
      'UpToDate',
      'Direct',
      'Direct',
      'UnknownAcrossMajor',
    ]);
    expect(earlier.configurationServer.readiness).toBe('UpToDate');
    const blocked = await readiness('?target=9.68.0.0');
    expect(blocked.configurationServer).toMatchObject({
      readiness: 'Blocked',
      upgradeBlockReason: 'NoIntermediateRelease',
    });
    expect(blocked.counts).toEqual({ UpToDate: 0, Direct: 0, InSteps: 0, Blocked: 5 });
    expect((await readiness('?target=09.060.0.0')).target).toBe('9.60.0.0');
  });

  it('is for the latest release by default, on every replica at once', async () => {
    await put('ConfigurationServer/Linux/9.64.0.0', 400);
    for (const replica of [0, 1]) {
      const { target, configurationServer, counts } = await readiness('', replica);
      expect([target, configurationServer.upgradePath]).toEqual(['9.64.0.0', ['9.64.0.0']]);
      expect(counts).toEqual({ UpToDate: 0, Direct: 2, InSteps: 1, Blocked: 2 });
    }
    await cluster.call('DELETE', '/v1/releases/ConfigurationServer/Linux/9.64.0.0', { authorization: cluster.admin });
  });

  it('blocks a Decommissioned process server, and counts it so', async () => {
    const server = await cluster.registered(
      { machineId: '6', friendlyName: 'ps-6', ipAddress: '192.0.2.6' },
      hostIdOf('6'),
    );
    expect((await readiness()).counts).toMatchObject({ UpToDate: 2, Blocked: 2 });
    await cluster.unregister(server);
    const answer = await readiness();
    expect(answer.counts).toMatchObject({ UpToDate: 1, Blocked: 3 });
    expect(answer.items.at(-1)).toMatchObject({ readiness: 'Blocked', upgradeBlockReason: 'Decommissioned' });
  });

  it('is paged, with the counts of all', async () => {
    const all = await readiness();
    const first = await readiness('?limit=2');
    const second = await readiness(`?limit=1000&cursor=${first.nextCursor}`);
    expect([...first.items, ...second.items]).toEqual(all.items);
    expect([first.counts, second.counts, second.nextCursor]).toEqual([all.counts, all.counts, null]);
    const { body } = await cluster.read<{ nextCursor: string }>('/v1/fleet/capacity?limit=1');
    for (const query of [`?cursor=${body.nextCursor}`, `?target=9.60.0.0&cursor=${first.nextCursor}`])
      expectProblem(await cluster.read(`/v1/fleet/upgrade-readiness${query}`), 'invalid_cursor');
  });

  it.each([
    ['target', 'newest'],
    ['target', ''],
    ['target', '9.63'],
    ['target', '9.63.7187.65536'],
    ['target', '9.63.7187.1&target=9.62.0.0'],
    ['limit', '0'],
    ['limit', '1001'],
    ['version', '9.63.7187.1'],
  ])('rejects %s=%s', async (field, value) => {
    const response = await cluster.read(`/v1/fleet/upgrade-readiness?${field}=${value}`);
    expectProblem(response, 'validation_failed');
    expect(response.body).toMatchObject({ errors: [{ field }] });
  });
});

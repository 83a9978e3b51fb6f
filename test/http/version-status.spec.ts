import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ReleaseStore } from '@app/fleet-mysql';
import type { FleetResponse, ProcessServerDetail, ProcessServerList } from '@app/api-contract';
import { TestCluster, type KnownServer, type TestResponse } from '../support/test-cluster.js';

const REPLICAS = [0, 1] as const;
const VERSION = '9.62.1.1';

let cluster: TestCluster;
let windows: KnownServer;
let linux: KnownServer;
beforeAll(async () => {
  cluster = await TestCluster.open({ replicas: REPLICAS.length });
  await cluster.recordAvailability();
  windows = await cluster.registered({ agentVersion: VERSION, machineId: 'w', friendlyName: 'w' });
  linux = await cluster.registered({ agentVersion: VERSION, machineId: 'l', friendlyName: 'l', osType: 'linux' });
});
afterAll(() => cluster.close());
afterEach(async () => {
  await cluster.call('DELETE', `/v1/releases/ProcessServer/Windows/${VERSION}`, { authorization: cluster.admin });
});

const put = (over: Record<string, unknown>): Promise<TestResponse> =>
  cluster.call('PUT', `/v1/releases/ProcessServer/Windows/${VERSION}`, {
    body: {
      releasedAt: '2026-01-01T00:00:00Z',
      supportEndsAt: '2030-01-01T00:00:00Z',
      sizeBytes: 1_000,
      sha256: 'ab'.repeat(32),
      downloadUrl: 'https://packages.example.net/ps.exe',
      ...over,
    },
    authorization: cluster.admin,
  });
const refreshCatalogues = (): Promise<unknown> =>
  Promise.all(REPLICAS.map((number) => cluster.replica(number).http.get(ReleaseStore).current()));

/** The status in every answer of a replica that shows it. */
async function statuses(server: KnownServer, replica: number): Promise<Record<string, unknown>> {
  const detail = await cluster.read<ProcessServerDetail>(`/v1/process-servers/${server.hostId}`, replica);
  const status = detail.body.versionStatus;
  const list = await cluster.read<ProcessServerList>(`/v1/process-servers?versionStatus=${status}`, replica);
  const diagnosis = await cluster.read(`/v1/process-servers/${server.hostId}/diagnosis`, replica);
  const item = list.body.items.find(({ hostId }) => hostId === server.hostId);
  return { detail: status, item: item?.versionStatus, diagnosis: diagnosis.body['versionStatus'] };
}

async function expectStatus(server: KnownServer, status: string): Promise<void> {
  for (const replica of REPLICAS)
    expect(await statuses(server, replica)).toEqual({ detail: status, item: status, diagnosis: status });
  await refreshCatalogues();
  for (const replica of [...REPLICAS, ...REPLICAS]) {
    const { body } = await cluster.heartbeat(server, { agentVersion: VERSION }, replica);
    expect([body.versionStatus, body.instruction]).toEqual([status, status === 'Supported' ? 'none' : 'upgrade']);
  }
}

describe('the version status', () => {
  it.each([
    [[], 'Supported'],
    [['Deprecated'], 'Deprecated'],
    [['Deprecated', 'UpdateRequired'], 'UpdateRequired'],
    [['Deprecated', 'UpdateRequired', 'SecurityUpdateRequired'], 'SecurityUpdateRequired'],
  ])(
    'of a release with the flags %j is %s in every answer of every replica, for its operating system',
    async (flags, status) => {
      await put({ flags });
      await expectStatus(windows, status);
      await expectStatus(linux, 'Supported');
    },
  );

  it('is NotSupported from the end of the support on, and counted so', async () => {
    const supportEndsAt = new Date(cluster.clock.now().getTime() + 30_000);
    await put({ supportEndsAt: supportEndsAt.toISOString(), flags: ['Deprecated'] });
    await cluster.advance(29.999);
    await expectStatus(windows, 'Deprecated');
    await cluster.advance(0.001);
    expect(cluster.clock.now()).toEqual(supportEndsAt);
    await expectStatus(windows, 'NotSupported');
    const { body } = await cluster.read<FleetResponse>('/v1/fleet', 1);
    expect(body.versionStatus).toMatchObject({ Supported: 1, NotSupported: 1, Deprecated: 0 });
  });

  it('has a reason, an expiry and an upgrade path in the detail', async () => {
    const details = async (server: KnownServer): Promise<unknown> =>
      (await cluster.read<ProcessServerDetail>(`/v1/process-servers/${server.hostId}`)).body.agentVersionDetails;
    const direct = {
      version: VERSION,
      updateAvailable: true,
      upgradePath: ['9.63.7187.1'],
      upgradeBlockReason: null,
    };
    await put({ flags: ['Deprecated'] });
    const expiryDate = '2030-01-01T00:00:00.000Z';
    expect(await details(windows)).toEqual({ ...direct, expiryDate, status: 'Deprecated', statusReason: 'Flagged' });
    const { body } = await cluster.read<ProcessServerList>('/v1/process-servers');
    expect(body.items.map(({ hostId, agentExpiryDate }) => [hostId, agentExpiryDate]).sort()).toEqual(
      [
        [windows.hostId, expiryDate],
        [linux.hostId, null],
      ].sort(),
    );
    const supported = { expiryDate: null, status: 'Supported', statusReason: 'WithinSupport' };
    expect(await details(linux)).toEqual({ ...direct, ...supported });
    const old = await cluster.registered({ agentVersion: '9.50.0.0', machineId: 'o', friendlyName: 'o' });
    expect(await details(old)).toEqual({
      version: '9.50.0.0',
      expiryDate: null,
      status: 'NotSupported',
      statusReason: 'OutsideSupportWindow',
      updateAvailable: true,
      upgradePath: [],
      upgradeBlockReason: 'NoIntermediateRelease',
    });
  });

  it('is in the answer to a registration, with a warning after the end of the support', async () => {
    await put({ supportEndsAt: cluster.clock.now().toISOString() });
    await refreshCatalogues();
    const { body } = await cluster.register(windows.hostId, {
      agentVersion: VERSION,
      machineId: 'w',
      friendlyName: 'w',
    });
    expect(body.versionStatus).toBe('NotSupported');
    expect(body.warnings.map(({ code }) => code)).toContain('version_not_supported');
    windows = { ...windows, generation: body.generation, credential: body.credential };
  });
});

import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { portalFieldRows } from '../support/portal-fields.js';
import { TestCluster, type KnownServer, type TestResponse } from '../support/test-cluster.js';

const LOAD = {
  cpuPercent: 10,
  totalMemoryBytes: 100,
  availableMemoryBytes: 50,
  totalCacheBytes: 100,
  freeCacheBytes: 50,
  throughputBytesPerSecond: 1_000,
  pendingUploadBytes: 0,
};
const REPORT = {
  load: LOAD,
  services: [{ name: 'cxps', state: 'running' }],
  certificateExpiresAt: '2020-01-01T00:00:00Z',
  protectedMachineCount: 3,
  replicationPairCount: 4,
};

let cluster: TestCluster;
let server: KnownServer;
beforeAll(async () => {
  cluster = await TestCluster.open();
});
afterAll(() => cluster.close());
beforeEach(async () => {
  await cluster.database.empty();
  await cluster.recordAvailability();
  server = await cluster.registered();
});
const detail = (): Promise<TestResponse> => cluster.read(`/v1/process-servers/${server.hostId}`);

/** The value at a path; of a list, in its first item. */
const valueAt = (body: unknown, path: string): unknown =>
  path
    .replaceAll('[]', '.0')
    .split('.')
    .reduce<unknown>((value, name) => (value as Record<string, unknown> | null)?.[name], body);

it('the detail has a value for each field of the portal that is ours', async () => {
  const release = await cluster.call('PUT', '/v1/releases/ProcessServer/Windows/9.63.7187.1', {
    body: {
      releasedAt: '2026-01-01T00:00:00Z',
      supportEndsAt: '2030-01-01T00:00:00Z',
      sizeBytes: 1_000,
      sha256: 'ab'.repeat(32),
      downloadUrl: 'https://packages.example.net/ps.exe',
    },
    authorization: cluster.admin,
  });
  expect(release.status).toBe(201);
  await cluster.heartbeat(server, REPORT);
  const { body } = await detail();
  const paths = portalFieldRows().flatMap(({ path }) => path ?? []);
  expect(paths.filter((path) => valueAt(body, path) === null || valueAt(body, path) === undefined)).toEqual([]);
});

it('reports show their age, which an outage of the service does not increase and the entity tag omits', async () => {
  await cluster.heartbeat(server, REPORT);
  const ages = (seconds: number): object => ({
    load: expect.objectContaining({ ageSeconds: seconds, cpuStatus: 'Healthy' }),
    servicesAgeSeconds: seconds,
    certificateAgeSeconds: seconds,
  });
  const first = await detail();
  expect(first.body).toMatchObject(ages(0));
  await cluster.advance(30);
  const second = await detail();
  expect(second.body).toMatchObject(ages(30));
  expect(second.headers['etag']).toBe(first.headers['etag']);
  await cluster.simulateOutage(3_600);
  const { ageSeconds } = (await detail()).body['load'] as { ageSeconds: number };
  expect(ageSeconds).toBeGreaterThanOrEqual(30);
  expect(ageSeconds).toBeLessThanOrEqual(45);
});

it('old values stay visible with their age, and their status is Unknown', async () => {
  await cluster.heartbeat(server, REPORT);
  const fresh = await detail();
  await cluster.report(server, {}, 900);
  await cluster.heartbeat(server);
  const old = await detail();
  expect(old.body).toMatchObject({
    connectionState: 'Connected',
    health: 'None',
    load: { ...LOAD, ageSeconds: 900, cpuStatus: 'Unknown', memoryStatus: 'Unknown', cacheStatus: 'Unknown' },
    services: REPORT.services,
    servicesAgeSeconds: 900,
    servicesStatus: 'Unknown',
    certificateExpiresAt: '2020-01-01T00:00:00.000Z',
    certificateAgeSeconds: 900,
    certificateStatus: 'Unknown',
  });
  expect(old.headers['etag']).not.toBe(fresh.headers['etag']);
});

it('a report that was never sent has no age', async () => {
  await cluster.heartbeat(server);
  expect((await detail()).body).toMatchObject({ load: null, servicesAgeSeconds: null, certificateAgeSeconds: null });
});

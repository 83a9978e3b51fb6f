import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { TestCluster, type HeartbeatBody, type KnownServer } from '../support/test-cluster.js';

const MEMBERS = [
  'cpuPercent',
  'totalMemoryBytes',
  'availableMemoryBytes',
  'totalCacheBytes',
  'freeCacheBytes',
  'throughputBytesPerSecond',
  'pendingUploadBytes',
] as const;

interface Accepted extends HeartbeatBody {
  readonly ignored?: readonly { readonly field: string }[];
}

describe.each(['on', 'off'])('a load with an unusable value, with HEARTBEAT_FAST_PATH=%s', (fastPath) => {
  let cluster: TestCluster;
  let server: KnownServer;
  beforeAll(async () => {
    cluster = await TestCluster.open({ settings: { HEARTBEAT_FAST_PATH: fastPath } });
  });
  afterAll(() => cluster.close());
  beforeEach(async () => {
    await cluster.database.empty();
    await cluster.recordAvailability();
    server = await cluster.registered();
  });

  /** Sends a load as JSON text, and returns the ignored members as the response and the diagnosis name them. */
  async function sendLoad(load: string): Promise<readonly [status: number, ignored: string[], stored: unknown]> {
    const path = `/v1/process-servers/${server.hostId}`;
    const { status, body } = await cluster.call<Accepted>('POST', `${path}/heartbeats`, {
      body: `{"generation":1,"load":${load}}`,
      headers: { 'content-type': 'application/json' },
      authorization: `Bearer ${server.credential}`,
    });
    const diagnosis = await cluster.read<{ ignoredFields: unknown }>(`${path}/diagnosis`);
    return [status, (body.ignored ?? []).map(({ field }) => field), diagnosis.body.ignoredFields];
  }
  const storedLoad = async (): Promise<unknown> =>
    (await cluster.read<{ load: unknown }>(`/v1/process-servers/${server.hostId}`)).body.load;

  it.each(MEMBERS)('%s that is negative, infinite or too large is unknown, and named', async (member) => {
    for (const value of ['-1', '-1e-3', '1e999', '-1e999', '9007199254740992'])
      expect([value, ...(await sendLoad(`{"${member}":${value}}`))]).toEqual([
        value,
        200,
        [`load.${member}`],
        [`load.${member}`],
      ]);
    expect(await storedLoad()).toMatchObject({ [member]: null });
  });

  it.each<[string, string, string[], object]>([
    [
      'available memory above the total',
      '{"totalMemoryBytes":10,"availableMemoryBytes":11}',
      ['load.availableMemoryBytes'],
      { totalMemoryBytes: 10, availableMemoryBytes: null, memoryStatus: 'Unknown' },
    ],
    [
      'free cache above the total',
      '{"freeCacheBytes":11,"totalCacheBytes":10}',
      ['load.freeCacheBytes'],
      { totalCacheBytes: 10, freeCacheBytes: null, cacheStatus: 'Unknown' },
    ],
    [
      'both above their totals',
      '{"freeCacheBytes":1,"totalCacheBytes":0,"totalMemoryBytes":10,"availableMemoryBytes":9007199254740991,"cpuPercent":5}',
      ['load.freeCacheBytes', 'load.availableMemoryBytes'],
      { cpuPercent: 5, cpuStatus: 'Healthy', memoryStatus: 'Unknown', cacheStatus: 'Unknown' },
    ],
    [
      'parts that equal their totals',
      '{"totalMemoryBytes":10,"availableMemoryBytes":10,"totalCacheBytes":7,"freeCacheBytes":7}',
      [],
      { availableMemoryBytes: 10, memoryStatus: 'Healthy', freeCacheBytes: 7, cacheStatus: 'Healthy' },
    ],
    [
      'totals of zero',
      '{"totalMemoryBytes":0,"availableMemoryBytes":0,"totalCacheBytes":0,"freeCacheBytes":0}',
      [],
      { availableMemoryBytes: 0, memoryStatus: 'Unknown', freeCacheBytes: 0, cacheStatus: 'Unknown' },
    ],
    [
      'parts without a total',
      '{"availableMemoryBytes":10,"freeCacheBytes":7}',
      [],
      { availableMemoryBytes: 10, memoryStatus: 'Unknown', freeCacheBytes: 7, cacheStatus: 'Unknown' },
    ],
  ])('%s', async (_what, load, named, stored) => {
    await sendLoad('{"totalMemoryBytes":8,"availableMemoryBytes":4,"totalCacheBytes":8,"freeCacheBytes":4}');
    expect(await sendLoad(load)).toEqual([200, named, named]);
    expect(await storedLoad()).toMatchObject(stored);
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { FleetSummaryQuery } from '@app/fleet-mysql';
import { Database } from '../../libs/fleet-mysql/src/database.js';
import { fixedFraction } from '../support/manual-clock.js';
import { TestCluster, type KnownServer } from '../support/test-cluster.js';
import { OUR_RULES } from '../support/test-stores.js';

const LOAD = {
  cpuPercent: 10,
  totalMemoryBytes: 100,
  availableMemoryBytes: 50,
  totalCacheBytes: 100,
  freeCacheBytes: 50,
  throughputBytesPerSecond: 1_000,
  pendingUploadBytes: 0,
};
const RUNNING = [{ name: 'cxps', state: 'running' }];
const STOPPED = [{ name: 'cxps', state: 'stopped' }];
const DAY_MS = 86_400_000;

let cluster: TestCluster;
let server: KnownServer;
let database: Database;
/** Without the cache of `GET /v1/fleet`. */
let counter: FleetSummaryQuery;
beforeAll(async () => {
  cluster = await TestCluster.open();
  database = new Database(cluster.database.address, fixedFraction(0), { connections: 1, lockWaitSeconds: 3 });
  counter = new FleetSummaryQuery(database, cluster.clock, OUR_RULES);
});
afterAll(async () => {
  await database.close();
  await cluster.close();
});
beforeEach(async () => {
  await cluster.database.empty();
  await cluster.recordAvailability();
  server = await cluster.registered();
});

interface Detail {
  readonly health: string;
  readonly load: {
    readonly cpuPercent: number | null;
    readonly cpuStatus: string;
    readonly memoryStatus: string;
    readonly cacheStatus: string;
  } | null;
  readonly services: readonly unknown[] | null;
  readonly servicesStatus: string;
  readonly servicesReportedAt: string | null;
  readonly servicesDownSince: string | null;
  readonly certificateExpiresAt: string | null;
  readonly certificateReportedAt: string | null;
  readonly certificateStatus: string;
  readonly healthErrors: readonly {
    readonly errorCode: string;
    readonly errorLevel: string;
    readonly creationTimeUtc: string;
  }[];
}
const now = (): string => cluster.clock.now().toISOString();
const after = (ms: number): string => new Date(cluster.clock.now().getTime() + ms).toISOString();
const detail = async (): Promise<Detail> => (await cluster.read<Detail>(`/v1/process-servers/${server.hostId}`)).body;
const sinces = async (): Promise<string[][]> =>
  (await detail()).healthErrors.map(({ errorCode, errorLevel, creationTimeUtc }) => [
    errorCode,
    errorLevel,
    creationTimeUtc,
  ]);
const heartbeat = async (over: Record<string, unknown> = {}): Promise<void> => {
  expect((await cluster.heartbeat(server, over)).status).toBe(200);
};

/** The health in the entry, the list, each filter and the counts, which must agree. */
async function health(): Promise<string> {
  const { health: one } = await detail();
  const listed = async (query: string): Promise<string[]> =>
    (await cluster.read<{ items: { health: string }[] }>(`/v1/process-servers${query}`)).body.items.map(
      (item) => item.health,
    );
  expect(await listed('')).toEqual([one]);
  for (const each of ['None', 'Normal', 'Warning', 'Critical'])
    expect([each, await listed(`?health=${each}`)]).toEqual([each, each === one ? [one] : []]);
  const { numbers } = await counter.count();
  expect(numbers.health).toEqual({ None: 0, Normal: 0, Warning: 0, Critical: 0, [one]: 1 });
  return one;
}

describe('a value has the same health in the entry, the list, the filters and the counts', () => {
  it.each([
    [80.00000000000001, 80, 'Normal'],
    [95.00000000000001, 95, 'Warning'],
    [95.005, 95.01, 'Critical'],
  ])('of a CPU load of %d %%', async (cpuPercent, stored, expected) => {
    await cluster.report(server, { load: { ...LOAD, cpuPercent } }, 900);
    await heartbeat({ load: { ...LOAD, cpuPercent } });
    expect([await health(), (await detail()).load?.cpuPercent]).toEqual([expected, stored]);
  });

  it.each([
    { totalCacheBytes: 600_000_000, freeCacheBytes: 30_000_000_000 },
    { totalCacheBytes: 100, freeCacheBytes: 101 },
  ])('of more free than total cache: %j', async (cache) => {
    await heartbeat({ load: { ...LOAD, availableMemoryBytes: Number.MAX_SAFE_INTEGER, ...cache } });
    expect(await health()).toBe('None');
    expect(await detail()).toMatchObject({
      load: { memoryStatus: 'Unknown', cacheStatus: 'Unknown', cpuStatus: 'Healthy' },
    });
  });

  it('of reports that are 15 minutes old, although heartbeats continue', async () => {
    await heartbeat({ load: LOAD, services: STOPPED, certificateExpiresAt: after(-1) });
    expect(await health()).toBe('Critical');
    for (let minutes = 0; minutes < 14; minutes += 1) {
      await cluster.advance(60);
      await heartbeat({ load: LOAD });
    }
    expect(await health()).toBe('Critical');
    await cluster.advance(60);
    await heartbeat({ load: LOAD });
    expect(await health()).toBe('Normal');
    expect(await detail()).toMatchObject({ servicesStatus: 'Unknown', certificateStatus: 'Unknown', healthErrors: [] });
  });

  it('of services that are down for 15 minutes', async () => {
    const downSince = now();
    for (let minutes = 0; minutes < 15; minutes += 1) {
      await heartbeat({ load: LOAD, services: minutes % 2 ? [] : STOPPED });
      expect((await detail()).healthErrors).toEqual([]);
      await cluster.advance(60);
    }
    await heartbeat({ load: LOAD, services: [] });
    expect(await health()).toBe('Normal');
    await heartbeat({ load: LOAD, services: STOPPED });
    expect(await health()).toBe('Warning');
    await heartbeat({ load: LOAD, services: [] });
    expect(await health()).toBe('Warning');
    expect(await sinces()).toEqual([['services_not_running', 'Warning', downSince]]);
    expect((await detail()).healthErrors).toEqual([
      expect.objectContaining({
        errorCategory: 'Services',
        errorSource: 'ProcessServer',
        entityId: server.hostId,
        errorMessage: expect.any(String),
        possibleCauses: expect.any(String),
        customerResolvability: 'Allowed',
      }),
    ]);
    await cluster.report(server, { load: LOAD, services: RUNNING }, 300);
    expect(await health()).toBe('Warning');
    await heartbeat({ load: LOAD, services: RUNNING });
    expect(await health()).toBe('Normal');
    expect(await detail()).toMatchObject({ servicesDownSince: null });
  });

  it('of a Disconnected server', async () => {
    await heartbeat({ load: { ...LOAD, cpuPercent: 99 }, services: STOPPED, certificateExpiresAt: after(-1) });
    await cluster.advance(179);
    expect(await health()).toBe('Critical');
    await cluster.advance(1);
    expect(await health()).toBe('None');
    expect(await detail()).toMatchObject({
      load: { cpuPercent: 99, cpuStatus: 'Unknown', memoryStatus: 'Unknown' },
      services: STOPPED,
      servicesStatus: 'Unknown',
      certificateStatus: 'Unknown',
      healthErrors: [],
    });
    await cluster.advance(720);
    expect(await health()).toBe('Critical');
    expect((await detail()).healthErrors.map(({ errorCode }) => errorCode)).toEqual(['heartbeat_missing']);
    await heartbeat();
    expect(await health()).toBe('None');
  });
});

describe('creationTimeUtc of an error', () => {
  it('of the load stays while the problem lasts, even if its level changes', async () => {
    const since = now();
    for (const [cpuPercent, seconds, levels] of [
      [85, 810, []],
      [99, 90, ['Warning']],
      [99, 720, ['Warning']],
      [99, 90, ['Critical']],
      [81, 270, ['Critical']],
      [81, 90, ['Warning']],
      [10, 270, ['Warning']],
    ] as const) {
      await cluster.report(server, { load: { ...LOAD, cpuPercent } }, seconds);
      await heartbeat({ load: { ...LOAD, cpuPercent } });
      const raised = (await sinces()).map(([, level]) => level);
      expect([cpuPercent, seconds, raised]).toEqual([cpuPercent, seconds, levels]);
      if (raised.length > 0) expect(await sinces()).toEqual([['cpu_high', levels[0], since]]);
    }
    await cluster.report(server, { load: LOAD }, 90);
    await heartbeat({ load: LOAD });
    expect(await sinces()).toEqual([]);
    const again = now();
    await cluster.report(server, { load: { ...LOAD, cpuPercent: 99 } }, 900);
    await heartbeat({ load: { ...LOAD, cpuPercent: 99 } });
    expect(await sinces()).toEqual([['cpu_high', 'Critical', again]]);
  });

  it('of a certificate is not earlier than its first report', async () => {
    await cluster.advance(10);
    const since = now();
    for (let heartbeats = 0; heartbeats < 3; heartbeats += 1) {
      await heartbeat({ certificateExpiresAt: '2020-01-01T00:00:00Z' });
      expect(await sinces()).toEqual([['certificate_expired', 'Critical', since]]);
      await cluster.advance(100);
    }
    const renewed = now();
    await heartbeat({ certificateExpiresAt: after(30 * DAY_MS) });
    expect(await sinces()).toEqual([['certificate_expiring', 'Warning', renewed]]);
  });
});

describe('an empty list of services', () => {
  it('is Unknown and does not end a service failure', async () => {
    await heartbeat({ services: [] });
    expect(await detail()).toMatchObject({
      services: [],
      servicesStatus: 'Unknown',
      servicesDownSince: null,
      servicesReportedAt: now(),
    });
    const downSince = now();
    await heartbeat({ services: STOPPED });
    await cluster.advance(10);
    await heartbeat({ services: [] });
    expect(await detail()).toMatchObject({ services: [], servicesStatus: 'Unknown', servicesDownSince: downSince });
  });
});

describe('a reported value', () => {
  const UNKNOWN = {
    health: 'None',
    load: null,
    services: null,
    servicesStatus: 'Unknown',
    servicesReportedAt: null,
    servicesDownSince: null,
    certificateExpiresAt: null,
    certificateReportedAt: null,
    certificateStatus: 'Unknown',
    healthErrors: [],
  };

  it('is withdrawn by null, for each member', async () => {
    const bad = { load: { ...LOAD, cpuPercent: 99 }, services: STOPPED, certificateExpiresAt: '2020-01-01T00:00:00Z' };
    await cluster.report(server, bad, 900);
    await heartbeat(bad);
    expect(await detail()).toMatchObject({
      servicesReportedAt: now(),
      certificateReportedAt: now(),
      certificateStatus: 'Critical',
      servicesStatus: 'Warning',
    });
    await heartbeat({ certificateExpiresAt: null });
    expect((await detail()).healthErrors.map(({ errorCode }) => errorCode)).toEqual([
      'cpu_high',
      'services_not_running',
    ]);
    await heartbeat({ load: null, services: null });
    expect(await detail()).toMatchObject(UNKNOWN);
    expect(await health()).toBe('None');
  });

  it('of services and certificate is withdrawn by a registration', async () => {
    await heartbeat({
      load: LOAD,
      services: STOPPED,
      certificateExpiresAt: '2020-01-01T00:00:00Z',
      protectedMachineCount: 2,
    });
    server = await cluster.registered({}, server.hostId);
    const { health: _health, load: _load, ...withdrawn } = UNKNOWN;
    expect(await detail()).toMatchObject({ ...withdrawn, protectedMachineCount: 2 });
    expect(await health()).toBe('Normal');
    await heartbeat();
    expect((await detail()).certificateExpiresAt).toBeNull();
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Database } from '@app/fleet-mysql';
import type { ProblemCode } from '@app/api-contract';
import { eventually } from '../support/eventually.js';
import { expectProblem, parseResponse } from '../support/expect-problem.js';
import { TogglableProxy } from '../support/togglable-proxy.js';
import { TestCluster, type KnownServer } from '../support/test-cluster.js';

type Counts = Record<'lifecycle' | 'connectionState' | 'versionStatus' | 'health', Record<string, number>> & {
  readonly total: number;
  readonly oldestDecommissionedAgeSeconds: number | null;
  readonly asOf: string;
};

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open();
});
afterAll(() => cluster.close());
beforeEach(async () => {
  await cluster.database.empty();
  cluster.clock.advanceSeconds(10); // counts are cached for up to five seconds
  await cluster.recordAvailability();
});

const fleet = async (): Promise<Counts> => (await cluster.read<Counts>('/v1/fleet')).body;
const leaving = async (): Promise<KnownServer> => {
  const server = await cluster.registered();
  await cluster.unregister(server);
  return server;
};
const metric = (text: string, name: string): string | undefined =>
  text
    .split('\n')
    .find((line) => line.startsWith(`${name} `))
    ?.split(' ')[1];

describe('the fleet summary', () => {
  it('of an empty fleet is all zeros', async () => {
    const { total, oldestDecommissionedAgeSeconds, lifecycle, connectionState, versionStatus, health } = await fleet();
    expect([total, oldestDecommissionedAgeSeconds]).toEqual([0, null]);
    for (const counts of [lifecycle, connectionState, versionStatus, health])
      expect(new Set(Object.values(counts))).toEqual(new Set([0]));
  });

  it('agrees with the list under each filter at the same asOf, and the counts of each group sum to the total', async () => {
    const load = {
      cpuPercent: 90,
      totalMemoryBytes: 100,
      availableMemoryBytes: 90,
      totalCacheBytes: 100,
      freeCacheBytes: 90,
      throughputBytesPerSecond: 1,
      pendingUploadBytes: 0,
    };
    await cluster.registered();
    const busy = await cluster.registered();
    await cluster.report(busy, { load }, 1_000);
    await cluster.registered({ agentVersion: '9.50.0.0' });
    await cluster.report(busy, { load }, 200);
    await cluster.heartbeat(await cluster.registered(), { load: { ...load, cpuPercent: 1 } });
    await leaving();
    await cluster.advance(30);
    const counts = await fleet();
    expect(counts).toMatchObject({
      total: 5,
      lifecycle: { Registered: 4, Decommissioned: 1 },
      connectionState: { Connected: 2, Disconnected: 3 },
      connectionStateByLifecycle: {
        Registered: { Connected: 2, Disconnected: 2 },
        Decommissioned: { Connected: 0, Disconnected: 1 },
      },
      versionStatus: { Supported: 4, NotSupported: 1 },
      health: { None: 2, Normal: 1, Warning: 1, Critical: 1 },
      oldestDecommissionedAgeSeconds: 30,
      asOf: cluster.clock.now().toISOString(),
    });
    for (const filter of ['lifecycle', 'connectionState', 'versionStatus', 'health'] as const) {
      expect(Object.values(counts[filter]).reduce((sum, count) => sum + count, 0)).toBe(5);
      for (const [value, count] of Object.entries(counts[filter])) {
        const { body } = await cluster.read<{ items: unknown[]; asOf: string }>(
          `/v1/process-servers?${filter}=${value}`,
        );
        expect([filter, value, body.items.length, body.asOf]).toEqual([filter, value, count, counts.asOf]);
      }
    }
  });

  it('is at most five seconds old', async () => {
    expect((await fleet()).total).toBe(0);
    await cluster.registered();
    cluster.clock.advanceMs(4_999);
    expect((await fleet()).total).toBe(0);
    cluster.clock.advanceMs(1);
    expect((await fleet()).total).toBe(1);
  });
});

describe('the status of the configuration server', () => {
  it('returns its version, its availability and its clean-up', async () => {
    await cluster.replica().cleanUp.run();
    const { status, body } = await cluster.read('/v1/configuration-server');
    const at = cluster.clock.now().toISOString();
    expect([status, body]).toMatchObject([
      200,
      {
        version: '9.63.7187.1',
        versionPolicy: 'same-or-earlier',
        replica: 'replica-0',
        startedAt: '2026-11-23T09:00:00.000Z',
        availability: { accepting: true, recordedAt: at },
        cleanUp: {
          lastPassAt: at,
          lastPassBy: 'replica-0',
          lastPassRemoved: 0,
          lastPassError: null,
          overdueSeconds: 0,
        },
        asOf: at,
      },
    ]);
  });

  it('reports that it does not accept heartbeats after 15 s without a recorded availability', async () => {
    cluster.clock.advanceSeconds(15);
    expect((await cluster.read('/v1/configuration-server')).body).toMatchObject({ availability: { accepting: false } });
  });
});

describe('health', () => {
  it('is live and ready for any caller', async () => {
    expect(await cluster.call('GET', '/health/live')).toMatchObject({ status: 200, body: { status: 'live' } });
    expect(await cluster.call('GET', '/health/ready')).toMatchObject({
      status: 200,
      body: { status: 'ready', degraded: [] },
    });
  });

  it('is degraded, but ready, while a clean-up is overdue', async () => {
    await leaving();
    await cluster.advance(420);
    expect((await cluster.call('GET', '/health/ready')).body).toEqual({ status: 'ready', degraded: [] });
    await cluster.advance(5);
    expect(await cluster.call('GET', '/health/ready')).toMatchObject({
      status: 200,
      body: { status: 'degraded', degraded: ['clean_up_overdue'] },
    });
    const { body } = await cluster.call<{ text: string }>('GET', '/metrics');
    expect(metric(body.text, 'cs_clean_up_overdue_seconds')).toBe('5');
    const server = await cluster.registered();
    expect((await cluster.heartbeat(server)).status).toBe(200);
    await cluster.replica().cleanUp.run();
    expect((await cluster.call('GET', '/health/ready')).body).toEqual({ status: 'ready', degraded: [] });
  });

  it('is not ready while its availability is not recorded', async () => {
    cluster.clock.advanceSeconds(15);
    expectProblem(await cluster.call('GET', '/health/ready'), 'replica_not_ready');
    expect((await cluster.call('GET', '/health/live')).status).toBe(200);
  });

  it('pings the database at most once per period, and reports draining immediately', async () => {
    const number = await cluster.addReplicaWith({ readinessTtlMs: 3_600_000 });
    const proofs = jest.spyOn(Database.prototype, 'transaction');
    try {
      const statuses = new Set<number>();
      for (let round = 0; round < 10; round += 1) {
        for (const { status } of await Promise.all(
          Array.from({ length: 10 }, () => cluster.call('GET', '/health/ready', { replica: number })),
        ))
          statuses.add(status);
      }
      expect([[...statuses], proofs.mock.calls.length]).toEqual([[200], 1]);
    } finally {
      proofs.mockRestore();
    }
    await cluster.replica(number).receiver.drain();
    expectProblem(await cluster.call('GET', '/health/ready', { replica: number }), 'shutting_down');
  });

  it('is not ready while it drains', async () => {
    const number = await cluster.addReplica();
    await cluster.replica(number).receiver.drain();
    expectProblem(await cluster.call('GET', '/health/ready', { replica: number }), 'shutting_down');
    expect((await cluster.call('GET', '/health/live', { replica: number })).status).toBe(200);
    expect((await cluster.call('GET', '/health/ready')).status).toBe(200);
  });
});

describe('when the database is unreachable', () => {
  it('is live, not ready, acknowledges nothing, and recovers with the database', async () => {
    const proxy = await TogglableProxy.inFrontOf(cluster.database.address);
    const replica = await cluster.addReplicaBehind(proxy);
    const server = await cluster.registered();
    expect((await cluster.call('GET', '/health/ready', { replica })).status).toBe(200);
    proxy.disable();
    expect((await cluster.call('GET', '/health/live', { replica })).status).toBe(200);
    expectProblem(await cluster.call('GET', '/health/ready', { replica }), 'database_unavailable');
    const rejected = await Promise.all([
      cluster.heartbeat(server, {}, replica),
      cluster.register(server.hostId, {}, replica),
      cluster.unregister(server, '', replica),
      cluster.purge(server.hostId, { generation: 1 }, replica),
      cluster.read('/v1/process-servers', replica),
      cluster.read('/v1/fleet', replica),
    ]);
    for (const response of rejected) expectProblem(response, 'database_unavailable');
    expect(rejected[0]?.body).toMatchObject({ instruction: 'retry' });
    expect((await cluster.call('GET', '/metrics', { replica })).status).toBe(200);
    proxy.enable();
    await expect(cluster.replica(replica).availability.record()).rejects.toThrow('database_unavailable'); // heartbeats have failed since the last record
    await cluster.replica(replica).availability.record();
    expect((await cluster.call('GET', '/health/ready', { replica })).status).toBe(200);
    expect((await cluster.heartbeat(server, {}, replica)).status).toBe(200);
    expect(await cluster.eventKinds(server.hostId)).toEqual(['registered']);
  });
});

describe('metrics', () => {
  it('are public, in the text format, with the values of the replica', async () => {
    const { status, body, headers } = await cluster.call<{ text: string }>('GET', '/metrics');
    expect([status, headers['content-type']]).toEqual([200, expect.stringContaining('text/plain')]);
    expect(metric(body.text, 'cs_accepting_heartbeats')).toBe('1');
    expect(metric(body.text, 'cs_heartbeat_queue_length')).toBe('0');
  });

  it.each<[string, string]>([
    ['route_not_found', 'GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
    ['method_not_allowed', 'POST /v1/fleet HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
    ['malformed_request', 'hello\r\n\r\n'],
    ['malformed_request', 'GET /%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
    ['malformed_request', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['uri_too_long', `GET /v1/process-servers/${'x'.repeat(200)} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`],
    [
      'uri_too_long',
      `POST /v1/process-servers/${'x'.repeat(200)}/heartbeats HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
    ],
    [
      'body_too_large',
      'POST /v1/purges HTTP/1.1\r\nHost: a\r\nAuthorization: OPERATOR\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 99999\r\n\r\n',
    ],
    ['headers_too_large', `GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`],
  ])('count a rejection by status class and problem code, also by the HTTP parser: %s', async (code, request) => {
    const count = async (): Promise<number> =>
      Number(
        metric(
          (await cluster.call<{ text: string }>('GET', '/metrics')).body.text,
          `cs_http_responses_total{status="4xx",code="${code}"}`,
        ) ?? 0,
      );
    const before = await count();
    const response = parseResponse(await cluster.raw(request.replace('OPERATOR', await cluster.createKey('operator'))));
    expectProblem(response, code as ProblemCode);
    expect(response.headers['x-content-type-options']).toBe('nosniff');
    expect(await count()).toBe(before + 1);
  });

  it('require a reader if so configured', async () => {
    const closed = await TestCluster.open({ settings: { METRICS_ACCESS: 'reader' } });
    try {
      expectProblem(await closed.call('GET', '/metrics'), 'authentication_required');
      expect((await closed.call('GET', '/metrics', { authorization: await closed.createKey('reader') })).status).toBe(
        200,
      );
    } finally {
      await closed.close();
    }
  });
});

describe('the OpenAPI document and its page', () => {
  it('are public', async () => {
    expect((await cluster.call('GET', '/openapi.json')).body).toMatchObject({ openapi: expect.stringMatching(/^3\./) });
    expect(await cluster.call('GET', '/docs')).toMatchObject({
      status: 200,
      body: { text: expect.stringContaining('swagger-ui') },
    });
  });
});

describe('a call that waits for the database', () => {
  it('is answered at its deadline; its change may be made later', async () => {
    const replica = await cluster.addReplicaWith({ responseTimeoutMs: 50 });
    const { hostId } = await cluster.registered();
    cluster.clock.advanceMs(1); // events of two replicas in the same millisecond have no order
    const lockHolder = await cluster.database.connect();
    await lockHolder.query('BEGIN');
    await lockHolder.query('SELECT host_id FROM process_server_lease WHERE host_id = ? FOR UPDATE', [hostId]);
    expectProblem(await cluster.register(hostId, {}, replica), 'database_unavailable');
    await lockHolder.query('ROLLBACK');
    await lockHolder.end();
    await eventually('the change is made', 20_000, async () => (await cluster.eventKinds(hostId)).length > 1);
    expect(await cluster.eventKinds(hostId)).toEqual(['registered', 'registered_again']);
  });
});

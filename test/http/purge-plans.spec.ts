import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { expectProblem } from '../support/expect-problem.js';
import { TestCluster, type TestResponse, type KnownServer, type ProblemBody } from '../support/test-cluster.js';

interface Plan extends ProblemBody {
  readonly planId: string;
  readonly candidates: readonly {
    readonly hostId: string;
    readonly generation: number;
    readonly blockedBy: string | null;
  }[];
  readonly remaining: number;
  readonly expiresAt: string;
}
interface Applied extends ProblemBody {
  readonly purged: readonly { readonly hostId: string; readonly purgedAt: string }[];
  readonly skipped: readonly { readonly hostId: string; readonly code: string }[];
}

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open({ replicas: 2 });
});
afterAll(() => cluster.close());
beforeEach(async () => {
  await cluster.database.empty();
  await cluster.recordAvailability();
});

const plan = (filter: unknown): Promise<TestResponse<Plan>> =>
  cluster.call<Plan>('POST', '/v1/purges', { body: filter, authorization: cluster.admin });
const apply = (planId: string, body: Record<string, unknown>, replica = 0): Promise<TestResponse<Applied>> =>
  cluster.call<Applied>('POST', `/v1/purges/${planId}/apply`, {
    body: { reason: 'test', ...body },
    authorization: cluster.admin,
    replica,
  });
const fleet = (count: number, over: Record<string, unknown> = {}): Promise<KnownServer[]> =>
  Promise.all(
    Array.from({ length: count }, (_, number) =>
      cluster.registered({ friendlyName: `ps-${number}`, ipAddress: `192.0.2.${number + 1}`, ...over }),
    ),
  );
const idsOf = (servers: readonly { readonly hostId: string }[]): string[] => servers.map(({ hostId }) => hostId).sort();
const fleetRows = async (): Promise<unknown> =>
  Promise.all(
    ['process_server', 'process_server_lease', 'tombstone', 'event'].map((table) =>
      cluster.database.rows('SELECT * FROM ??', [table]),
    ),
  );

describe('a plan', () => {
  it('lists the matching Disconnected servers, is valid for 15 minutes, and changes no entry', async () => {
    const silent = await fleet(2, { friendlyName: 'ps-old' });
    await cluster.advance(180);
    await fleet(1, { friendlyName: 'ps-old' });
    await fleet(1);
    const before = await fleetRows();
    const { status, body } = await plan({ friendlyName: 'ps-old' });
    expect(status).toBe(201);
    expect(body).toEqual({
      planId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      candidates: idsOf(silent).map((hostId) => ({
        hostId,
        generation: 1,
        friendlyName: 'ps-old',
        ipAddress: expect.stringMatching(/^192\.0\.2\.[12]$/),
        lastHeartbeatAt: null,
        blockedBy: null,
      })),
      remaining: 0,
      expiresAt: new Date(cluster.clock.now().getTime() + 900_000).toISOString(),
    });
    expect(await fleetRows()).toEqual(before);
  });

  it.each([
    [{ silentForSeconds: 300 }, 1],
    [{ silentForSeconds: 180 }, 2],
    [{ connectionState: 'Disconnected' }, 2],
    [{ ipAddress: '192.0.2.1' }, 2],
    [{ lifecycle: 'Decommissioned' }, 0],
    [{ versionStatus: 'NotSupported' }, 0],
    [{ health: 'None', silentForSeconds: 300 }, 1],
    [{ neverConnected: true, silentForSeconds: 300 }, 1],
    [{ machineId: 'machine-1' }, 2],
    [{ possibleDuplicate: false }, 0],
  ])('by %j has %d candidates', async (filter, count) => {
    await fleet(1);
    await cluster.advance(120);
    await fleet(1);
    await cluster.advance(180);
    expect((await plan(filter)).body.candidates).toHaveLength(count);
  });

  it.each([{}, { friendlyName: null }])('without a filter (%j): 400 empty_filter', async (filter) => {
    expectProblem(await plan(filter), 'empty_filter');
    expect(await cluster.database.count('purge_plan')).toBe(0);
  });

  it.each([false, null, 'true'])(
    'cannot select servers that did connect (neverConnected: %j)',
    async (neverConnected) => {
      const response = await plan({ neverConnected });
      expectProblem(response, neverConnected === null ? 'empty_filter' : 'validation_failed');
    },
  );

  it('cannot select Connected servers', async () => {
    expectProblem(await plan({ connectionState: 'Connected' }), 'validation_failed');
  });

  it.each([
    [1_000, 0],
    [1_003, 3],
  ])('of %d matches has the first 1,000, and returns that %d remain', async (count, remaining) => {
    const [template] = await fleet(1);
    if (!template) throw new Error('no template');
    const ids = Array.from({ length: count - 1 }, () => randomUUID());
    for (const table of ['process_server', 'process_server_lease', 'process_server_health']) {
      const [row] = await cluster.database.rows(`SELECT * FROM ${table}`);
      const copies = ids.map((hostId) => Object.values({ ...row, host_id: hostId }));
      await cluster.database.write(`INSERT INTO ${table} (${Object.keys(row ?? {}).join(', ')}) VALUES ?`, [copies]);
    }
    await cluster.advance(180);
    const { status, body } = await plan({ neverConnected: true });
    expect([status, body.candidates.length, body.remaining]).toEqual([201, 1_000, remaining]);
    const all = await cluster.database.rows<{ host_id: string }>(
      'SELECT host_id FROM process_server ORDER BY host_id LIMIT 1000',
    );
    expect(body.candidates.map(({ hostId }) => hostId)).toEqual(all.map(({ host_id }) => host_id));
  });
});

describe('applying a plan', () => {
  it('purges its candidates, and returns the result of each', async () => {
    const servers = await fleet(3);
    await cluster.advance(180);
    const { body: planned } = await plan({ silentForSeconds: 60 });
    const { status, body } = await apply(planned.planId, { expectedCount: 3, reason: 'rack is gone' });
    expect([status, body.skipped]).toEqual([200, []]);
    expect(body.purged).toEqual(
      planned.candidates.map(({ hostId }) =>
        expect.objectContaining({ hostId, purgedAt: cluster.clock.now().toISOString() }),
      ),
    );
    for (const { hostId } of servers) expect(await cluster.eventKinds(hostId)).toEqual(['registered', 'purged']);
    const [event] = await cluster.database.rows<{ detail: string }>(
      "SELECT CAST(detail AS CHAR) AS detail FROM event WHERE kind = 'purged'",
    );
    expect(JSON.parse(event?.detail ?? 'null')).toMatchObject({ planId: planned.planId, reason: 'rack is gone' });
  });

  it('re-evaluates each candidate: skips one that reconnected, registered again, has machines, or was removed', async () => {
    const [back, again, machines, gone, left] = (await fleet(5)) as [
      KnownServer,
      KnownServer,
      KnownServer,
      KnownServer,
      KnownServer,
    ];
    await cluster.advance(180);
    const { body: planned } = await plan({ silentForSeconds: 60 });
    await cluster.heartbeat(back);
    await cluster.registered({}, again.hostId);
    await cluster.database.write('UPDATE process_server_health SET protected_machine_count = 4 WHERE host_id = ?', [
      machines.hostId,
    ]);
    const before = await cluster.purge(gone.hostId, { generation: 1 });
    const { body } = await apply(planned.planId, { expectedCount: 5 });
    expect(Object.fromEntries(body.skipped.map(({ hostId, code }) => [hostId, code]))).toEqual({
      [back.hostId]: 'process_server_connected',
      [again.hostId]: 'generation_superseded',
      [machines.hostId]: 'machines_protected',
    });
    expect(idsOf(body.purged)).toEqual(idsOf([gone, left]));
    expect(body.purged.find(({ hostId }) => hostId === gone.hostId)?.purgedAt).toBe(before.body.purgedAt);
  });

  it('shows the candidates that it would skip, with the reason, and purges them only by force, except Connected ones', async () => {
    const [free, machines, back] = (await fleet(3)) as [KnownServer, KnownServer, KnownServer];
    await cluster.heartbeat(machines, { protectedMachineCount: 4 });
    await cluster.advance(180);
    const { body: planned } = await plan({ silentForSeconds: 60 });
    expect(Object.fromEntries(planned.candidates.map(({ hostId, blockedBy }) => [hostId, blockedBy]))).toEqual({
      [free.hostId]: null,
      [machines.hostId]: 'machines_protected',
      [back.hostId]: null,
    });
    await cluster.heartbeat(back);
    const { body } = await apply(planned.planId, { expectedCount: 3, force: true });
    expect(body.skipped).toEqual([{ hostId: back.hostId, code: 'process_server_connected' }]);
    expect(idsOf(body.purged)).toEqual(idsOf([free, machines]));
    expect((await cluster.eventKinds(machines.hostId)).at(-1)).toBe('purged_by_force');
  });

  it('again, at another replica, also after its expiry: the stored result', async () => {
    await fleet(2);
    await cluster.advance(180);
    const { body: planned } = await plan({ silentForSeconds: 60 });
    const first = await apply(planned.planId, { expectedCount: 2 });
    await cluster.advance(900);
    const second = await apply(planned.planId, { expectedCount: 2 }, 1);
    expect([second.status, second.body]).toEqual([200, first.body]);
  });

  it('twice concurrently: one effect, one event for each candidate, and the same response', async () => {
    const servers = await fleet(3);
    await cluster.advance(180);
    const { body: planned } = await plan({ silentForSeconds: 60 });
    const responses = await Promise.all([0, 1].map((replica) => apply(planned.planId, { expectedCount: 3 }, replica)));
    expect(responses.map(({ status }) => status)).toEqual([200, 200]);
    expect(responses[1]?.body).toEqual(responses[0]?.body);
    expect(idsOf(responses[0]?.body.purged ?? [])).toEqual(idsOf(servers));
    for (const { hostId } of servers) expect(await cluster.eventKinds(hostId)).toEqual(['registered', 'purged']);
  });

  it('with another count than its own: 409, and no entry is purged', async () => {
    await fleet(2);
    await cluster.advance(180);
    const { body: planned } = await plan({ silentForSeconds: 60 });
    const rejected = await apply(planned.planId, { expectedCount: 3 });
    expectProblem(rejected, 'plan_count_mismatch');
    expect(rejected.body.errors[0]?.field).toBe('expectedCount');
    expect(await cluster.database.count('process_server')).toBe(2);
  });

  it.each([
    [899, 200],
    [900, 410],
  ])('%d s after its creation: %d', async (seconds, status) => {
    await fleet(1);
    await cluster.advance(180);
    const { body: planned } = await plan({ silentForSeconds: 60 });
    await cluster.advance(seconds);
    const response = await apply(planned.planId, { expectedCount: 1 });
    expect(response.status).toBe(status);
    if (status === 410) expectProblem(response, 'plan_expired');
  });

  it.each([
    [10, 11, undefined, 200],
    [11, 73, undefined, 409],
    [11, 73, true, 200],
    [11, 74, undefined, 200],
  ])('%d of a fleet of %d, acknowledged: %s, returns %d', async (candidates, fleetSize, acknowledgeShare, status) => {
    await fleet(candidates);
    await cluster.advance(180);
    await fleet(fleetSize - candidates);
    const { body: planned } = await plan({ silentForSeconds: 60 });
    const response = await apply(planned.planId, { expectedCount: candidates, acknowledgeShare });
    expect(response.status).toBe(status);
    if (status === 409) {
      expectProblem(response, 'share_not_acknowledged');
      expect(await cluster.database.count('process_server')).toBe(fleetSize);
    }
  });

  it('with an unknown id: 404', async () => {
    expectProblem(await apply(randomUUID(), { expectedCount: 0 }), 'plan_not_found');
  });

  it('without candidates purges nothing', async () => {
    const { body: planned } = await plan({ friendlyName: 'no-match' });
    const { status, body } = await apply(planned.planId.toUpperCase(), { expectedCount: 0 });
    expect([status, body]).toEqual([200, { purged: [], skipped: [] }]);
  });

  it('requires an operator, like planning', async () => {
    const authorization = await cluster.createKey('reader');
    expectProblem(
      await cluster.call('POST', '/v1/purges', { body: { friendlyName: 'a' }, authorization }),
      'permission_denied',
    );
    expectProblem(
      await cluster.call('POST', `/v1/purges/${randomUUID()}/apply`, {
        body: { expectedCount: 0, reason: 'a' },
        authorization,
      }),
      'permission_denied',
    );
  });
});

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { expectProblem } from '../support/expect-problem.js';
import { TestCluster, type KnownServer } from '../support/test-cluster.js';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open({ replicas: 2 });
});
afterAll(() => cluster.close());
beforeEach(async () => {
  await cluster.database.empty();
  await cluster.recordAvailability();
});

const silent = async (heartbeat: Record<string, unknown> = {}): Promise<KnownServer> => {
  const server = await cluster.registered();
  await cluster.heartbeat(server, heartbeat);
  await cluster.advance(180);
  return server;
};
const purges = async ({ hostId }: KnownServer): Promise<string[]> =>
  (await cluster.eventKinds(hostId)).filter((kind) => kind.startsWith('purged'));
const remains = async (): Promise<number[]> =>
  Promise.all(
    ['process_server', 'process_server_lease', 'process_server_health', 'tombstone'].map((table) =>
      cluster.database.count(table),
    ),
  );

describe('a purge', () => {
  it('of a Disconnected server: 200 with the removed entry, and only a tombstone and events remain', async () => {
    const server = await silent();
    const { status, body } = await cluster.purge(server.hostId, { generation: 1, reason: 'machine was scrapped' });
    expect([status, body]).toEqual([
      200,
      {
        hostId: server.hostId,
        friendlyName: 'ps-berlin-1',
        ipAddress: '192.0.2.11',
        purgedAt: cluster.clock.now().toISOString(),
      },
    ]);
    expect(await remains()).toEqual([0, 0, 0, 1]);
    const { body: timeline } = await cluster.read<{ items: unknown[] }>(`/v1/process-servers/${server.hostId}/events`);
    expect(timeline.items.at(-1)).toMatchObject({
      kind: 'purged',
      generation: 1,
      actor: 'operator:admin',
      detail: { reason: 'machine was scrapped', connectionState: 'Disconnected', friendlyName: 'ps-berlin-1' },
    });
  });

  it('again, later, at another replica: the same response and no second event', async () => {
    const server = await silent();
    const first = await cluster.purge(server.hostId, { generation: 1 });
    await cluster.advance(60);
    const second = await cluster.purge(server.hostId, { generation: 1, reason: 'another' }, 1);
    expect([second.status, second.body]).toEqual([200, first.body]);
    expect(await purges(server)).toEqual(['purged']);
  });

  it('twice concurrently: one effect, one event, the same response', async () => {
    const server = await silent();
    const responses = await Promise.all(
      [0, 1, 0, 1].map((replica) => cluster.purge(server.hostId, { generation: 1 }, replica)),
    );
    expect(responses.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(new Set(responses.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(await purges(server)).toEqual(['purged']);
    expect(await remains()).toEqual([0, 0, 0, 1]);
  });

  it.each([
    [179, 409],
    [180, 200],
  ])('%d s after it was last seen: %d', async (seconds, status) => {
    const server = await cluster.registered();
    await cluster.advance(seconds);
    const response = await cluster.purge(server.hostId, { generation: 1 });
    expect(response.status).toBe(status);
    if (status === 409) {
      expectProblem(response, 'process_server_connected');
      expect(response.body.instruction).toBeUndefined();
      expect(response.body.detail).toContain(new Date(cluster.clock.now().getTime() + 1_000).toISOString());
      expect(await remains()).toEqual([1, 1, 1, 0]);
    }
  });

  it('of a Connected server by force: 200, and an event of its own kind', async () => {
    const server = await cluster.registered();
    expect((await cluster.purge(server.hostId, { generation: 1, force: true })).status).toBe(200);
    expect(await purges(server)).toEqual(['purged_by_force']);
    expectProblem(await cluster.heartbeat(server), 'generation_retired');
    expect(await remains()).toEqual([0, 0, 0, 1]);
  });

  it.each([undefined, '', '   ', null])('without a reason (%j): 400, also by force', async (reason) => {
    const server = await silent();
    for (const force of [false, true]) {
      const rejected = await cluster.purge(server.hostId, { generation: 1, reason, force });
      expectProblem(rejected, 'validation_failed');
      expect(rejected.body.errors.map(({ field }) => field)).toContain('reason');
    }
    expect(await remains()).toEqual([1, 1, 1, 0]);
  });

  it('of a server that registered again: 409 generation_superseded, and it stays', async () => {
    const server = await silent();
    await cluster.registered({}, server.hostId);
    await cluster.advance(180);
    for (const force of [false, true])
      expectProblem(await cluster.purge(server.hostId, { generation: 1, force }), 'generation_superseded');
    expect(await remains()).toEqual([1, 1, 1, 0]);
  });

  it('of an unknown generation: 409 generation_unknown', async () => {
    const server = await silent();
    expectProblem(await cluster.purge(server.hostId, { generation: 2 }), 'generation_unknown');
  });

  it('with a last reported count above zero: 409, unless forced', async () => {
    const server = await silent({ protectedMachineCount: 2 });
    expectProblem(await cluster.purge(server.hostId, { generation: 1 }), 'machines_protected');
    expect((await cluster.purge(server.hostId, { generation: 1, force: true })).status).toBe(200);
    expect(await purges(server)).toEqual(['purged_by_force']);
  });

  it('of a Decommissioned server: allowed at once, because its lease has ended', async () => {
    const server = await cluster.registered();
    await cluster.unregister(server);
    expect((await cluster.purge(server.hostId, { generation: 1 })).status).toBe(200);
    const late = await cluster.heartbeat(server);
    expectProblem(late, 'generation_retired');
    expect(late.body.instruction).toBe('ask_operator');
  });

  it('of a server that the clean-up removed: 410 with that cause, without an instruction for a process server', async () => {
    const server = await cluster.registered();
    await cluster.unregister(server);
    await cluster.advance(300);
    await cluster.replica().cleanUp.run();
    const rejected = await cluster.purge(server.hostId, { generation: 1 });
    expectProblem(rejected, 'generation_retired');
    expect(rejected.body.detail).toMatch(/decommissioned/);
    expect(rejected.body.detail).not.toMatch(/stop|sending/i);
    expect(rejected.body.instruction).toBeUndefined();
  });

  it('of an unknown host id: 404', async () => {
    expectProblem(await cluster.purge(randomUUID(), { generation: 1 }), 'process_server_not_found');
  });

  it('racing with the heartbeat that ends the silence: the server stays, or it is purged and its heartbeat returns 410', async () => {
    const server = await silent();
    const [heartbeat, purge] = await Promise.all([
      cluster.heartbeat(server),
      cluster.purge(server.hostId, { generation: 1 }, 1),
    ]);
    expect([
      [200, 409],
      [410, 200],
    ]).toContainEqual([heartbeat.status, purge.status]);
    expect(await remains()).toEqual(purge.status === 200 ? [0, 0, 0, 1] : [1, 1, 1, 0]);
  });

  it('requires an operator: 401 without a key, 403 for a reader and for a process server', async () => {
    const server = await silent();
    const url = `/v1/process-servers/${server.hostId}/purge`;
    const body = { generation: 1, reason: 'test' };
    expectProblem(await cluster.call('POST', url, { body }), 'authentication_required');
    expectProblem(
      await cluster.call('POST', url, { body, authorization: await cluster.createKey('reader') }),
      'permission_denied',
    );
    expectProblem(
      await cluster.call('POST', url, { body, authorization: `Bearer ${server.credential}` }),
      'permission_denied',
    );
    expect((await cluster.call('POST', url, { body, authorization: await cluster.createKey('operator') })).status).toBe(
      200,
    );
  });
});

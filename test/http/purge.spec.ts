import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { expectProblem } from '../support/expect-problem.js';
import { TestSite, type KnownServer } from '../support/test-site.js';

let site: TestSite;
beforeAll(async () => {
  site = await TestSite.open({ replicas: 2 });
});
afterAll(() => site.close());
beforeEach(async () => {
  await site.database.empty();
  await site.note();
});

const silent = async (heartbeat: Record<string, unknown> = {}): Promise<KnownServer> => {
  const server = await site.registered();
  await site.heartbeat(server, heartbeat);
  await site.pass(180);
  return server;
};
const purges = async ({ hostId }: KnownServer): Promise<string[]> =>
  (await site.eventKinds(hostId)).filter((kind) => kind.startsWith('purged'));
const remains = async (): Promise<number[]> =>
  Promise.all(
    ['process_server', 'process_server_lease', 'process_server_health', 'tombstone'].map((table) =>
      site.database.count(table),
    ),
  );

describe('a purge', () => {
  it('of a Disconnected one: 200 with what is gone, and nothing but a tombstone and its events remains', async () => {
    const server = await silent();
    const { status, body } = await site.purge(server.hostId, { generation: 1, reason: 'machine was scrapped' });
    expect([status, body]).toEqual([
      200,
      {
        hostId: server.hostId,
        friendlyName: 'ps-berlin-1',
        ipAddress: '192.0.2.11',
        purgedAt: site.clock.now().toISOString(),
      },
    ]);
    expect(await remains()).toEqual([0, 0, 0, 1]);
    const { body: timeline } = await site.read<{ items: unknown[] }>(`/v1/process-servers/${server.hostId}/events`);
    expect(timeline.items.at(-1)).toMatchObject({
      kind: 'purged',
      generation: 1,
      actor: 'operator:admin',
      detail: { reason: 'machine was scrapped', connectionState: 'Disconnected', friendlyName: 'ps-berlin-1' },
    });
  });

  it('again, later, at another replica: the same answer and no second event', async () => {
    const server = await silent();
    const first = await site.purge(server.hostId, { generation: 1 });
    await site.pass(60);
    const second = await site.purge(server.hostId, { generation: 1, reason: 'another' }, 1);
    expect([second.status, second.body]).toEqual([200, first.body]);
    expect(await purges(server)).toEqual(['purged']);
  });

  it('twice at the same moment: one effect, one event, the same answer', async () => {
    const server = await silent();
    const answers = await Promise.all(
      [0, 1, 0, 1].map((replica) => site.purge(server.hostId, { generation: 1 }, replica)),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(await purges(server)).toEqual(['purged']);
    expect(await remains()).toEqual([0, 0, 0, 1]);
  });

  it.each([
    [179, 409],
    [180, 200],
  ])('%d s after its last sign of life: %d', async (seconds, status) => {
    const server = await site.registered();
    await site.pass(seconds);
    const answer = await site.purge(server.hostId, { generation: 1 });
    expect(answer.status).toBe(status);
    if (status === 409) {
      expectProblem(answer, 'process_server_connected');
      expect(answer.body.instruction).toBeUndefined();
      expect(answer.body.detail).toContain(new Date(site.clock.now().getTime() + 1_000).toISOString());
      expect(await remains()).toEqual([1, 1, 1, 0]);
    }
  });

  it('of a Connected one by force: 200, and an event of its own kind', async () => {
    const server = await site.registered();
    expect((await site.purge(server.hostId, { generation: 1, force: true })).status).toBe(200);
    expect(await purges(server)).toEqual(['purged_by_force']);
    expectProblem(await site.heartbeat(server), 'generation_retired');
    expect(await remains()).toEqual([0, 0, 0, 1]);
  });

  it.each([undefined, '', '   ', null])('without a reason (%j): 400, also by force', async (reason) => {
    const server = await silent();
    for (const force of [false, true]) {
      const refused = await site.purge(server.hostId, { generation: 1, reason, force });
      expectProblem(refused, 'validation_failed');
      expect(refused.body.errors.map(({ field }) => field)).toContain('reason');
    }
    expect(await remains()).toEqual([1, 1, 1, 0]);
  });

  it('of one that has registered since: 409 generation_superseded, and it stays', async () => {
    const server = await silent();
    await site.registered({}, server.hostId);
    await site.pass(180);
    for (const force of [false, true])
      expectProblem(await site.purge(server.hostId, { generation: 1, force }), 'generation_superseded');
    expect(await remains()).toEqual([1, 1, 1, 0]);
  });

  it('of a generation that there is none of: 409 generation_unknown', async () => {
    const server = await silent();
    expectProblem(await site.purge(server.hostId, { generation: 2 }), 'generation_unknown');
  });

  it('with a last reported count above zero: 409, unless forced', async () => {
    const server = await silent({ protectedMachineCount: 2 });
    expectProblem(await site.purge(server.hostId, { generation: 1 }), 'machines_protected');
    expect((await site.purge(server.hostId, { generation: 1, force: true })).status).toBe(200);
    expect(await purges(server)).toEqual(['purged_by_force']);
  });

  it('of a Decommissioned one: allowed at once, its lease has ended', async () => {
    const server = await site.registered();
    await site.unregister(server);
    expect((await site.purge(server.hostId, { generation: 1 })).status).toBe(200);
    const late = await site.heartbeat(server);
    expectProblem(late, 'generation_retired');
    expect(late.body.instruction).toBe('ask_operator');
  });

  it('of one that the clean-up has removed: 410 that says so, and tells an operator nothing that a process server is to do', async () => {
    const server = await site.registered();
    await site.unregister(server);
    await site.pass(300);
    await site.replica().cleanUp.pass();
    const refused = await site.purge(server.hostId, { generation: 1 });
    expectProblem(refused, 'generation_retired');
    expect(refused.body.detail).toMatch(/decommissioned/);
    expect(refused.body.detail).not.toMatch(/stop|sending/i);
    expect(refused.body.instruction).toBeUndefined();
  });

  it('of one that nobody knows: 404', async () => {
    expectProblem(await site.purge(randomUUID(), { generation: 1 }), 'process_server_not_found');
  });

  it('in a race with the heartbeat that ends its silence: either it lives on, or it is gone and told so', async () => {
    const server = await silent();
    const [beat, purge] = await Promise.all([site.heartbeat(server), site.purge(server.hostId, { generation: 1 }, 1)]);
    expect([
      [200, 409],
      [410, 200],
    ]).toContainEqual([beat.status, purge.status]);
    expect(await remains()).toEqual(purge.status === 200 ? [0, 0, 0, 1] : [1, 1, 1, 0]);
  });

  it('needs an operator: 401 without a key, 403 for a reader and for a process server', async () => {
    const server = await silent();
    const url = `/v1/process-servers/${server.hostId}/purge`;
    const body = { generation: 1, reason: 'test' };
    expectProblem(await site.call('POST', url, { body }), 'authentication_required');
    expectProblem(
      await site.call('POST', url, { body, authorization: await site.keyOf('reader') }),
      'permission_denied',
    );
    expectProblem(
      await site.call('POST', url, { body, authorization: `Bearer ${server.credential}` }),
      'permission_denied',
    );
    expect((await site.call('POST', url, { body, authorization: await site.keyOf('operator') })).status).toBe(200);
  });
});

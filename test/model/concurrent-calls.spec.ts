import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type TestResponse, type KnownServer, type ProblemBody, TestCluster } from '../support/test-cluster.js';

jest.setTimeout(120_000);

/** Rounds of each concurrent pair, so that both orders occur. */
const ROUNDS = 20;
const both = [0, 1] as const;

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open({ replicas: 2 });
});
afterAll(() => cluster.close());

const statusOf = ({ status }: TestResponse<unknown>): number => status;
const eventsOf = async (hostId: string, kind: string): Promise<number> =>
  (await cluster.eventKinds(hostId)).filter((one) => one === kind).length;

async function entryCount(hostId: string): Promise<number> {
  const [row] = await cluster.database.rows<{ count: number }>(
    'SELECT COUNT(*) AS count FROM process_server WHERE host_id = ?',
    [hostId],
  );
  return row?.count ?? 0;
}

async function decommissioned(): Promise<KnownServer> {
  const server = await cluster.registered();
  await cluster.unregister(server);
  return server;
}

async function silent(): Promise<KnownServer> {
  const server = await cluster.registered();
  await cluster.advance(185);
  return server;
}

describe('concurrent requests to two replicas', () => {
  it('gives each registration of one host id its own generation, and only the highest credential is valid', async () => {
    const hostId = randomUUID();
    const responses = await Promise.all(
      Array.from({ length: 12 }, (_, number) => cluster.register(hostId, {}, number % 2)),
    );
    expect(responses.map(statusOf).sort()).toEqual([...Array<number>(11).fill(200), 201]);
    const byGeneration = responses.map(({ body }) => body).sort((a, b) => a.generation - b.generation);
    expect(byGeneration.map(({ generation }) => generation)).toEqual(
      Array.from({ length: 12 }, (_, number) => number + 1),
    );
    const heartbeats = await Promise.all(
      byGeneration.map(({ generation, credential }) =>
        cluster.heartbeat({ hostId, generation, credential }, {}, generation % 2),
      ),
    );
    expect(heartbeats.map(statusOf)).toEqual([...Array<number>(11).fill(409), 200]);
    expect([await eventsOf(hostId, 'registered'), await eventsOf(hostId, 'registered_again')]).toEqual([1, 11]);
  });

  it('decommissions once for four requests, with one event and one response', async () => {
    const server = await cluster.registered();
    const responses = await Promise.all([0, 1, 0, 1].map((replica) => cluster.unregister(server, '', replica)));
    expect(responses.map(statusOf)).toEqual([202, 202, 202, 202]);
    expect(new Set(responses.map(({ body }) => body.removeBy)).size).toBe(1);
    expect(await eventsOf(server.hostId, 'decommissioned')).toBe(1);
  });

  it('purges once for four requests, with one event and one response', async () => {
    const { hostId } = await silent();
    const responses = await Promise.all(
      [0, 1, 0, 1].map((replica) => cluster.purge(hostId, { generation: 1 }, replica)),
    );
    expect(responses.map(statusOf)).toEqual([200, 200, 200, 200]);
    expect(new Set(responses.map(({ body }) => body.purgedAt)).size).toBe(1);
    expect(await eventsOf(hostId, 'purged')).toBe(1);
  });

  it('never undoes a registration: it cancels a concurrent removal or follows it', async () => {
    const outcomes = new Set<string>();
    for (let round = 0; round < ROUNDS; round += 1) {
      const { hostId } = await decommissioned();
      await cluster.advance(301);
      const [response] = await Promise.all([
        cluster.register(hostId, {}, round % 2),
        ...both.map((replica) => cluster.replica(replica).cleanUp.run()),
      ]);
      outcomes.add(String(response.status));
      expect(response.body.generation).toBe(2);
      await Promise.all(both.map((replica) => cluster.replica(replica).cleanUp.run()));
      expect(statusOf(await cluster.heartbeat({ hostId, generation: 2, credential: response.body.credential }))).toBe(
        200,
      );
      expect(await entryCount(hostId)).toBe(1);
      const removed = await eventsOf(hostId, 'removed');
      expect(response.status === 201 ? removed : removed + 1).toBe(1);
    }
    expect([...outcomes].every((status) => status === '200' || status === '201')).toBe(true);
  });

  it('never accepts both a heartbeat and a purge of a Disconnected server', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const server = await silent();
      const [heartbeat, purge] = await Promise.all([
        cluster.heartbeat(server, {}, round % 2),
        cluster.purge(server.hostId, { generation: 1 }, (round + 1) % 2),
      ]);
      const outcome = [statusOf(heartbeat), statusOf(purge)];
      expect([
        [200, 409],
        [410, 200],
      ]).toContainEqual(outcome);
      expect(await entryCount(server.hostId)).toBe(statusOf(heartbeat) === 200 ? 1 : 0);
      expect(statusOf(await cluster.heartbeat(server))).toBe(statusOf(heartbeat));
    }
  });

  it('keeps a server decommissioned when a heartbeat races with unregister', async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const server = await cluster.registered();
      const [heartbeat, unregister] = await Promise.all([
        cluster.heartbeat(server, {}, round % 2),
        cluster.unregister(server, '', (round + 1) % 2),
      ]);
      expect([200, 410]).toContain(statusOf(heartbeat));
      expect(statusOf(unregister)).toBe(202);
      const { body } = await cluster.read(`/v1/process-servers/${server.hostId}`);
      expect(body).toMatchObject({ lifecycle: 'Decommissioned', connectionState: 'Disconnected' });
    }
  });

  it('removes each entry once in concurrent clean-up runs, with one event', async () => {
    await cluster.database.empty();
    await cluster.recordAvailability();
    const servers = await Promise.all(Array.from({ length: 30 }, decommissioned));
    await cluster.advance(301);
    const runs = await Promise.all([0, 1, 0, 1].map((replica) => cluster.replica(replica).cleanUp.run()));
    expect(runs.reduce((sum, { removed }) => sum + removed, 0)).toBe(30);
    for (const { hostId } of servers) {
      expect([await entryCount(hostId), await eventsOf(hostId, 'removed')]).toEqual([0, 1]);
    }
  });

  it('returns the same result from both replicas for one purge plan', async () => {
    await cluster.database.empty();
    await cluster.recordAvailability();
    const servers = await Promise.all(Array.from({ length: 8 }, () => cluster.registered()));
    await cluster.advance(185);
    const authorization = cluster.admin;
    const plan = await cluster.call<{ planId: string; candidates: unknown[] }>('POST', '/v1/purges', {
      body: { connectionState: 'Disconnected' },
      authorization,
    });
    expect(plan.body.candidates).toHaveLength(8);
    const apply = (replica: number): Promise<TestResponse> =>
      cluster.call('POST', `/v1/purges/${plan.body.planId}/apply`, {
        body: { expectedCount: 8, reason: 'gone' },
        authorization,
        replica,
      });
    const [one, other] = await Promise.all([apply(0), apply(1)]);
    expect(one.body).toMatchObject({ skipped: [], purged: { length: 8 } });
    expect(other.body).toEqual(one.body);
    expect((await apply(0)).body).toEqual(one.body);
    for (const { hostId } of servers) expect(await eventsOf(hostId, 'purged')).toBe(1);
  });

  it('leaves one record for each host and one event for each acknowledged change', async () => {
    for (let round = 0; round < 5; round += 1) {
      const servers = await Promise.all(Array.from({ length: 3 }, () => cluster.registered()));
      const responses = await Promise.all(
        Array.from({ length: 60 }, async (_, number) => {
          const server = servers[number % 3] as KnownServer;
          const replica = (number >> 1) % 2;
          const call = ['register', 'heartbeat', 'purge', 'unregister'][Math.floor(number / 3) % 4];
          const response: TestResponse<Partial<ProblemBody>> =
            call === 'register'
              ? await cluster.register(server.hostId, {}, replica)
              : call === 'heartbeat'
                ? await cluster.heartbeat(server, {}, replica)
                : call === 'purge'
                  ? await cluster.purge(server.hostId, { generation: 1, force: true }, replica)
                  : await cluster.unregister(server, '', replica);
          return { hostId: server.hostId, call, response };
        }),
      );
      expect(responses.filter(({ response }) => response.status >= 500)).toEqual([]);
      for (const { hostId } of servers) {
        const registrations = responses.filter((one) => one.hostId === hostId && one.call === 'register').length + 1;
        const kinds = await cluster.eventKinds(hostId);
        expect(kinds.filter((kind) => kind === 'registered' || kind === 'registered_again')).toHaveLength(
          registrations,
        );
        expect(kinds.filter((kind) => kind === 'purged_by_force').length).toBeLessThanOrEqual(1);
        const [row] = await cluster.database.rows<{
          entries: number;
          leases: number;
          health: number;
          tombstones: number;
          generation: number;
        }>(
          `SELECT (SELECT COUNT(*) FROM process_server WHERE host_id = ?) AS entries, (SELECT COUNT(*) FROM process_server_lease WHERE host_id = ?) AS leases,
                  (SELECT COUNT(*) FROM process_server_health WHERE host_id = ?) AS health, (SELECT COUNT(*) FROM tombstone WHERE host_id = ?) AS tombstones`,
          [hostId, hostId, hostId, hostId],
        );
        expect([row?.leases, row?.health]).toEqual([row?.entries, row?.entries]);
        expect((row?.entries ?? 0) + (row?.tombstones ?? 0)).toBe(1);
      }
      expect(await cluster.database.counterErrors()).toEqual([]);
    }
  });
});

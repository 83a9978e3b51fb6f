import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { expectProblem } from '../support/expect-problem.js';
import { TestCluster, type KnownServer } from '../support/test-cluster.js';

describe.each(['on', 'off'])('with HEARTBEAT_FAST_PATH=%s', (fastPath) => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.open({ settings: { HEARTBEAT_FAST_PATH: fastPath } });
  });
  afterAll(() => cluster.close());
  beforeEach(async () => {
    await cluster.database.empty();
    cluster.clock.advanceSeconds(3_600); // another hour, for limits per hour
    await cluster.recordAvailability();
  });

  describe('a row that another transaction has locked', () => {
    /** Runs while the lease of a process server is locked, perhaps changed, by another transaction. */
    async function whileLocked<A>(
      { hostId }: KnownServer,
      assignment: string,
      work: (unlock: () => Promise<unknown>) => Promise<A>,
    ): Promise<A> {
      const connection = await cluster.database.connect();
      try {
        await connection.query('START TRANSACTION');
        await connection.query(`UPDATE process_server_lease SET ${assignment} WHERE host_id = ?`, [hostId]);
        return await work(() => connection.query('COMMIT'));
      } finally {
        await connection.end();
      }
    }

    it.each([0, 40])(
      'delays no other heartbeat, and its own is accepted once it is free; with %d more',
      async (more) => {
        const [locked, free] = [await cluster.registered(), await cluster.registered()];
        for (let number = 0; number < more; number += 1) await cluster.registered();
        await whileLocked(locked, 'retired = 0', async (unlock) => {
          const waiting = cluster.heartbeat(locked);
          const other = await cluster.heartbeat(free);
          expect([other.status, other.body.code]).toEqual([200, undefined]);
          expect(cluster.replica().receiver.queueLength).toBe(1);
          await unlock();
          expect((await waiting).status).toBe(200);
        });
        expect(await cluster.eventKinds(locked.hostId)).toEqual(['registered']);
      },
    );

    it('is judged as it is when it is free again', async () => {
      const [locked, free] = [await cluster.registered(), await cluster.registered()];
      for (let number = 0; number < 40; number += 1) await cluster.registered();
      await whileLocked(locked, 'revoked = 1', async (unlock) => {
        const waiting = cluster.heartbeat(locked);
        expect((await cluster.heartbeat(free)).status).toBe(200);
        await unlock();
        expectProblem(await waiting, 'credential_revoked');
      });
    });

    it('for longer than five seconds is answered with 503, retry', async () => {
      const [locked, free] = [await cluster.registered(), await cluster.registered()];
      await whileLocked(locked, 'retired = 0', async () => {
        const waiting = cluster.heartbeat(locked);
        await cluster.heartbeat(free); // now the first is deferred
        cluster.clock.advanceSeconds(5);
        const response = await waiting;
        expectProblem(response, 'database_unavailable');
        expect(response.body.instruction).toBe('retry');
      });
    });
  });

  describe('more heartbeats than can be taken', () => {
    it('more than 20 of one process server in a second: 429, retry; in the next second it goes on', async () => {
      const [busy, other] = [await cluster.registered(), await cluster.registered()];
      cluster.clock.advanceSeconds(1);
      for (let heartbeat = 0; heartbeat < 20; heartbeat += 1) expect((await cluster.heartbeat(busy)).status).toBe(200);
      const rejected = await cluster.heartbeat(busy);
      expectProblem(rejected, 'heartbeat_rate_exceeded');
      expect(rejected.body.instruction).toBe('retry');
      expect(rejected.body['heartbeatIntervalSeconds']).toBe(30);
      expect([rejected.headers['ratelimit-policy'], rejected.headers['ratelimit']]).toEqual([
        '"process-server";q=20;w=1',
        '"process-server";r=0;t=1',
      ]);
      expect((await cluster.heartbeat(other)).status).toBe(200);
      cluster.clock.advanceSeconds(1);
      expect((await cluster.heartbeat(busy)).status).toBe(200);
    });

    it('a replica that has not recorded for 15 s returns 503, retry, until it has', async () => {
      const server = await cluster.registered();
      cluster.clock.advanceSeconds(14);
      expect((await cluster.heartbeat(server)).status).toBe(200);
      cluster.clock.advanceSeconds(1);
      const rejected = await cluster.heartbeat(server);
      expectProblem(rejected, 'replica_not_ready');
      expect(rejected.body.instruction).toBe('retry');
      await cluster.recordAvailability();
      expect((await cluster.heartbeat(server)).status).toBe(200);
    });
  });
});

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ProblemCode } from '@app/api-contract';
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
    cluster.clock.advanceSeconds(3_600); // another hour, so that refusals are noted anew
    await cluster.recordAvailability();
  });

  const detail = async (hostId: string): Promise<Record<string, unknown>> =>
    (await cluster.read(`/v1/process-servers/${hostId}`)).body;
  const inSeconds = (seconds: number): string => new Date(cluster.clock.now().getTime() + seconds * 1000).toISOString();
  const onLease =
    (assignment: string) =>
    async (server: KnownServer): Promise<KnownServer> => {
      await cluster.database.write(`UPDATE process_server_lease SET ${assignment} WHERE host_id = ?`, [server.hostId]);
      return server;
    };
  /** As after a restore of the database from before its last registration. */
  const restored = async (server: KnownServer): Promise<KnownServer> => {
    const { generation, credential } = await cluster.registered({}, server.hostId);
    for (const table of ['process_server', 'process_server_lease'])
      await cluster.database.write('UPDATE ?? SET generation = 1 WHERE host_id = ?', [table, server.hostId]);
    return { hostId: server.hostId, generation, credential };
  };
  const forgotten = async (server: KnownServer): Promise<KnownServer> => {
    for (const table of [
      'process_server_name_history',
      'process_server_health',
      'process_server_lease',
      'process_server',
    ])
      await cluster.database.write('DELETE FROM ?? WHERE host_id = ?', [table, server.hostId]);
    return server;
  };
  const leaving = async (server: KnownServer): Promise<KnownServer> => {
    await cluster.unregister(server);
    return server;
  };
  const cleanedUp = async (server: KnownServer): Promise<KnownServer> => {
    await leaving(server);
    await cluster.advance(300);
    await cluster.replica().cleanUp.run();
    return server;
  };
  const purged = async (server: KnownServer): Promise<KnownServer> => {
    await cluster.advance(180);
    await cluster.purge(server.hostId, { generation: server.generation });
    return server;
  };
  const superseded = async (server: KnownServer): Promise<KnownServer> => {
    await cluster.registered({}, server.hostId);
    return server;
  };

  describe('an accepted heartbeat', () => {
    it('answers with the lease, the interval to keep, the version status, and nothing to do', async () => {
      const server = await cluster.registered();
      cluster.clock.advanceSeconds(10);
      const { status, body } = await cluster.heartbeat(server);
      expect([status, body]).toEqual([
        200,
        {
          leaseExpiresAt: inSeconds(180),
          heartbeatIntervalSeconds: 30,
          versionStatus: 'Supported',
          instruction: 'none',
        },
      ]);
      expect(await detail(server.hostId)).toMatchObject({
        lastHeartbeat: inSeconds(0),
        leaseExpiresAt: inSeconds(180),
        connectionState: 'Connected',
      });
    });

    it('without news writes no event', async () => {
      const server = await cluster.registered();
      for (let heartbeat = 0; heartbeat < 3; heartbeat += 1) await cluster.heartbeat(server);
      expect(await cluster.eventKinds(server.hostId)).toEqual(['registered']);
    });

    it('instructs a process server below the support window to upgrade', async () => {
      const server = await cluster.registered({ agentVersion: '9.50.1.1' });
      expect((await cluster.heartbeat(server, { agentVersion: '9.50.1.1' })).body).toMatchObject({
        versionStatus: 'NotSupported',
        instruction: 'upgrade',
      });
    });

    it('without a version, the registered one is judged', async () => {
      const server = await cluster.registered({ agentVersion: '9.50.1.1' });
      expect((await cluster.heartbeat(server, { agentVersion: undefined })).body).toMatchObject({
        versionStatus: 'NotSupported',
        instruction: 'upgrade',
      });
    });

    it('an upgraded agent is shown with its version, and the change is an event', async () => {
      const server = await cluster.registered({ agentVersion: '9.62.1.1' });
      await cluster.heartbeat(server, { agentVersion: '9.63.0.0' });
      await cluster.heartbeat(server, { agentVersion: '9.63.0.0' });
      expect(await detail(server.hostId)).toMatchObject({ agentVersion: '9.63.0.0' });
      expect(await cluster.eventKinds(server.hostId)).toEqual(['registered', 'version_changed']);
    });

    it('a version newer than the configuration server, which was rolled back, is accepted as NotSupported, with one event', async () => {
      const server = await cluster.registered();
      for (let heartbeat = 0; heartbeat < 2; heartbeat += 1) {
        const { status, body } = await cluster.heartbeat(server, { agentVersion: '9.64.0.0' });
        expect([status, body]).toMatchObject([200, { versionStatus: 'NotSupported', instruction: 'none' }]);
      }
      const kinds = await cluster.eventKinds(server.hostId);
      expect(kinds.filter((kind) => kind === 'version_newer_than_configuration_server')).toHaveLength(1);
    });

    it('that ends a silence leaves an event with its beginning and its end', async () => {
      const server = await cluster.registered();
      await cluster.heartbeat(server);
      const from = inSeconds(0);
      await cluster.advance(180);
      expect(await detail(server.hostId)).toMatchObject({ connectionState: 'Disconnected' });
      expect((await cluster.heartbeat(server)).status).toBe(200);
      expect(await detail(server.hostId)).toMatchObject({ connectionState: 'Connected' });
      const [event] = await cluster.database.rows<{ detail: string }>(
        "SELECT CAST(detail AS CHAR) AS detail FROM event WHERE kind = 'silence_ended'",
      );
      expect(JSON.parse(event?.detail ?? 'null')).toEqual({ from, to: inSeconds(0) });
    });

    it.each([
      [179, 'Connected'],
      [180, 'Disconnected'],
    ])('%d s later it is %s', async (seconds, connectionState) => {
      const server = await cluster.registered();
      await cluster.heartbeat(server);
      await cluster.advance(seconds);
      expect(await detail(server.hostId)).toMatchObject({ connectionState });
    });

    it('a silence of ours is not its silence', async () => {
      const server = await cluster.registered();
      await cluster.heartbeat(server);
      await cluster.simulateOutage(7_200);
      expect(await detail(server.hostId)).toMatchObject({
        connectionState: 'Connected',
        leaseExpiresAt: inSeconds(165),
      });
      await cluster.advance(165);
      expect(await detail(server.hostId)).toMatchObject({ connectionState: 'Disconnected' });
    });

    it('what it reports is shown, with a status for each signal', async () => {
      const server = await cluster.registered();
      const load = {
        cpuPercent: 96.5,
        totalMemoryBytes: 100,
        availableMemoryBytes: 50,
        totalCacheBytes: 1_000,
        freeCacheBytes: 280,
        throughputBytesPerSecond: 1_000,
        pendingUploadBytes: 0,
      };
      const services = [{ name: 'cxprocessserver', state: 'running' }];
      await cluster.report(server, { load }, 900);
      const certificateExpiresAt = inSeconds(90 * 86_400);
      await cluster.heartbeat(server, {
        load,
        services,
        protectedMachineCount: 3,
        replicationPairCount: 5,
        churnBytesPerDay: 250_000_000_000,
        certificateExpiresAt,
        sentAt: inSeconds(-7),
        instanceId: 'a1',
      });
      expect(await detail(server.hostId)).toMatchObject({
        health: 'Critical',
        load: {
          ...load,
          reportedAt: inSeconds(0),
          cpuStatus: 'Critical',
          memoryStatus: 'Healthy',
          cacheStatus: 'Warning',
          uploadStatus: 'Healthy',
        },
        services,
        protectedMachineCount: 3,
        replicationPairCount: 5,
        churnBytesPerDay: 250_000_000_000,
        certificateExpiresAt,
        certificateRemainingDays: 90,
        clockSkewMs: -7_000,
        instanceId: 'a1',
      });
    });

    it('what it leaves out stays as it was reported', async () => {
      const server = await cluster.registered();
      await cluster.heartbeat(server, { protectedMachineCount: 3 });
      await cluster.heartbeat(server);
      expect(await detail(server.hostId)).toMatchObject({ protectedMachineCount: 3 });
    });

    it('a restart of the agent is no conflict', async () => {
      const server = await cluster.registered();
      for (const instanceId of ['a1', 'a1', 'b2', 'b2'])
        expect((await cluster.heartbeat(server, { instanceId })).status).toBe(200);
    });
  });

  interface Rejection {
    readonly when: string;
    readonly made: (server: KnownServer) => Promise<KnownServer>;
    readonly over?: Record<string, unknown>;
    readonly code: ProblemCode;
    readonly instruction: string;
    readonly event: string | null;
  }

  const asIs = async (server: KnownServer): Promise<KnownServer> => server;
  const rejections: Rejection[] = [
    {
      when: 'a forged credential',
      made: async (server) => ({ ...server, credential: `psc_${'A'.repeat(91)}` }),
      code: 'credential_rejected',
      instruction: 'ask_operator',
      event: null,
    },
    {
      when: 'the last character of the credential changed',
      made: async (server) => ({ ...server, credential: `${server.credential.slice(0, -2)}xx` }),
      code: 'credential_rejected',
      instruction: 'ask_operator',
      event: null,
    },
    {
      when: 'a tombstone made by a purge',
      made: purged,
      code: 'generation_retired',
      instruction: 'ask_operator',
      event: 'refused_generation_retired',
    },
    {
      when: 'a tombstone made by the clean-up',
      made: cleanedUp,
      code: 'generation_retired',
      instruction: 'stop',
      event: 'refused_generation_retired',
    },
    {
      when: 'Decommissioned',
      made: leaving,
      code: 'generation_retired',
      instruction: 'stop',
      event: 'refused_generation_retired',
    },
    {
      when: 'the host id is unknown, as after a restore',
      made: forgotten,
      code: 'process_server_not_found',
      instruction: 'reregister',
      event: 'refused_process_server_not_found',
    },
    {
      when: 'an older generation than the entry’s',
      made: superseded,
      code: 'generation_superseded',
      instruction: 'stop',
      event: 'refused_generation_superseded',
    },
    {
      when: 'a newer generation than the entry’s, as after a restore',
      made: restored,
      code: 'generation_unknown',
      instruction: 'reregister',
      event: 'refused_generation_unknown',
    },
    {
      when: 'revoked by an operator',
      made: onLease('revoked = 1'),
      code: 'credential_revoked',
      instruction: 'reregister',
      event: 'refused_credential_revoked',
    },
    {
      when: 'the credential’s hash is another',
      made: onLease("credential_hash = REPEAT('x', 32), report_fingerprint = REPEAT('x', 16)"),
      code: 'credential_rejected',
      instruction: 'ask_operator',
      event: 'refused_credential_rejected',
    },
    {
      when: 'another machine id',
      made: asIs,
      over: { machineId: 'machine-2' },
      code: 'host_id_conflict',
      instruction: 'ask_operator',
      event: 'refused_host_id_conflict',
    },
    {
      when: 'another generation in the body than in the credential',
      made: asIs,
      over: { generation: 2 },
      code: 'credential_rejected',
      instruction: 'ask_operator',
      event: 'refused_credential_rejected',
    },
    // Which comes first when two are true.
    {
      when: 'purged, then revoked everything else',
      made: async (server) => purged(await onLease('revoked = 1')(server)),
      code: 'generation_retired',
      instruction: 'ask_operator',
      event: 'refused_generation_retired',
    },
    {
      when: 'Decommissioned and of an older generation',
      made: async (server) => (await leaving(await cluster.registered({}, server.hostId)), server),
      code: 'generation_retired',
      instruction: 'stop',
      event: 'refused_generation_retired',
    },
    {
      when: 'of an older generation, and another machine',
      made: superseded,
      over: { machineId: 'machine-2' },
      code: 'generation_superseded',
      instruction: 'stop',
      event: 'refused_generation_superseded',
    },
    {
      when: 'revoked, and another machine',
      made: onLease('revoked = 1'),
      over: { machineId: 'machine-2' },
      code: 'credential_revoked',
      instruction: 'reregister',
      event: 'refused_credential_revoked',
    },
    {
      when: 'revoked, and another hash',
      made: onLease("revoked = 1, credential_hash = REPEAT('x', 32)"),
      code: 'credential_revoked',
      instruction: 'reregister',
      event: 'refused_credential_revoked',
    },
  ];

  describe('a heartbeat that is not accepted', () => {
    it.each(rejections)('$when: $code, $instruction', async ({ made, over, code, instruction, event }) => {
      const server = await cluster.registered();
      await cluster.heartbeat(server);
      const sender = await made(server);
      const state = `SELECT p.*, l.* FROM process_server AS p JOIN process_server_lease AS l USING (host_id)`;
      const before = [await cluster.database.rows(state), await cluster.database.count('tombstone')];
      const eventsBefore = await cluster.eventKinds(server.hostId);
      for (let heartbeat = 0; heartbeat < 2; heartbeat += 1) {
        const rejected = await cluster.heartbeat(sender, over);
        expectProblem(rejected, code);
        expect(rejected.body.instruction).toBe(instruction);
      }
      expect([await cluster.database.rows(state), await cluster.database.count('tombstone')]).toEqual(before);
      // Events of one instant have no order among themselves.
      expect((await cluster.eventKinds(server.hostId)).sort()).toEqual(
        [...eventsBefore, ...(event ? [event] : [])].sort(),
      );
    });

    it('without a credential: credential_rejected, ask_operator', async () => {
      const { hostId } = await cluster.registered();
      const rejected = await cluster.call('POST', `/v1/process-servers/${hostId}/heartbeats`, {
        body: { generation: 1 },
      });
      expectProblem(rejected, 'credential_rejected');
      expect(rejected.body).toMatchObject({ instruction: 'ask_operator' });
    });

    it('with the credential of another process server: credential_rejected', async () => {
      const [one, other] = [await cluster.registered(), await cluster.registered({ machineId: 'machine-2' })];
      expectProblem(await cluster.heartbeat({ ...one, credential: other.credential }), 'credential_rejected');
    });

    it('a conflict names both addresses', async () => {
      const server = await cluster.registered();
      await onLease("source_address = '192.0.2.77'")(server);
      const rejected = await cluster.heartbeat(server, { machineId: 'machine-2' });
      expectProblem(rejected, 'host_id_conflict');
      expect(rejected.body.detail).toMatch(/192\.0\.2\.77.*127\.0\.0\.1/);
    });

    it('an instance that a later one has replaced is a clone: host_id_conflict, and the later one lives on', async () => {
      const server = await cluster.registered();
      for (const instanceId of ['a1', 'b2']) expect((await cluster.heartbeat(server, { instanceId })).status).toBe(200);
      const rejected = await cluster.heartbeat(server, { instanceId: 'a1' });
      expectProblem(rejected, 'host_id_conflict');
      expect(rejected.body.instruction).toBe('ask_operator');
      expect((await cluster.heartbeat(server, { instanceId: 'b2' })).status).toBe(200);
      expect(await detail(server.hostId)).toMatchObject({ instanceId: 'b2' });
    });

    it('a refusal is noted once an hour, for each kind', async () => {
      const server = await leaving(await cluster.registered());
      for (const seconds of [0, 60, 3_600]) {
        cluster.clock.advanceSeconds(seconds);
        await cluster.recordAvailability();
        await cluster.heartbeat(server);
      }
      expect(
        (await cluster.eventKinds(server.hostId)).filter((kind) => kind === 'refused_generation_retired'),
      ).toHaveLength(2);
    });
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
        await cluster.heartbeat(free); // now the first is being carried over
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

    it('a replica that has not noted for 15 s says 503, retry, until it has', async () => {
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

  describe('two heartbeats at the same moment', () => {
    it('of one process server are both answered, and both are kept', async () => {
      const server = await cluster.registered();
      const responses = await Promise.all([
        cluster.heartbeat(server, { protectedMachineCount: 3 }),
        cluster.heartbeat(server, { replicationPairCount: 5 }),
      ]);
      expect(responses.map(({ status }) => status)).toEqual([200, 200]);
      expect(await detail(server.hostId)).toMatchObject({ protectedMachineCount: 3, replicationPairCount: 5 });
    });

    it('of two generations of one host id are answered each for itself', async () => {
      const old = await cluster.registered();
      const now = await cluster.registered({}, old.hostId);
      const [rejected, accepted] = await Promise.all([cluster.heartbeat(old), cluster.heartbeat(now)]);
      expectProblem(rejected, 'generation_superseded');
      expect(accepted.status).toBe(200);
    });
  });
});

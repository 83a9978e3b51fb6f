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
    cluster.clock.advanceSeconds(3_600); // another hour, so that refusals are recorded anew
    await cluster.recordAvailability();
  });

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

    it('an instance that a later one has replaced is a clone: host_id_conflict, and the later one stays', async () => {
      const server = await cluster.registered();
      for (const instanceId of ['a1', 'b2']) expect((await cluster.heartbeat(server, { instanceId })).status).toBe(200);
      const rejected = await cluster.heartbeat(server, { instanceId: 'a1' });
      expectProblem(rejected, 'host_id_conflict');
      expect(rejected.body.instruction).toBe('ask_operator');
      expect((await cluster.heartbeat(server, { instanceId: 'b2' })).status).toBe(200);
      expect((await cluster.read(`/v1/process-servers/${server.hostId}`)).body).toMatchObject({ instanceId: 'b2' });
    });

    it('records a refusal once an hour, for each kind', async () => {
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
});

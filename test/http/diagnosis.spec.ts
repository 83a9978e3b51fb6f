import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { expectProblem } from '../support/expect-problem.js';
import { TestCluster, type TestResponse, type KnownServer } from '../support/test-cluster.js';

interface Diagnosis {
  readonly summary: string;
  readonly recommendedActions: readonly string[];
  readonly recentRefusals: readonly string[];
  readonly refusals: readonly {
    readonly kind: string;
    readonly at: string;
    readonly sourceAddress: string;
    readonly meaning: string;
    readonly recommendedActions: string;
  }[];
}

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open();
});
afterAll(() => cluster.close());
beforeEach(async () => {
  await cluster.database.empty();
  cluster.clock.advanceSeconds(3_600);
  await cluster.recordAvailability();
});

const diagnosis = async (hostId: string): Promise<Diagnosis & Record<string, unknown>> =>
  (await cluster.read<Diagnosis & Record<string, unknown>>(`/v1/process-servers/${hostId}/diagnosis`)).body;
const now = (): string => cluster.clock.now().toISOString();

describe('the diagnosis', () => {
  it('of a Connected server recommends nothing and shows the numbers behind its state', async () => {
    const server = await cluster.registered();
    await cluster.heartbeat(server, { sentAt: now() });
    const at = now();
    await cluster.advance(20);
    expect(await diagnosis(server.hostId)).toEqual({
      hostId: server.hostId,
      connectionState: 'Connected',
      lifecycle: 'Registered',
      summary: expect.stringContaining('Connected'),
      recommendedActions: ['Nothing.'],
      lastHeartbeat: at,
      silentForSeconds: 20,
      heartbeatIntervalSeconds: 30,
      leaseExpiresAt: new Date(cluster.clock.now().getTime() + 160_000).toISOString(),
      clockSkewMs: 0,
      sourceAddress: '127.0.0.1',
      agentVersion: '9.63.7187.1',
      versionStatus: 'Supported',
      serviceOutages: [],
      recentRefusals: [],
      refusals: [],
      ignoredFields: [],
      asOf: now(),
    });
  });

  it('of a Disconnected server shows the start of the silence, and how to reconnect or remove it', async () => {
    const server = await cluster.registered();
    await cluster.heartbeat(server);
    const at = now();
    await cluster.advance(200);
    const { summary, recommendedActions, silentForSeconds } = await diagnosis(server.hostId);
    expect(silentForSeconds).toBe(200);
    expect(summary).toContain(at);
    expect(recommendedActions.join(' ')).toMatch(/ps-berlin-1.*192\.0\.2\.11.*purge/s);
  });

  it('of a server that never sent a heartbeat states this', async () => {
    const { hostId } = await cluster.registered();
    await cluster.advance(200);
    expect((await diagnosis(hostId)).summary).toContain('never sent a heartbeat');
  });

  it('of a Decommissioned server shows the removal time, and that registering cancels the removal', async () => {
    const server = await cluster.registered();
    const { body } = await cluster.unregister(server);
    const { summary, recommendedActions } = await diagnosis(server.hostId);
    expect(summary).toContain(body.removeBy);
    expect(recommendedActions.join(' ')).toContain('register');
  });

  it('counts service outages separately from the silence', async () => {
    const server = await cluster.registered();
    await cluster.heartbeat(server);
    const from = now();
    await cluster.simulateOutage(1_000);
    expect(await diagnosis(server.hostId)).toMatchObject({
      connectionState: 'Connected',
      silentForSeconds: 15,
      serviceOutages: [{ from, to: now() }],
    });
  });

  it('detects a cloned machine and a wrong clock', async () => {
    const server = await cluster.registered();
    await cluster.heartbeat(server, { sentAt: new Date(cluster.clock.now().getTime() - 120_000).toISOString() });
    await cluster.heartbeat(server, { machineId: 'machine-2' });
    const { recommendedActions, recentRefusals, clockSkewMs } = await diagnosis(server.hostId);
    expect([recentRefusals, clockSkewMs]).toEqual([['refused_host_id_conflict'], -120_000]);
    expect(recommendedActions.join(' ')).toMatch(/same host id.*120 s behind/s);
  });

  it('names the ignored members of the last heartbeat, until a heartbeat without any or a registration', async () => {
    const server = await cluster.registered();
    await cluster.heartbeat(server, { mood: 'good', protectedMachineCount: -1 });
    const { ignoredFields, recommendedActions } = await diagnosis(server.hostId);
    expect(ignoredFields).toEqual(['protectedMachineCount', 'mood']);
    const unknownCount = expect.stringContaining('removed only by force');
    expect(recommendedActions).toEqual([expect.stringMatching(/protectedMachineCount, mood.*Update/s), unknownCount]);
    await cluster.heartbeat(server);
    expect(await diagnosis(server.hostId)).toMatchObject({ ignoredFields: [], recommendedActions: [unknownCount] });
    await cluster.heartbeat(server, { protectedMachineCount: 0 });
    expect(await diagnosis(server.hostId)).toMatchObject({ ignoredFields: [], recommendedActions: ['Nothing.'] });
    await cluster.heartbeat(server, { mood: 'good' });
    await cluster.registered({}, server.hostId);
    expect(await diagnosis(server.hostId)).toMatchObject({ ignoredFields: [], recommendedActions: ['Nothing.'] });
  });

  it('names the source address of its heartbeats after a change, like its timeline', async () => {
    const server = await cluster.registered();
    const heartbeatFrom = (address: string) =>
      cluster.call('POST', `/v1/process-servers/${server.hostId}/heartbeats`, {
        body: { generation: 1 },
        authorization: `Bearer ${server.credential}`,
        address,
      });
    for (const address of ['127.0.0.1', '127.0.0.7', '127.0.0.8'])
      expect((await heartbeatFrom(address)).status).toBe(200);
    const { items } = (
      await cluster.read<{ items: { kind: string; detail: Record<string, unknown> }[] }>(
        `/v1/process-servers/${server.hostId}/events`,
      )
    ).body;
    expect(items.map(({ kind, detail }) => [kind, detail['from'], detail['to']]).slice(1)).toEqual([
      ['source_address_changed', '127.0.0.1', '127.0.0.7'],
    ]);
    const { sourceAddress, recommendedActions } = await diagnosis(server.hostId);
    expect(sourceAddress).toBe('127.0.0.8');
    expect(recommendedActions).toEqual([
      expect.stringMatching(
        /come from 127\.0\.0\.8; it registered as 192\.0\.2\.11.*from 127\.0\.0\.1 to 127\.0\.0\.7/,
      ),
    ]);
  });

  describe('of a server whose heartbeats are rejected', () => {
    const malformed = (server: KnownServer): Promise<TestResponse> =>
      cluster.heartbeat<Record<string, unknown>>(server, { generation: 'one' });

    it('never states that no heartbeat was sent, and recommends an action instead of a purge', async () => {
      const server = await cluster.registered();
      for (let heartbeat = 0; heartbeat < 3; heartbeat += 1) {
        await malformed(server);
        await cluster.advance(90);
      }
      const { summary, recommendedActions, recentRefusals, connectionState } = await diagnosis(server.hostId);
      expect([connectionState, recentRefusals]).toEqual(['Disconnected', ['refused_malformed_heartbeat']]);
      expect(summary).toMatch(
        /none of its heartbeats has been accepted.*It sends heartbeats, and they are rejected: validation_failed\./,
      );
      expect(recommendedActions).toEqual([
        expect.stringMatching(
          /It sends malformed heartbeats, from 127\.0\.0\.1.*generation must be an integer number.*Correct the agent/,
        ),
      ]);
    });

    it('shows when the last heartbeat was accepted', async () => {
      const server = await cluster.registered();
      await cluster.heartbeat(server);
      const at = now();
      await cluster.advance(10);
      await malformed(server);
      await cluster.advance(180);
      expect((await diagnosis(server.hostId)).summary).toContain(`Its last accepted heartbeat arrived at ${at}`);
    });

    it('states the rejection for every other reason too', async () => {
      const server = await cluster.registered();
      await cluster.heartbeat(server, { generation: 7 });
      await cluster.advance(180);
      const { summary, recommendedActions } = await diagnosis(server.hostId);
      expect(summary).toContain('they are rejected: credential_rejected');
      expect(recommendedActions).toEqual([expect.stringContaining('credential_rejected')]);
    });

    it('finds the newest rejection among any number of other events of the host', async () => {
      const server = await cluster.registered();
      const registrations = (count: number): Promise<unknown> =>
        cluster.database.write('INSERT INTO event (id, at, kind, host_id, generation, actor, detail) VALUES ?', [
          Array.from({ length: count }, () => [
            randomUUID(),
            cluster.clock.now(),
            'registered_again',
            server.hostId,
            1,
            'process-server',
            '{}',
          ]),
        ]);
      await registrations(1_001);
      cluster.clock.advanceSeconds(1);
      expectProblem(
        await cluster.register(server.hostId, { machineId: 'machine-2', ipAddress: '192.0.2.78' }),
        'host_id_conflict',
      );
      cluster.clock.advanceSeconds(1);
      await registrations(1_001);
      const { recentRefusals, refusals, recommendedActions } = await diagnosis(server.hostId);
      expect([recentRefusals, recommendedActions]).toEqual([
        ['refused_host_id_conflict'],
        [expect.stringContaining('same host id')],
      ]);
      expect(refusals).toMatchObject([
        {
          kind: 'refused_host_id_conflict',
          sourceAddress: '127.0.0.1',
          meaning: expect.stringContaining('same host id'),
          recommendedActions: expect.stringContaining('its own host id'),
        },
      ]);
    });

    const rejectedIn: Record<string, () => Promise<KnownServer>> = {
      'a revoked credential': async () => {
        const server = await cluster.registered();
        await cluster.heartbeat(server);
        cluster.clock.advanceSeconds(1);
        await cluster.call('POST', `/v1/process-servers/${server.hostId}/revoke-credential`, {
          body: { generation: 1, reason: 'leaked' },
          authorization: cluster.admin,
        });
        expectProblem(await cluster.heartbeat(server), 'credential_revoked');
        return server;
      },
      'an earlier registration': async () => {
        const old = await cluster.registered();
        cluster.clock.advanceSeconds(1);
        const server = await cluster.registered({}, old.hostId);
        expectProblem(await cluster.heartbeat(old), 'generation_superseded');
        return server;
      },
      'an earlier registration, recorded before the last one': async () => {
        const old = await cluster.registered();
        const middle = await cluster.registered({}, old.hostId);
        expectProblem(await cluster.heartbeat(old), 'generation_superseded');
        cluster.clock.advanceSeconds(1);
        const server = await cluster.registered({}, old.hostId);
        expectProblem(await cluster.heartbeat(middle), 'generation_superseded');
        return server;
      },
      'a version that may not register': async () => {
        const server = await cluster.registered();
        cluster.clock.advanceSeconds(1);
        expectProblem(
          await cluster.register(server.hostId, { agentVersion: '9.64.0.0' }),
          'version_newer_than_configuration_server',
        );
        return server;
      },
    };

    it.each([
      ['a revoked credential', 'credential_revoked', /revoked.*Register it again/],
      ['an earlier registration', 'generation_superseded', /earlier registration.*register it again; otherwise stop/],
      ['an earlier registration, recorded before the last one', 'generation_superseded', /earlier registration/],
      ['a version that may not register', 'version_newer_than_configuration_server', /agent version.*Upgrade/],
    ])(
      'because of %s explains it during and after the lease, and never that it recovers without intervention',
      async (cause, code, hint) => {
        const server = await rejectedIn[cause]?.();
        if (!server) throw new Error('not in the table');
        for (const seconds of [0, 180]) {
          await cluster.advance(seconds);
          const { summary, recommendedActions, refusals } = await diagnosis(server.hostId);
          expect(recommendedActions[0]).toMatch(hint);
          expect(recommendedActions.join(' ')).not.toMatch(/Nothing|by itself/);
          expect(summary).toContain(code);
          expect(refusals.map(({ kind }) => kind)).toEqual([
            code.startsWith('version') ? 'refused_version' : `refused_${code}`,
          ]);
        }
      },
    );

    it('explains the heartbeats of a Decommissioned server too', async () => {
      const server = await cluster.registered();
      await cluster.unregister(server);
      expectProblem(await cluster.heartbeat(server), 'generation_retired');
      const { recommendedActions } = await diagnosis(server.hostId);
      expect(recommendedActions).toEqual([
        expect.stringMatching(/decommissioned or purged.*Stop its agent/),
        expect.stringMatching(/^If it was a mistake/),
      ]);
    });

    it('ignores rejections after an hour of accepted heartbeats, or after a registration', async () => {
      const server = await cluster.registered();
      await malformed(server);
      await cluster.heartbeat(server);
      expect((await diagnosis(server.hostId)).recommendedActions).toEqual([
        expect.stringContaining('malformed heartbeats'),
      ]);
      await cluster.simulateOutage(3_601);
      await cluster.heartbeat(server);
      expect((await diagnosis(server.hostId)).recommendedActions).toEqual(['Nothing.']);
      await malformed(server);
      await cluster.registered({}, server.hostId);
      await cluster.advance(180);
      expect((await diagnosis(server.hostId)).summary).toContain('never sent a heartbeat');
    });
  });

  it('of an unknown host id: 404', async () => {
    expectProblem(await cluster.read(`/v1/process-servers/${randomUUID()}/diagnosis`), 'process_server_not_found');
  });
});

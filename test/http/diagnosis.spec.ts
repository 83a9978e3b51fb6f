import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { expectProblem } from '../support/expect-problem.js';
import { TestSite, type Answer, type KnownServer } from '../support/test-site.js';

interface Diagnosis {
  readonly summary: string;
  readonly whatToDo: readonly string[];
  readonly recentRefusals: readonly string[];
  readonly refusals: readonly {
    readonly kind: string;
    readonly at: string;
    readonly sourceAddress: string;
    readonly meaning: string;
    readonly whatToDo: string;
  }[];
}

let site: TestSite;
beforeAll(async () => {
  site = await TestSite.open();
});
afterAll(() => site.close());
beforeEach(async () => {
  await site.database.empty();
  site.clock.advanceSeconds(3_600);
  await site.note();
});

const diagnosis = async (hostId: string): Promise<Diagnosis & Record<string, unknown>> =>
  (await site.read<Diagnosis & Record<string, unknown>>(`/v1/process-servers/${hostId}/diagnosis`)).body;
const now = (): string => site.clock.now().toISOString();

describe('the diagnosis', () => {
  it('of a Connected one: nothing to do, and the numbers that it is judged by', async () => {
    const server = await site.registered();
    await site.heartbeat(server, { sentAt: now() });
    const at = now();
    await site.pass(20);
    expect(await diagnosis(server.hostId)).toEqual({
      hostId: server.hostId,
      connectionState: 'Connected',
      lifecycle: 'Registered',
      summary: expect.stringContaining('Connected'),
      whatToDo: ['Nothing.'],
      lastHeartbeat: at,
      silentForSeconds: 20,
      heartbeatIntervalSeconds: 30,
      leaseExpiresAt: new Date(site.clock.now().getTime() + 160_000).toISOString(),
      clockSkewMs: 0,
      sourceAddress: '127.0.0.1',
      agentVersion: '9.63.7187.1',
      versionStatus: 'Supported',
      ourOutages: [],
      recentRefusals: [],
      refusals: [],
      ignoredFields: [],
      asOf: now(),
    });
  });

  it('of a silent one says since when, and how to get it back or out', async () => {
    const server = await site.registered();
    await site.heartbeat(server);
    const at = now();
    await site.pass(200);
    const { summary, whatToDo, silentForSeconds } = await diagnosis(server.hostId);
    expect(silentForSeconds).toBe(200);
    expect(summary).toContain(at);
    expect(whatToDo.join(' ')).toMatch(/ps-berlin-1.*192\.0\.2\.11.*purge/s);
  });

  it('of one that never sent a heartbeat says so', async () => {
    const { hostId } = await site.registered();
    await site.pass(200);
    expect((await diagnosis(hostId)).summary).toContain('never sent a heartbeat');
  });

  it('of one that is leaving says by when it is gone, and that registering cancels it', async () => {
    const server = await site.registered();
    const { body } = await site.unregister(server);
    const { summary, whatToDo } = await diagnosis(server.hostId);
    expect(summary).toContain(body.removeBy);
    expect(whatToDo.join(' ')).toContain('register');
  });

  it('counts our own outages apart from its silence', async () => {
    const server = await site.registered();
    await site.heartbeat(server);
    const from = now();
    await site.outage(1_000);
    expect(await diagnosis(server.hostId)).toMatchObject({
      connectionState: 'Connected',
      silentForSeconds: 15,
      ourOutages: [{ from, to: now() }],
    });
  });

  it('points to a clone and to a wrong clock', async () => {
    const server = await site.registered();
    await site.heartbeat(server, { sentAt: new Date(site.clock.now().getTime() - 120_000).toISOString() });
    await site.heartbeat(server, { machineId: 'machine-2' });
    const { whatToDo, recentRefusals, clockSkewMs } = await diagnosis(server.hostId);
    expect([recentRefusals, clockSkewMs]).toEqual([['refused_host_id_conflict'], -120_000]);
    expect(whatToDo.join(' ')).toMatch(/same host id.*120 s behind/s);
  });

  it('names the members of the last heartbeat that were not used, until a heartbeat or a registration without any', async () => {
    const server = await site.registered();
    await site.heartbeat(server, { mood: 'good', protectedMachineCount: -1 });
    const { ignoredFields, whatToDo } = await diagnosis(server.hostId);
    expect(ignoredFields).toEqual(['protectedMachineCount', 'mood']);
    const unknownCount = expect.stringContaining('removed only by force');
    expect(whatToDo).toEqual([expect.stringMatching(/protectedMachineCount, mood.*Update/s), unknownCount]);
    await site.heartbeat(server);
    expect(await diagnosis(server.hostId)).toMatchObject({ ignoredFields: [], whatToDo: [unknownCount] });
    await site.heartbeat(server, { protectedMachineCount: 0 });
    expect(await diagnosis(server.hostId)).toMatchObject({ ignoredFields: [], whatToDo: ['Nothing.'] });
    await site.heartbeat(server, { mood: 'good' });
    await site.registered({}, server.hostId);
    expect(await diagnosis(server.hostId)).toMatchObject({ ignoredFields: [], whatToDo: ['Nothing.'] });
  });

  it('says from where its heartbeats come when that changed, as its timeline does', async () => {
    const server = await site.registered();
    const beatFrom = (address: string) =>
      site.call('POST', `/v1/process-servers/${server.hostId}/heartbeats`, {
        body: { generation: 1 },
        authorization: `Bearer ${server.credential}`,
        address,
      });
    for (const address of ['127.0.0.1', '127.0.0.7', '127.0.0.8']) expect((await beatFrom(address)).status).toBe(200);
    const { items } = (
      await site.read<{ items: { kind: string; detail: Record<string, unknown> }[] }>(
        `/v1/process-servers/${server.hostId}/events`,
      )
    ).body;
    expect(items.map(({ kind, detail }) => [kind, detail['from'], detail['to']]).slice(1)).toEqual([
      ['source_address_changed', '127.0.0.1', '127.0.0.7'],
    ]);
    const { sourceAddress, whatToDo } = await diagnosis(server.hostId);
    expect(sourceAddress).toBe('127.0.0.8');
    expect(whatToDo).toEqual([
      expect.stringMatching(
        /come from 127\.0\.0\.8; it registered as 192\.0\.2\.11.*from 127\.0\.0\.1 to 127\.0\.0\.7/,
      ),
    ]);
  });

  describe('of one whose heartbeats are refused', () => {
    const malformed = (server: KnownServer): Promise<Answer> =>
      site.heartbeat<Record<string, unknown>>(server, { generation: 'one' });

    it('never says that it sent none, and says what to do instead of purging it', async () => {
      const server = await site.registered();
      for (let beat = 0; beat < 3; beat += 1) {
        await malformed(server);
        await site.pass(90);
      }
      const { summary, whatToDo, recentRefusals, connectionState } = await diagnosis(server.hostId);
      expect([connectionState, recentRefusals]).toEqual(['Disconnected', ['refused_malformed_heartbeat']]);
      expect(summary).toMatch(
        /none of its heartbeats has been accepted.*It sends heartbeats, and they are refused: validation_failed\./,
      );
      expect(whatToDo).toEqual([
        expect.stringMatching(
          /cannot be read, from 127\.0\.0\.1.*generation must be an integer number.*Correct the agent/,
        ),
      ]);
    });

    it('says when the last one was accepted', async () => {
      const server = await site.registered();
      await site.heartbeat(server);
      const at = now();
      await site.pass(10);
      await malformed(server);
      await site.pass(180);
      expect((await diagnosis(server.hostId)).summary).toContain(`Its last accepted heartbeat came at ${at}`);
    });

    it('says so for any other reason, too', async () => {
      const server = await site.registered();
      await site.heartbeat(server, { generation: 7 });
      await site.pass(180);
      const { summary, whatToDo } = await diagnosis(server.hostId);
      expect(summary).toContain('they are refused: credential_rejected');
      expect(whatToDo).toEqual([expect.stringContaining('credential_rejected')]);
    });

    it('finds the newest of them, however many other events the host has', async () => {
      const server = await site.registered();
      const registrations = (count: number): Promise<unknown> =>
        site.database.write('INSERT INTO event (id, at, kind, host_id, generation, actor, detail) VALUES ?', [
          Array.from({ length: count }, () => [
            randomUUID(),
            site.clock.now(),
            'registered_again',
            server.hostId,
            1,
            'process-server',
            '{}',
          ]),
        ]);
      await registrations(1_001);
      site.clock.advanceSeconds(1);
      expectProblem(
        await site.register(server.hostId, { machineId: 'machine-2', ipAddress: '192.0.2.78' }),
        'host_id_conflict',
      );
      site.clock.advanceSeconds(1);
      await registrations(1_001);
      const { recentRefusals, refusals, whatToDo } = await diagnosis(server.hostId);
      expect([recentRefusals, whatToDo]).toEqual([
        ['refused_host_id_conflict'],
        [expect.stringContaining('same host id')],
      ]);
      expect(refusals).toMatchObject([
        {
          kind: 'refused_host_id_conflict',
          sourceAddress: '127.0.0.1',
          meaning: expect.stringContaining('same host id'),
          whatToDo: expect.stringContaining('host id of its own'),
        },
      ]);
    });

    const refusedIn: Record<string, () => Promise<KnownServer>> = {
      'a revoked credential': async () => {
        const server = await site.registered();
        await site.heartbeat(server);
        site.clock.advanceSeconds(1);
        await site.call('POST', `/v1/process-servers/${server.hostId}/revoke-credential`, {
          body: { generation: 1, reason: 'leaked' },
          authorization: site.admin,
        });
        expectProblem(await site.heartbeat(server), 'credential_revoked');
        return server;
      },
      'an earlier registration': async () => {
        const old = await site.registered();
        site.clock.advanceSeconds(1);
        const server = await site.registered({}, old.hostId);
        expectProblem(await site.heartbeat(old), 'generation_superseded');
        return server;
      },
      'an earlier registration, noted before the last one': async () => {
        const old = await site.registered();
        const middle = await site.registered({}, old.hostId);
        expectProblem(await site.heartbeat(old), 'generation_superseded');
        site.clock.advanceSeconds(1);
        const server = await site.registered({}, old.hostId);
        expectProblem(await site.heartbeat(middle), 'generation_superseded');
        return server;
      },
      'a version that may not register': async () => {
        const server = await site.registered();
        site.clock.advanceSeconds(1);
        expectProblem(
          await site.register(server.hostId, { agentVersion: '9.64.0.0' }),
          'version_newer_than_configuration_server',
        );
        return server;
      },
    };

    it.each([
      ['a revoked credential', 'credential_revoked', /revoked.*Register it again/],
      ['an earlier registration', 'generation_superseded', /earlier registration.*register it again; otherwise stop/],
      ['an earlier registration, noted before the last one', 'generation_superseded', /earlier registration/],
      ['a version that may not register', 'version_newer_than_configuration_server', /agent version.*Upgrade/],
    ])(
      'because of %s explains that at once and when the lease has ended, and never that it goes on by itself',
      async (cause, code, hint) => {
        const server = await refusedIn[cause]?.();
        if (!server) throw new Error('not in the table');
        for (const seconds of [0, 180]) {
          await site.pass(seconds);
          const { summary, whatToDo, refusals } = await diagnosis(server.hostId);
          expect(whatToDo[0]).toMatch(hint);
          expect(whatToDo.join(' ')).not.toMatch(/Nothing|by itself/);
          expect(summary).toContain(code);
          expect(refusals.map(({ kind }) => kind)).toEqual([
            code.startsWith('version') ? 'refused_version' : `refused_${code}`,
          ]);
        }
      },
    );

    it('of one that is leaving and still sends explains that, too', async () => {
      const server = await site.registered();
      await site.unregister(server);
      expectProblem(await site.heartbeat(server), 'generation_retired');
      const { whatToDo } = await diagnosis(server.hostId);
      expect(whatToDo).toEqual([
        expect.stringMatching(/decommissioned or purged.*Stop its agent/),
        expect.stringMatching(/^If it was a mistake/),
      ]);
    });

    it('forgets it when heartbeats were accepted for an hour, or when it registered again', async () => {
      const server = await site.registered();
      await malformed(server);
      await site.heartbeat(server);
      expect((await diagnosis(server.hostId)).whatToDo).toEqual([expect.stringContaining('cannot be read')]);
      await site.outage(3_601);
      await site.heartbeat(server);
      expect((await diagnosis(server.hostId)).whatToDo).toEqual(['Nothing.']);
      await malformed(server);
      await site.registered({}, server.hostId);
      await site.pass(180);
      expect((await diagnosis(server.hostId)).summary).toContain('never sent a heartbeat');
    });
  });

  it('of one that nobody knows: 404', async () => {
    expectProblem(await site.read(`/v1/process-servers/${randomUUID()}/diagnosis`), 'process_server_not_found');
  });
});

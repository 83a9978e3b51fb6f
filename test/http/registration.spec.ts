import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { expectProblem } from '../support/expect-problem.js';
import {
  aRegistration,
  LOOPBACK,
  TestCluster,
  type KnownServer,
  type ProblemBody,
  type RegistrationBody,
} from '../support/test-cluster.js';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open();
});
afterAll(() => cluster.close());
beforeEach(async () => {
  await cluster.database.empty();
  await cluster.recordAvailability();
});

interface Detail {
  readonly [member: string]: unknown;
  readonly possibleDuplicates: readonly { readonly hostId: string }[];
}
interface TimelineItem {
  readonly kind: string;
  readonly sourceAddress: string | null;
  readonly detail: Record<string, unknown>;
}
const detail = async (hostId: string): Promise<Detail> =>
  (await cluster.read<Detail>(`/v1/process-servers/${hostId}`)).body;
const lastEvent = async (hostId: string): Promise<TimelineItem> => {
  const { body } = await cluster.read<{ items: TimelineItem[] }>(`/v1/process-servers/${hostId}/events`);
  const event = body.items.at(-1);
  if (!event) throw new Error('there is no event');
  return event;
};
const silent = async (over: Record<string, unknown> = {}): Promise<KnownServer> => {
  const server = await cluster.registered(over);
  await cluster.advance(180);
  return server;
};
const leaving = async (over: Record<string, unknown> = {}): Promise<KnownServer> => {
  const server = await cluster.registered(over);
  await cluster.unregister(server);
  return server;
};
const purged = async (): Promise<KnownServer> => {
  const server = await silent();
  await cluster.purge(server.hostId, { generation: server.generation });
  return server;
};
const cleanedUp = async (): Promise<KnownServer> => {
  const server = await leaving();
  await cluster.advance(300);
  await cluster.replica().cleanUp.run();
  return server;
};

describe('registration', () => {
  it('of a new process server returns 201, its first generation, and the settings of the agent', async () => {
    const hostId = randomUUID();
    const { status, body } = await cluster.register(hostId);
    expect(status).toBe(201);
    expect(body).toEqual({
      hostId,
      generation: 1,
      credential: expect.stringMatching(/^psc_[\w-]{80,}$/),
      heartbeatIntervalSeconds: 30,
      leaseSeconds: 180,
      versionStatus: 'Supported',
      sizingClass: 'UpTo150Machines',
      warnings: [],
    });
    expect(await cluster.eventKinds(hostId)).toEqual(['registered']);
    const [passphrase] = await cluster.database.rows<{ id: string }>('SELECT id FROM passphrase');
    expect((await lastEvent(hostId)).detail).toMatchObject({ passphraseId: passphrase?.id });
  });

  it('stores the registered values, and starts the first lease', async () => {
    const proxy = { used: true, address: 'proxy.example.net', port: 3128, authenticated: true };
    const facts = aRegistration({ fqdn: 'ps-berlin-1.example.net', dataPort: 9500, proxy });
    const { hostId } = await cluster.registered(facts);
    expect(await detail(hostId)).toMatchObject({
      ...facts,
      hostId,
      generation: 1,
      lifecycle: 'Registered',
      connectionState: 'Connected',
      health: 'None',
      lastHeartbeat: null,
      leaseExpiresAt: new Date(cluster.clock.now().getTime() + 180_000).toISOString(),
      registeredAt: cluster.clock.now().toISOString(),
      removeBy: null,
      sourceAddress: '127.0.0.1',
      possibleDuplicate: false,
    });
  });

  it('uses data port 9443 by default', async () => {
    const { hostId } = await cluster.registered();
    expect(await detail(hostId)).toMatchObject({ dataPort: 9443, proxy: null, fqdn: null });
  });

  it('treats a host id in upper case as the same process server', async () => {
    const hostId = randomUUID();
    await cluster.registered({}, hostId);
    const again = await cluster.register(hostId.toUpperCase());
    expect([again.status, again.body]).toMatchObject([200, { hostId, generation: 2 }]);
  });

  it.each([
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['192.0.2.8', '192.0.2.8'],
  ])('stores the address %s as %s', async (given, kept) => {
    const { hostId } = await cluster.registered({ ipAddress: given });
    expect((await detail(hostId))['ipAddress']).toBe(kept);
  });

  it.each([
    [12, 24e9, 1000e9, 'UpTo225Machines'],
    [8, 12e9, 600e9, 'UpTo150Machines'],
    [8, 12e9, 599e9, 'UpTo85Machines'],
    [4, 8e9, 300e9, 'UpTo85Machines'],
    [3, 8e9, 300e9, 'BelowTable'],
  ])(
    '%d cores, %d bytes of memory and %d of cache disk are %s',
    async (cpuCores, memoryBytes, cacheDiskBytes, sizingClass) => {
      const { body } = await cluster.register(randomUUID(), { cpuCores, memoryBytes, cacheDiskBytes });
      expect(body.sizingClass).toBe(sizingClass);
      expect(body.warnings.map(({ code }) => code)).toEqual(sizingClass === 'BelowTable' ? ['below_sizing_table'] : []);
    },
  );

  it.each([
    ['9.63.7187.1', 'Supported'],
    ['9.59.0.0', 'Supported'],
    ['9.58.65535.9', 'NotSupported'],
    ['8.63.7187.1', 'NotSupported'],
  ])('version %s registers as %s', async (agentVersion, versionStatus) => {
    const { status, body } = await cluster.register(randomUUID(), { agentVersion });
    expect([status, body.versionStatus]).toEqual([201, versionStatus]);
    expect(body.warnings.map(({ code }) => code)).toEqual(
      versionStatus === 'Supported' ? [] : ['version_not_supported'],
    );
  });

  it('rejects a version newer than the configuration server, names the upgrade order, and records it once an hour', async () => {
    const hostId = randomUUID();
    for (const agentVersion of ['9.63.7187.2', '9.64.0.0']) {
      const rejected = await cluster.register<ProblemBody>(hostId, { agentVersion });
      expectProblem(rejected, 'version_newer_than_configuration_server');
      expect(rejected.body).toMatchObject({ instruction: 'ask_operator', errors: [{ field: 'agentVersion' }] });
      expect(rejected.body.detail).toContain(agentVersion);
    }
    expect(await cluster.eventKinds(hostId)).toEqual(['refused_version']);
    expect(await cluster.database.count('process_server')).toBe(0);
  });

  it('rejects the control port as data port', async () => {
    const rejected = await cluster.register<ProblemBody>(randomUUID(), { dataPort: 443 });
    expectProblem(rejected, 'invalid_data_port');
    expect(rejected.body).toMatchObject({ instruction: 'ask_operator', errors: [{ field: 'dataPort' }] });
  });

  it('accepts data port 9433, with a warning of a probable typing error', async () => {
    const { status, body } = await cluster.register(randomUUID(), { dataPort: 9433 });
    expect([status, body.warnings]).toMatchObject([201, [{ code: 'unusual_data_port', severity: 'warning' }]]);
  });

  it.each([
    [901, 422],
    [900, 201],
    [-86_400, 201],
  ])('with a clock %d s ahead returns %d', async (aheadSeconds, status) => {
    const sentAt = new Date(cluster.clock.now().getTime() + aheadSeconds * 1000).toISOString();
    const response = await cluster.register<ProblemBody & RegistrationBody>(randomUUID(), { sentAt });
    expect(response.status).toBe(status);
    if (status === 422) expectProblem(response, 'clock_in_future');
    else expect(response.body.warnings.map(({ code }) => code)).toEqual(['clock_skew']);
  });

  it('rejects a passphrase with one wrong character', async () => {
    const response = await cluster.call<ProblemBody>('PUT', `/v1/process-servers/${randomUUID()}`, {
      body: aRegistration(),
      authorization: `${cluster.passphrase}A`,
    });
    expectProblem(response, 'passphrase_rejected');
    expect(response.body.instruction).toBe('ask_operator');
    expect(await cluster.database.rows('SELECT kind FROM event')).toEqual([{ kind: 'refused_passphrase_rejected' }]);
  });
});

describe('registering an existing host id', () => {
  it.each([
    ['Connected', () => cluster.registered()],
    ['Disconnected', () => silent()],
    ['Decommissioned', () => leaving()],
  ] as const)('from the same machine, %s, returns 200 and the next generation', async (_state, before) => {
    const old = await before();
    const { status, body } = await cluster.register(old.hostId);
    expect([status, body.generation]).toEqual([200, 2]);
    expect(await detail(old.hostId)).toMatchObject({
      generation: 2,
      lifecycle: 'Registered',
      connectionState: 'Connected',
      removeBy: null,
    });
    expect((await lastEvent(old.hostId)).kind).toBe('registered_again');
    expectProblem(await cluster.heartbeat(old), 'generation_superseded');
    expect((await cluster.heartbeat({ hostId: old.hostId, ...body })).status).toBe(200);
  });

  it('cancels the pending removal', async () => {
    const { hostId } = await leaving();
    await cluster.registered({}, hostId);
    expect(await lastEvent(hostId)).toMatchObject({ detail: { cancelledRemoval: true } });
    await cluster.advance(900);
    await cluster.replica().cleanUp.run();
    expect(await detail(hostId)).toMatchObject({ hostId, lifecycle: 'Registered' });
  });

  it('records the changed fields in the event', async () => {
    const { hostId } = await cluster.registered();
    await cluster.registered({ ipAddress: '192.0.2.12' }, hostId);
    expect((await lastEvent(hostId)).detail['changes']).toEqual({
      ipAddress: { from: '192.0.2.11', to: '192.0.2.12' },
    });
  });

  it.each([
    ['a purge', purged, 'purge'],
    ['the clean-up', cleanedUp, 'clean_up'],
  ] as const)('over a tombstone of %s: 201, and the generation continues', async (_by, before, removal) => {
    const { hostId } = await before();
    const { status, body } = await cluster.register(hostId);
    expect([status, body.generation]).toEqual([201, 2]);
    expect(await lastEvent(hostId)).toMatchObject({ kind: 'registered', detail: { returnedAfter: removal } });
    expect(await cluster.database.count('tombstone')).toBe(0);
    expect((await cluster.heartbeat({ hostId, ...body })).status).toBe(200);
  });

  it('from another machine while it is Connected: 409 with both addresses, and nothing changes', async () => {
    const first = await cluster.registered();
    const rejected = await cluster.register<ProblemBody>(first.hostId, {
      machineId: 'machine-2',
      ipAddress: '192.0.2.99',
    });
    expectProblem(rejected, 'host_id_conflict');
    expect(rejected.body.instruction).toBe('ask_operator');
    expect(rejected.body.detail).toMatch(/192\.0\.2\.11.*192\.0\.2\.99/);
    expect(await detail(first.hostId)).toMatchObject({ generation: 1, machineId: 'machine-1' });
    expect((await cluster.heartbeat(first)).status).toBe(200);
    expect(await cluster.eventKinds(first.hostId)).toEqual(['registered', 'refused_host_id_conflict']);
  });

  it.each([
    ['Disconnected', () => silent()],
    ['Decommissioned', () => leaving()],
  ] as const)('from another machine while it is %s: 200, and an event names both machines', async (_state, before) => {
    const old = await before();
    const { status, body } = await cluster.register(old.hostId, { machineId: 'machine-2' });
    expect([status, body.generation]).toEqual([200, 2]);
    expect(await lastEvent(old.hostId)).toMatchObject({
      kind: 'replaced',
      detail: { machineIds: { before: 'machine-1', after: 'machine-2' } },
    });
    expectProblem(await cluster.heartbeat(old), 'generation_superseded');
  });

  it('from another machine does not inherit the reports of the old one', async () => {
    const old = await cluster.registered();
    await cluster.heartbeat(old, { protectedMachineCount: 7 });
    await cluster.registered({}, old.hostId);
    expect(await detail(old.hostId)).toMatchObject({ protectedMachineCount: 7 });
    await cluster.advance(180);
    await cluster.registered({ machineId: 'machine-2' }, old.hostId);
    expect(await detail(old.hostId)).toMatchObject({ protectedMachineCount: null });
  });
});

describe('a possible duplicate', () => {
  it.each([
    ['address', { friendlyName: 'ps-berlin-2', machineId: 'machine-2' }],
    ['name', { ipAddress: '192.0.2.12', machineId: 'machine-2' }],
    ['name in other letter case', { friendlyName: 'PS-Berlin-1', ipAddress: '192.0.2.12', machineId: 'machine-2' }],
    ['machine id', { friendlyName: 'ps-berlin-2', ipAddress: '192.0.2.12' }],
  ])('by the same %s: 201, a warning in the response, and a flag on both', async (_what, over) => {
    const first = await cluster.registered();
    const { status, body } = await cluster.register(randomUUID(), over);
    expect([status, body.generation, body.warnings.map(({ code }) => code)]).toEqual([201, 1, ['possible_duplicate']]);
    const { hostId } = body as unknown as { hostId: string };
    expect(await detail(first.hostId)).toMatchObject({ possibleDuplicate: true, possibleDuplicates: [{ hostId }] });
    expect(await detail(hostId)).toMatchObject({
      possibleDuplicate: true,
      possibleDuplicates: [{ hostId: first.hostId }],
    });
    const { body: list } = await cluster.read<{ items: { possibleDuplicate: boolean }[] }>('/v1/process-servers');
    expect(list.items.map(({ possibleDuplicate }) => possibleDuplicate)).toEqual([true, true]);
  });

  it('is found by its machine id and by possibleDuplicate', async () => {
    const [one, other] = [
      await cluster.registered({ friendlyName: 'old-name' }),
      await cluster.registered({ friendlyName: 'new-name', ipAddress: '192.0.2.12' }),
    ];
    const alone = await cluster.registered({ friendlyName: 'alone', ipAddress: '192.0.2.13', machineId: 'machine-2' });
    const ids = async (query: string) =>
      (await cluster.read<{ items: { hostId: string }[] }>(`/v1/process-servers?${query}`)).body.items.map(
        ({ hostId }) => hostId,
      );
    const both = [one.hostId, other.hostId].sort();
    expect([await ids('machineId=machine-1'), await ids('possibleDuplicate=true')]).toEqual([both, both]);
    expect([await ids('possibleDuplicate=false'), await ids('machineId=machine-2&possibleDuplicate=true')]).toEqual([
      [alone.hostId],
      [],
    ]);
    expectProblem(await cluster.read('/v1/process-servers?possibleDuplicate=yes'), 'validation_failed');
  });

  it('returns a warning at the preflight', async () => {
    await cluster.registered();
    const body = aRegistration({ friendlyName: 'ps-berlin-2', ipAddress: '192.0.2.12' });
    const { body: found } = await cluster.call<{ findings: { code: string; message: string }[] }>(
      'POST',
      `/v1/process-servers/${randomUUID()}/preflight`,
      { body, authorization: cluster.passphrase },
    );
    expect(found.findings).toMatchObject([
      { code: 'possible_duplicate', message: expect.stringMatching(/the same machine id\.$/) },
    ]);
  });

  it('no warning for another script or accent in the name', async () => {
    await cluster.registered({ friendlyName: 'ホスト' });
    const { body } = await cluster.register(randomUUID(), {
      friendlyName: 'ポスト',
      ipAddress: '192.0.2.12',
      machineId: 'machine-2',
    });
    expect(body.warnings).toEqual([]);
  });

  it('stores a name in NFC, and rejects one that is too long in NFC', async () => {
    const server = await cluster.registered({ friendlyName: 'mu\u0308n' });
    expect(await detail(server.hostId)).toMatchObject({ friendlyName: 'mün' });
    expectProblem(await cluster.register(randomUUID(), { friendlyName: '\u0958'.repeat(255) }), 'validation_failed');
  });

  it('no warning and no flag for another name, address and machine', async () => {
    const first = await cluster.registered();
    const { body } = await cluster.register(randomUUID(), {
      friendlyName: 'ps-berlin-2',
      ipAddress: '192.0.2.12',
      machineId: 'machine-2',
    });
    expect(body.warnings).toEqual([]);
    expect(await detail(first.hostId)).toMatchObject({ possibleDuplicate: false, possibleDuplicates: [] });
  });
});

describe('two concurrent registrations', () => {
  it('create two generations, and only the credential of the higher one stays valid', async () => {
    const hostId = randomUUID();
    const responses = await Promise.all([cluster.register(hostId), cluster.register(hostId)]);
    expect(responses.map(({ status }) => status).sort()).toEqual([200, 201]);
    const [lower, higher] = responses
      .map(({ body }) => ({ hostId, ...body }))
      .sort((a, b) => a.generation - b.generation);
    if (!lower || !higher) throw new Error('expected two responses');
    expect([lower.generation, higher.generation]).toEqual([1, 2]);
    expectProblem(await cluster.heartbeat(lower), 'generation_superseded');
    expect((await cluster.heartbeat(higher)).status).toBe(200);
    expect((await cluster.eventKinds(hostId)).filter((kind) => kind.startsWith('registered')).sort()).toEqual([
      'registered',
      'registered_again',
    ]);
  });
});

describe('preflight', () => {
  const preflight = (hostId: string, over: Record<string, unknown> = {}) =>
    cluster.call<{ wouldRegister: boolean; findings: { code: string; severity: string; message: string }[] }>(
      'POST',
      `/v1/process-servers/${hostId}/preflight`,
      {
        body: aRegistration(over),
        authorization: cluster.passphrase,
      },
    );

  it('of a valid registration returns success and writes nothing', async () => {
    const before = await cluster.fingerprint();
    const { status, body } = await preflight(randomUUID());
    expect([status, body]).toEqual([200, { wouldRegister: true, findings: [] }]);
    expect(await cluster.fingerprint()).toBe(before);
  });

  it('of a Connected host id returns a conflict, except with proof, and writes nothing', async () => {
    const { hostId, credential } = await cluster.registered();
    const before = await cluster.fingerprint();
    const asks = async (address: string, previousCredential: string | null): Promise<string[]> => {
      const body = aRegistration({ previousCredential });
      const response = await cluster.call<{ findings: { code: string }[] }>(
        'POST',
        `/v1/process-servers/${hostId}/preflight`,
        { body, authorization: cluster.passphrase, address },
      );
      return response.body.findings.map(({ code }) => code);
    };
    expect([await asks('127.0.0.2', null), await asks('127.0.0.2', credential), await asks(LOOPBACK, null)]).toEqual([
      ['host_id_in_use'],
      [],
      [],
    ]);
    expect(await cluster.fingerprint()).toBe(before);
  });

  it('returns every rejection and every warning at once, and writes nothing', async () => {
    const { hostId } = await cluster.registered();
    const before = await cluster.fingerprint();
    const sentAt = new Date(cluster.clock.now().getTime() + 3_600_000).toISOString();
    const { status, body } = await preflight(hostId, {
      agentVersion: '9.64.0.0',
      dataPort: 443,
      machineId: 'machine-2',
      cpuCores: 1,
      sentAt,
    });
    expect([status, body.wouldRegister]).toEqual([200, false]);
    expect(body.findings.map(({ code, severity }) => `${severity} ${code}`)).toEqual([
      'error version_newer_than_configuration_server',
      'error invalid_data_port',
      'error clock_in_future',
      'error host_id_conflict',
      'warning below_sizing_table',
      'warning clock_skew',
    ]);
    expect(await cluster.fingerprint()).toBe(before);
  });

  it('requires the passphrase', async () => {
    const response = await cluster.call('POST', `/v1/process-servers/${randomUUID()}/preflight`, {
      body: aRegistration(),
    });
    expectProblem(response, 'authentication_required');
  });
});

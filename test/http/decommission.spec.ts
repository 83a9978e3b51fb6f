import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { expectProblem } from '../support/expect-problem.js';
import {
  aRegistration,
  TestCluster,
  type TestResponse,
  type KnownServer,
  type ProblemBody,
} from '../support/test-cluster.js';

type Leaving = ProblemBody & { readonly state: string; readonly removeBy: string };

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open({ replicas: 2 });
});
afterAll(() => cluster.close());
beforeEach(async () => {
  await cluster.database.empty();
  await cluster.recordAvailability();
});

const inSeconds = (seconds: number): string => new Date(cluster.clock.now().getTime() + seconds * 1000).toISOString();
const byOperator = ({ hostId }: { hostId: string }, query = '', replica = 0): Promise<TestResponse<Leaving>> =>
  cluster.call<Leaving>('DELETE', `/v1/process-servers/${hostId}${query}`, { authorization: cluster.admin, replica });
const reporting = async (protectedMachineCount: number): Promise<KnownServer> => {
  const server = await cluster.registered();
  await cluster.heartbeat(server, { protectedMachineCount });
  return server;
};
const departures = async ({ hostId }: KnownServer): Promise<string[]> =>
  (await cluster.eventKinds(hostId)).filter((kind) => kind.startsWith('decommissioned'));
const detail = async ({ hostId }: KnownServer): Promise<Record<string, unknown>> =>
  (await cluster.read(`/v1/process-servers/${hostId}`)).body;

describe('an operator who read another generation', () => {
  it('can decommission only the generation that the call names', async () => {
    const seen = await cluster.registered();
    await cluster.advance(180);
    const replaced = await cluster.registered({ machineId: 'machine-2', ipAddress: '192.0.2.72' }, seen.hostId);
    await cluster.heartbeat(replaced, { protectedMachineCount: 0 });
    expectProblem(await byOperator(seen, '?generation=1'), 'generation_superseded');
    expectProblem(await byOperator(seen, '?generation=1&force=true&reason=test', 1), 'generation_superseded');
    expectProblem(await byOperator(seen, '?generation=3'), 'generation_unknown');
    expectProblem(await byOperator(seen, '?generation=x'), 'validation_failed');
    expect(await detail(seen)).toMatchObject({ lifecycle: 'Registered', generation: 2 });
    expect((await byOperator(seen, '?generation=2')).status).toBe(202);
  });

  it.each([
    ['DELETE', '', undefined],
    ['POST', '/purge', { generation: 1, reason: 'test', force: true }],
    ['POST', '/revoke-credential', { generation: 1, reason: 'test' }],
    ['PUT', '', aRegistration()],
  ] as const)('gets an error that %s%s has no If-Match', async (method, path, body) => {
    const server = await cluster.registered();
    const authorization = method === 'PUT' ? cluster.passphrase : cluster.admin;
    const response = await cluster.call<ProblemBody>(method, `/v1/process-servers/${server.hostId}${path}`, {
      body,
      authorization,
      headers: { 'if-match': 'W/"1"' },
    });
    expectProblem(response, 'if_match_not_supported');
    expect(response.body.detail).toContain('?generation=');
    expect(await detail(server)).toMatchObject({ lifecycle: 'Registered', generation: 1, credentialRevoked: false });
  });

  it('learns as little from If-Match as an unauthenticated caller', async () => {
    expectProblem(
      await cluster.call('DELETE', `/v1/process-servers/${randomUUID()}`, { headers: { 'if-match': '*' } }),
      'authentication_required',
    );
  });
});

describe('unregistering a process server', () => {
  it('returns 202 and the removal time: grace period and two intervals from now', async () => {
    const server = await cluster.registered();
    const { status, body } = await cluster.unregister(server);
    expect([status, body]).toEqual([202, { state: 'Decommissioned', removeBy: inSeconds(420) }]);
    expect(await detail(server)).toMatchObject({
      lifecycle: 'Decommissioned',
      connectionState: 'Disconnected',
      health: 'None',
      removeBy: inSeconds(420),
      decommissionedAt: inSeconds(0),
      decommissionedBy: 'process-server',
    });
  });

  it('keeps the entry visible until the clean-up, which removes it from the lists', async () => {
    const server = await cluster.registered();
    await cluster.unregister(server);
    await cluster.advance(299);
    await cluster.replica().cleanUp.run();
    expect((await cluster.read<{ items: unknown[] }>('/v1/process-servers')).body.items).toHaveLength(1);
    await cluster.advance(1);
    await cluster.replica(1).cleanUp.run();
    expect((await cluster.read<{ items: unknown[] }>('/v1/process-servers')).body.items).toHaveLength(0);
    expectProblem(await cluster.read(`/v1/process-servers/${server.hostId}`), 'process_server_not_found');
    for (const table of ['process_server', 'process_server_lease', 'process_server_health'])
      expect(await cluster.database.count(table)).toBe(0);
  });

  it('repeated, also later and at any replica: 202 with the same response, and one event', async () => {
    const server = await cluster.registered();
    const first = await cluster.unregister(server);
    cluster.clock.advanceSeconds(9);
    const second = await cluster.unregister(server, '', 1);
    expect([second.status, second.body]).toEqual([202, first.body]);
    expect(await departures(server)).toEqual(['decommissioned']);
  });

  it('twice concurrently: one effect, one event, the same response', async () => {
    const server = await cluster.registered();
    const responses = await Promise.all([
      cluster.unregister(server),
      cluster.unregister(server, '', 1),
      byOperator(server, '?force=true&reason=spare'),
    ]);
    expect(responses.map(({ status }) => status)).toEqual([202, 202, 202]);
    expect(new Set(responses.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(await departures(server)).toHaveLength(1);
  });

  it('leaves a credential that is valid only for unregistering', async () => {
    const server = await cluster.registered();
    await cluster.unregister(server);
    expectProblem(await cluster.heartbeat(server), 'generation_retired');
    expect((await cluster.unregister(server)).status).toBe(202);
  });

  it('after the clean-up: 410 with stop, which the agent may treat as success', async () => {
    const server = await cluster.registered();
    await cluster.unregister(server);
    await cluster.advance(300);
    await cluster.replica().cleanUp.run();
    const late = await cluster.unregister(server);
    expectProblem(late, 'generation_retired');
    expect(late.body.instruction).toBe('stop');
    expect((await byOperator(server)).body.code).toBe('generation_retired');
  });

  it('with a reported count above zero: 409, without any change', async () => {
    const server = await reporting(3);
    const rejected = await cluster.unregister(server);
    expectProblem(rejected, 'machines_protected');
    expect(rejected.body.detail).toContain('3 machines');
    expect(await detail(server)).toMatchObject({ lifecycle: 'Registered', connectionState: 'Connected' });
    expect(await departures(server)).toEqual([]);
  });

  it('with a reported count above zero, forced with a reason: 202, and the event records it', async () => {
    const server = await reporting(3);
    expect((await cluster.unregister(server, '?force=true&reason=moved%20by%20hand')).status).toBe(202);
    expect(await departures(server)).toEqual(['decommissioned_by_force']);
    expect(await detail(server)).toMatchObject({ decommissionReason: 'moved by hand' });
  });

  it.each(['', '&reason=%20%20'])('forced without a reason ("%s"): 400', async (reason) => {
    const server = await reporting(3);
    const rejected = await cluster.unregister(server, `?force=true${reason}`);
    expect([rejected.status, rejected.body.errors[0]?.field]).toEqual([400, 'reason']);
    expect(await departures(server)).toEqual([]);
  });

  it('without a reported count: treats the count as zero', async () => {
    expect((await cluster.unregister(await cluster.registered())).status).toBe(202);
  });

  it('while Disconnected: 202, the agent may still unregister itself', async () => {
    const server = await cluster.registered();
    await cluster.advance(180);
    expect((await cluster.unregister(server)).status).toBe(202);
  });

  it('of an older generation: 409 with stop, and the newer generation stays', async () => {
    const old = await cluster.registered();
    const now = await cluster.registered({}, old.hostId);
    const rejected = await cluster.unregister(old);
    expectProblem(rejected, 'generation_superseded');
    expect(rejected.body.instruction).toBe('stop');
    expect((await cluster.heartbeat(now)).status).toBe(200);
  });

  it('of an older generation after the newer one was decommissioned: 410 with stop', async () => {
    const old = await cluster.registered();
    await cluster.unregister(await cluster.registered({}, old.hostId));
    expectProblem(await cluster.unregister(old), 'generation_retired');
  });

  it('with the credential of another process server: 401', async () => {
    const [one, other] = [await cluster.registered(), await cluster.registered({ machineId: 'machine-2' })];
    expectProblem(await cluster.unregister({ ...one, credential: other.credential }), 'credential_rejected');
  });
});

describe('decommissioning by an operator', () => {
  it('of a Connected server that reported zero: 202, and its next heartbeat returns 410 with stop', async () => {
    const server = await reporting(0);
    const { status, body } = await byOperator(server);
    expect([status, body]).toEqual([202, { state: 'Decommissioned', removeBy: inSeconds(420) }]);
    expect(await detail(server)).toMatchObject({ decommissionedBy: 'operator:admin' });
    const rejected = await cluster.heartbeat(server, {}, 1);
    expectProblem(rejected, 'generation_retired');
    expect(rejected.body.instruction).toBe('stop');
  });

  it('of a server that never reported a count: 409 machines_unknown, unless forced with a reason', async () => {
    const server = await cluster.registered();
    expectProblem(await byOperator(server), 'machines_unknown');
    expect((await byOperator(server, '?force=true&reason=spare')).status).toBe(202);
  });

  it('of a server with a count above zero: 409, unless forced with a reason', async () => {
    const server = await reporting(1);
    expectProblem(await byOperator(server), 'machines_protected');
    expectProblem(await byOperator(server, '?force=true'), 'reason_required');
    expect((await byOperator(server, '?force=true&reason=spare')).status).toBe(202);
  });

  it.each(['', '?force=true&reason=spare'])('of a Disconnected server%s: 409 that points to purge', async (query) => {
    const server = await reporting(0);
    await cluster.advance(180);
    const rejected = await byOperator(server, query);
    expectProblem(rejected, 'process_server_disconnected');
    expect(rejected.body.detail).toContain('/purge');
    expect(rejected.body.instruction).toBeUndefined();
  });

  it('of a Decommissioned server: 202 with the same response', async () => {
    const server = await cluster.registered();
    const first = await cluster.unregister(server);
    cluster.clock.advanceSeconds(60);
    const second = await byOperator(server);
    expect([second.status, second.body]).toEqual([202, first.body]);
    expect(await departures(server)).toEqual(['decommissioned']);
  });

  it('of an unknown host id: 404', async () => {
    expectProblem(await byOperator({ hostId: randomUUID() }), 'process_server_not_found');
  });

  it('of a purged server: 410', async () => {
    const server = await cluster.registered();
    await cluster.advance(180);
    await cluster.purge(server.hostId, { generation: 1 });
    expectProblem(await byOperator(server), 'generation_retired');
  });

  it('with a reader’s key: 403; with an operator’s: 202, attributed to the key’s name', async () => {
    const server = await reporting(0);
    const url = `/v1/process-servers/${server.hostId}`;
    expectProblem(
      await cluster.call('DELETE', url, { authorization: await cluster.createKey('reader') }),
      'permission_denied',
    );
    expect((await cluster.call('DELETE', url, { authorization: await cluster.createKey('operator') })).status).toBe(
      202,
    );
    expect(await detail(server)).toMatchObject({ decommissionedBy: expect.stringMatching(/^operator:operator-/) });
  });
});

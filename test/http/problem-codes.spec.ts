import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PROBLEM_CODES, type ProblemCode } from '@app/wire';
import { expectProblem, parsedAnswer } from '../support/expect-problem.js';
import { GateProxy } from '../support/gate-proxy.js';
import { aRegistration, TestSite, type Answer, type KnownServer } from '../support/test-site.js';

let site: TestSite;
/** Refuses every other version, lets one heartbeat wait at most and two a second from each, and one call of a stranger. */
let narrow: TestSite;
beforeAll(async () => {
  site = await TestSite.open();
  narrow = await TestSite.open({
    settings: {
      VERSION_POLICY: 'exact',
      HEARTBEAT_QUEUE_LENGTH: '1',
      HEARTBEATS_PER_SERVER_PER_SECOND: '2',
      ANONYMOUS_REQUESTS_PER_SECOND: '1',
      REGISTRATIONS_PER_SERVER_PER_HOUR: '1',
    },
  });
});
afterAll(async () => {
  await site.close();
  await narrow.close();
});

const register = (over: Record<string, unknown>): Promise<Answer> =>
  site.register<Record<string, unknown>>(randomUUID(), over);
const putText = (body: string, type = 'application/json'): Promise<Answer> =>
  site.call('PUT', `/v1/process-servers/${randomUUID()}`, {
    body,
    headers: { 'content-type': type },
    authorization: site.passphrase,
  });
const beat = (server: KnownServer, over: Record<string, unknown> = {}): Promise<Answer> =>
  site.heartbeat<Record<string, unknown>>(server, over);
const unregister = (server: KnownServer, query = ''): Promise<Answer> =>
  site.unregister<Record<string, unknown>>(server, query);
const decommission = ({ hostId }: KnownServer, query = ''): Promise<Answer> =>
  site.call('DELETE', `/v1/process-servers/${hostId}${query}`, { authorization: site.admin });
const purge = (server: KnownServer, over: Record<string, unknown> = {}): Promise<Answer> =>
  site.purge<Record<string, unknown>>(server.hostId, { generation: 1, ...over }) as unknown as Promise<Answer>;
const operator = (url: string, body: Record<string, unknown>): Promise<Answer> =>
  site.call('POST', url, { body, authorization: site.admin });
const silent = async (count: number): Promise<string> => {
  const friendlyName = `silent-${randomUUID()}`;
  for (let number = 0; number < count; number += 1) await site.registered({ friendlyName });
  await site.pass(180);
  return friendlyName;
};
const apply = async (
  friendlyName: string,
  over: Record<string, unknown>,
  meanwhile: () => Promise<void> = async () => undefined,
): Promise<Answer> => {
  const { body } = await operator('/v1/purges', { friendlyName });
  await meanwhile();
  return operator(`/v1/purges/${String(body['planId'])}/apply`, { expectedCount: 0, reason: 'test', ...over });
};
/** The lease row is held by another transaction while `work` runs. */
async function whileLocked<A>(at: TestSite, { hostId }: KnownServer, work: () => Promise<A>): Promise<A> {
  const connection = await at.database.connect();
  try {
    await connection.query('START TRANSACTION');
    await connection.query('SELECT * FROM process_server_lease WHERE host_id = ? FOR UPDATE', [hostId]);
    return await work();
  } finally {
    await connection.end();
  }
}

/** One way to each problem; a code that is added without one does not compile. */
const WAYS: Record<ProblemCode, () => Promise<Answer>> = {
  validation_failed: () => register({ dataPort: '9443' }),
  malformed_request: async () => parsedAnswer(await site.raw('hello\r\n\r\n')),
  malformed_json: () => putText('{'),
  invalid_cursor: () => site.read('/v1/process-servers?cursor=made-up'),
  if_match_not_supported: async () =>
    site.call('DELETE', `/v1/process-servers/${randomUUID()}`, {
      authorization: site.admin,
      headers: { 'if-match': '*' },
    }),
  empty_filter: () => operator('/v1/purges', {}),
  reason_required: async () => unregister(await site.registered(), '?force=true'),
  authentication_required: () => site.call('GET', '/v1/fleet'),
  passphrase_rejected: () =>
    site.call('PUT', `/v1/process-servers/${randomUUID()}`, {
      body: aRegistration(),
      authorization: 'Passphrase wrong',
    }),
  credential_rejected: async () => beat({ ...(await site.registered()), credential: 'psc_forged' }),
  credential_revoked: async () => {
    const server = await site.registered();
    await site.database.write('UPDATE process_server_lease SET revoked = 1 WHERE host_id = ?', [server.hostId]);
    return beat(server);
  },
  api_key_rejected: () => site.call('GET', '/v1/fleet', { authorization: 'Bearer csk_unknown' }),
  permission_denied: async () =>
    site.call('POST', '/v1/purges', { body: { friendlyName: 'a' }, authorization: await site.keyOf('reader') }),
  process_server_not_found: () => site.read(`/v1/process-servers/${randomUUID()}`),
  api_key_not_found: () => site.call('DELETE', `/v1/api-keys/${randomUUID()}`, { authorization: site.admin }),
  plan_not_found: () => operator(`/v1/purges/${randomUUID()}/apply`, { expectedCount: 0, reason: 'test' }),
  route_not_found: () => site.read('/v1/nothing'),
  method_not_allowed: () => site.call('POST', '/v1/fleet', { authorization: site.admin }),
  request_timeout: async () => {
    const replica = await site.addReplicaWith({ requestTimeoutMs: 200 });
    return parsedAnswer(
      await site.raw(
        'POST /v1/purges HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
        { replica },
      ),
    );
  },
  host_id_conflict: async () =>
    site.register<Record<string, unknown>>((await site.registered()).hostId, { machineId: 'machine-2' }),
  host_id_in_use: async () => {
    const { hostId } = await site.registered();
    return site.call('PUT', `/v1/process-servers/${hostId}`, {
      body: aRegistration(),
      authorization: site.passphrase,
      address: '127.0.0.2',
    });
  },
  generation_superseded: async () => {
    const old = await site.registered();
    await site.registered({}, old.hostId);
    return beat(old);
  },
  generations_exhausted: async () => {
    const { hostId } = await site.registered();
    for (const table of ['process_server', 'process_server_lease'])
      await site.database.write('UPDATE ?? SET generation = 4294967295 WHERE host_id = ?', [table, hostId]);
    return site.call('PUT', `/v1/process-servers/${hostId}`, { body: aRegistration(), authorization: site.passphrase });
  },
  generation_unknown: async () => purge(await site.registered(), { generation: 2 }),
  machines_protected: async () => {
    const server = await site.registered();
    await beat(server, { protectedMachineCount: 1 });
    return unregister(server);
  },
  machines_unknown: async () => decommission(await site.registered()),
  process_server_connected: async () => purge(await site.registered()),
  process_server_disconnected: async () => {
    const server = await site.registered();
    await site.pass(180);
    return decommission(server);
  },
  api_key_name_taken: () => operator('/v1/api-keys', { name: 'ADMIN', role: 'reader' }),
  last_admin_key: async () => {
    const { body } = await site.read<{ items: { keyId: string }[] }>('/v1/api-keys');
    return site.call('DELETE', `/v1/api-keys/${body.items[0]?.keyId}`, { authorization: site.admin });
  },
  plan_count_mismatch: async () => apply(await silent(1), { expectedCount: 2 }),
  share_not_acknowledged: async () => {
    await site.database.empty();
    await site.note();
    return apply(await silent(11), { expectedCount: 11 });
  },
  generation_retired: async () => {
    const server = await site.registered();
    await unregister(server);
    return beat(server);
  },
  plan_expired: async () => apply('nobody', {}, async () => site.pass(900)),
  body_too_large: () => putText(' '.repeat(65_537)),
  uri_too_long: () => site.read(`/v1/process-servers/${'x'.repeat(200)}`),
  unsupported_media_type: () => putText('{}', 'text/plain'),
  expectation_failed: async () =>
    parsedAnswer(await site.raw('GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: cake\r\n\r\n')),
  version_newer_than_configuration_server: () => register({ agentVersion: '9.64.0.0' }),
  version_not_exact: () => narrow.register<Record<string, unknown>>(randomUUID(), { agentVersion: '9.63.7187.0' }),
  invalid_data_port: () => register({ dataPort: 443 }),
  clock_in_future: () => register({ sentAt: new Date(site.clock.now().getTime() + 901_000).toISOString() }),
  expiry_not_in_future: () =>
    operator('/v1/api-keys', { name: 'late', role: 'reader', expiresAt: site.clock.now().toISOString() }),
  authentication_attempts_exceeded: async () => {
    for (let attempt = 0; attempt < 20; attempt += 1)
      await narrow.call('GET', '/v1/fleet', { authorization: 'Bearer csk_guessed' });
    return narrow.call('GET', '/v1/fleet', { authorization: 'Bearer csk_guessed' });
  },
  request_rate_exceeded: async () => {
    await narrow.call('GET', '/metrics');
    return narrow.call('GET', '/metrics');
  },
  registration_rate_exceeded: async () => {
    const { hostId } = await narrow.registered();
    await narrow.registered({}, hostId);
    return narrow.register<Record<string, unknown>>(hostId);
  },
  heartbeat_rate_exceeded: async () => {
    const server = await narrow.registered();
    for (let beat = 0; beat < 2; beat += 1) await narrow.heartbeat(server);
    return narrow.heartbeat<Record<string, unknown>>(server);
  },
  headers_too_large: async () =>
    parsedAnswer(await site.raw(`GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`)),
  internal_error: async () => {
    await site.database.write('ALTER TABLE process_server RENAME COLUMN friendly_name TO mislaid');
    try {
      return await site.read('/v1/process-servers');
    } finally {
      await site.database.write('ALTER TABLE process_server RENAME COLUMN mislaid TO friendly_name');
    }
  },
  heartbeat_queue_full: async () => {
    const [waiting, late] = [await narrow.registered(), await narrow.registered()];
    narrow.clock.advanceSeconds(1);
    return whileLocked(narrow, waiting, async () => {
      void narrow.heartbeat(waiting);
      while (narrow.replica().receiver.queueLength === 0) await new Promise((resolve) => setImmediate(resolve));
      return narrow.heartbeat<Record<string, unknown>>(late);
    });
  },
  not_listening: async () => {
    const server = await site.registered();
    site.clock.advanceSeconds(15);
    const answer = await beat(server);
    await site.note();
    return answer;
  },
  database_unavailable: async () => {
    const gate = await GateProxy.before(site.database.address);
    const replica = await site.addReplicaBehind(gate);
    gate.shut();
    const answer = await site.call('GET', '/health/ready', { replica });
    gate.open();
    return answer;
  },
  shutting_down: async () => {
    const replica = await site.addReplica();
    const server = await site.registered();
    await site.replica(replica).receiver.drain();
    return site.heartbeat<Record<string, unknown>>(server, {}, replica);
  },
};

describe('every problem can be met over HTTP', () => {
  it.each(PROBLEM_CODES)('%s', async (code) => {
    expectProblem(await WAYS[code](), code);
  });

  it('an instruction goes to process servers alone: by credential, by passphrase, or with neither', async () => {
    const server = await site.registered();
    const away = `/v1/process-servers/${randomUUID()}`;
    await site.pass(180);
    await site.purge(server.hostId, { generation: 1 });
    const told = [
      await beat(server),
      await unregister(server),
      await WAYS.passphrase_rejected(),
      await WAYS.clock_in_future(),
    ];
    expect(told.map(({ body }) => body['instruction'])).toEqual([
      'ask_operator',
      'ask_operator',
      'ask_operator',
      'ask_operator',
    ]);
    expect((await site.call('POST', `${away}/heartbeats`, { body: { generation: 1 } })).body).toMatchObject({
      code: 'credential_rejected',
      instruction: 'ask_operator',
    });
    const others = [
      await decommission(server),
      await purge(server, { generation: 2 }),
      await site.read(away),
      await site.read(`${away}/events`),
      await WAYS.database_unavailable(),
    ];
    expect(others.map(({ body }) => [body['code'], body['instruction']])).toEqual([
      ['generation_retired', undefined],
      ['generation_unknown', undefined],
      ['process_server_not_found', undefined],
      ['process_server_not_found', undefined],
      ['database_unavailable', undefined],
    ]);
  });

  it('only the internal error is an error in the log, and its answer says nothing about why', async () => {
    site.log.length = 0;
    const { body } = await WAYS.internal_error();
    expect(body['detail']).not.toMatch(/friendly_name|mislaid|SQL|column/i);
    expect(site.errorLines).toEqual([expect.stringContaining(String(body['requestId']))]);
  });
});

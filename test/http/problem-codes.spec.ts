import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EnrolmentStore } from '@app/fleet-mysql';
import { EnrolmentTokens, sha256 } from '@app/platform';
import { PROBLEM_CODES, type ProblemCode } from '@app/api-contract';
import { expectProblem, parseResponse } from '../support/expect-problem.js';
import { TogglableProxy } from '../support/togglable-proxy.js';
import { aRegistration, TestCluster, type TestResponse, type KnownServer } from '../support/test-cluster.js';

const packages = mkdtempSync(join(tmpdir(), 'problem-codes-'));
let cluster: TestCluster;
/** Rejects every other version, and allows one queued heartbeat, two a second from each server, and one anonymous call a second. */
let narrow: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open({ settings: { PACKAGES_DIRECTORY: packages } });
  narrow = await TestCluster.open({
    settings: {
      VERSION_POLICY: 'exact',
      HEARTBEAT_MAX_QUEUE_LENGTH: '1',
      MAX_HEARTBEATS_PER_SERVER_PER_SECOND: '2',
      ANONYMOUS_REQUESTS_PER_SECOND: '1',
      REGISTRATIONS_PER_SERVER_PER_HOUR: '1',
    },
  });
});
afterAll(async () => {
  await cluster.close();
  await narrow.close();
  rmSync(packages, { recursive: true });
});

const register = (over: Record<string, unknown>): Promise<TestResponse> =>
  cluster.register<Record<string, unknown>>(randomUUID(), over);
/** A genuine token that this site does not know. */
const tokenOf = (siteId: string): string => cluster.replica().http.get(EnrolmentTokens).issue(siteId).token;
const registerBy = (token: string): Promise<TestResponse> =>
  cluster.register<Record<string, unknown>>(randomUUID(), {}, 0, `Enrolment ${token}`);
const putText = (body: string, type = 'application/json'): Promise<TestResponse> =>
  cluster.call('PUT', `/v1/process-servers/${randomUUID()}`, {
    body,
    headers: { 'content-type': type },
    authorization: cluster.passphrase,
  });
const heartbeat = (server: KnownServer, over: Record<string, unknown> = {}): Promise<TestResponse> =>
  cluster.heartbeat<Record<string, unknown>>(server, over);
const unregister = (server: KnownServer, query = ''): Promise<TestResponse> =>
  cluster.unregister<Record<string, unknown>>(server, query);
const decommission = ({ hostId }: KnownServer, query = ''): Promise<TestResponse> =>
  cluster.call('DELETE', `/v1/process-servers/${hostId}${query}`, { authorization: cluster.admin });
const purge = (server: KnownServer, over: Record<string, unknown> = {}): Promise<TestResponse> =>
  cluster.purge<Record<string, unknown>>(server.hostId, { generation: 1, ...over }) as unknown as Promise<TestResponse>;
const operator = (url: string, body: Record<string, unknown>): Promise<TestResponse> =>
  cluster.call('POST', url, { body, authorization: cluster.admin });
const silent = async (count: number): Promise<string> => {
  const friendlyName = `silent-${randomUUID()}`;
  await Promise.all(Array.from({ length: count }, () => cluster.registered({ friendlyName })));
  await cluster.advance(180);
  return friendlyName;
};
const apply = async (
  friendlyName: string,
  over: Record<string, unknown>,
  meanwhile: () => Promise<void> = async () => undefined,
): Promise<TestResponse> => {
  const { body } = await operator('/v1/purges', { friendlyName });
  await meanwhile();
  return operator(`/v1/purges/${String(body['planId'])}/apply`, { expectedCount: 0, reason: 'test', ...over });
};
/** Locks the lease row by another transaction while `work` runs. */
async function whileLocked<A>(at: TestCluster, { hostId }: KnownServer, work: () => Promise<A>): Promise<A> {
  const connection = await at.database.connect();
  try {
    await connection.query('START TRANSACTION');
    await connection.query('SELECT * FROM process_server_lease WHERE host_id = ? FOR UPDATE', [hostId]);
    return await work();
  } finally {
    await connection.end();
  }
}

const releasePath = (version: string): string => `/v1/releases/ProcessServer/Windows/${version}`;
const putRelease = (version: string, over: Record<string, unknown> = {}, replica = 0): Promise<TestResponse> =>
  cluster.call('PUT', releasePath(version), {
    replica,
    body: {
      releasedAt: '2026-01-01T00:00:00Z',
      supportEndsAt: '2027-01-01T00:00:00Z',
      sizeBytes: 1,
      sha256: '00'.repeat(32),
      downloadUrl: 'https://packages.example.net/1',
      ...over,
    },
    authorization: cluster.admin,
  });
const putPackage = (over: Record<string, unknown> = {}, replica = 0): Promise<TestResponse> =>
  putRelease(
    '9.9.9.8',
    { sha256: sha256('1').toString('hex'), packageFile: 'package', downloadUrl: undefined, ...over },
    replica,
  );
const withPackage = async (): Promise<void> => {
  writeFileSync(join(packages, 'package'), '1');
  await putPackage();
};
const getPackage = (headers: Record<string, string> = {}, replica = 0): Promise<TestResponse> =>
  cluster.call('GET', `${releasePath('9.9.9.8')}/package`, { authorization: cluster.passphrase, headers, replica });

/** One call for each problem; a new code without one does not compile. */
const CALL_BY_PROBLEM: Record<ProblemCode, () => Promise<TestResponse>> = {
  validation_failed: () => register({ dataPort: '9443' }),
  malformed_request: async () => parseResponse(await cluster.raw('hello\r\n\r\n')),
  malformed_json: () => putText('{'),
  invalid_cursor: () => cluster.read('/v1/process-servers?cursor=made-up'),
  if_match_not_supported: async () =>
    cluster.call('DELETE', `/v1/process-servers/${randomUUID()}`, {
      authorization: cluster.admin,
      headers: { 'if-match': '*' },
    }),
  empty_filter: () => operator('/v1/purges', {}),
  reason_required: async () => unregister(await cluster.registered(), '?force=true'),
  authentication_required: () => cluster.call('GET', '/v1/fleet'),
  passphrase_rejected: () =>
    cluster.call('PUT', `/v1/process-servers/${randomUUID()}`, {
      body: aRegistration(),
      authorization: 'Passphrase wrong',
    }),
  enrolment_rejected: async () => registerBy(tokenOf(await cluster.replica().http.get(EnrolmentStore).siteId())),
  enrolment_unknown_site: () => registerBy(tokenOf(randomUUID())),
  enrolment_expired: async () => {
    const { file } = await cluster.createEnrolment({ expiresAt: cluster.after(1) });
    await cluster.advance(1);
    return registerBy(file.token);
  },
  enrolment_revoked: async () => {
    const { enrolmentId, file } = await cluster.createEnrolment();
    await cluster.call('DELETE', `/v1/enrolments/${enrolmentId}`, { authorization: cluster.admin });
    return registerBy(file.token);
  },
  enrolment_used_up: async () => {
    const { file } = await cluster.createEnrolment();
    await registerBy(file.token);
    return registerBy(file.token);
  },
  credential_rejected: async () => heartbeat({ ...(await cluster.registered()), credential: 'psc_forged' }),
  credential_revoked: async () => {
    const server = await cluster.registered();
    await cluster.database.write('UPDATE process_server_lease SET revoked = 1 WHERE host_id = ?', [server.hostId]);
    return heartbeat(server);
  },
  api_key_rejected: () => cluster.call('GET', '/v1/fleet', { authorization: 'Bearer csk_unknown' }),
  permission_denied: async () =>
    cluster.call('POST', '/v1/purges', {
      body: { friendlyName: 'a' },
      authorization: await cluster.createKey('reader'),
    }),
  process_server_not_found: () => cluster.read(`/v1/process-servers/${randomUUID()}`),
  api_key_not_found: () => cluster.call('DELETE', `/v1/api-keys/${randomUUID()}`, { authorization: cluster.admin }),
  release_not_found: () => cluster.call('DELETE', releasePath('9.9.9.9'), { authorization: cluster.admin }),
  support_end_not_after_release: () => putRelease('9.9.9.9', { supportEndsAt: '2026-01-01T00:00:00Z' }),
  release_catalogue_full: async () => {
    await cluster.database.write(
      `INSERT INTO product_release (component, os_type, version_key, version, released_at, support_ends_at, flags, size_bytes, sha256, download_url) VALUES ?`,
      [
        Array.from({ length: 1_000 }, (_, n) => [
          'ProcessServer',
          'Windows',
          `000100000000${n.toString(16).padStart(4, '0')}`,
          `1.0.0.${n}`,
          new Date('2026-01-01'),
          new Date('2027-01-01'),
          '',
          1,
          Buffer.alloc(32),
          'https://packages.example.net/1',
        ]),
      ],
    );
    return putRelease('9.9.9.9');
  },
  enrolment_not_found: () => cluster.read(`/v1/enrolments/${randomUUID()}`),
  package_not_found: async () => {
    await withPackage();
    rmSync(join(packages, 'package'));
    return getPackage();
  },
  package_changed: async () => {
    await withPackage();
    writeFileSync(join(packages, 'package'), '22');
    return getPackage();
  },
  range_not_satisfiable: async () => {
    await withPackage();
    return getPackage({ range: 'bytes=1-' });
  },
  package_file_not_usable: () => putPackage({ packageFile: 'missing' }),
  package_file_mismatch: async () => {
    await withPackage();
    return putPackage({ sizeBytes: 3 });
  },
  package_verification_pending: async () => {
    writeFileSync(join(packages, 'sparse'), '');
    truncateSync(join(packages, 'sparse'), 2 ** 40);
    const replica = await cluster.addReplicaWith({ packageLimits: { maxWaitMs: 1 } });
    return putPackage({ packageFile: 'sparse', sizeBytes: 2 ** 40 }, replica);
  },
  download_limit_reached: async () => {
    await withPackage();
    return getPackage({}, await cluster.addReplicaWith({ packageLimits: { downloads: 0 } }));
  },
  plan_not_found: () => operator(`/v1/purges/${randomUUID()}/apply`, { expectedCount: 0, reason: 'test' }),
  route_not_found: () => cluster.read('/v1/nothing'),
  method_not_allowed: () => cluster.call('POST', '/v1/fleet', { authorization: cluster.admin }),
  request_timeout: async () => {
    const replica = await cluster.addReplicaWith({ requestTimeoutMs: 200 });
    return parseResponse(
      await cluster.raw(
        'POST /v1/purges HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
        { replica },
      ),
    );
  },
  host_id_conflict: async () =>
    cluster.register<Record<string, unknown>>((await cluster.registered()).hostId, { machineId: 'machine-2' }),
  host_id_in_use: async () => {
    const { hostId } = await cluster.registered();
    return cluster.call('PUT', `/v1/process-servers/${hostId}`, {
      body: aRegistration(),
      authorization: cluster.passphrase,
      address: '127.0.0.2',
    });
  },
  generation_superseded: async () => {
    const old = await cluster.registered();
    await cluster.registered({}, old.hostId);
    return heartbeat(old);
  },
  generations_exhausted: async () => {
    const { hostId } = await cluster.registered();
    for (const table of ['process_server', 'process_server_lease'])
      await cluster.database.write('UPDATE ?? SET generation = 4294967295 WHERE host_id = ?', [table, hostId]);
    return cluster.call('PUT', `/v1/process-servers/${hostId}`, {
      body: aRegistration(),
      authorization: cluster.passphrase,
    });
  },
  generation_unknown: async () => purge(await cluster.registered(), { generation: 2 }),
  machines_protected: async () => {
    const server = await cluster.registered();
    await heartbeat(server, { protectedMachineCount: 1 });
    return unregister(server);
  },
  machines_unknown: async () => decommission(await cluster.registered()),
  process_server_connected: async () => purge(await cluster.registered()),
  process_server_disconnected: async () => {
    const server = await cluster.registered();
    await cluster.advance(180);
    return decommission(server);
  },
  api_key_name_taken: () => operator('/v1/api-keys', { name: 'ADMIN', role: 'reader' }),
  last_admin_key: async () => {
    const { body } = await cluster.read<{ items: { keyId: string }[] }>('/v1/api-keys');
    return cluster.call('DELETE', `/v1/api-keys/${body.items[0]?.keyId}`, { authorization: cluster.admin });
  },
  plan_count_mismatch: async () => apply(await silent(1), { expectedCount: 2 }),
  share_not_acknowledged: async () => {
    await cluster.database.empty();
    await cluster.recordAvailability();
    return apply(await silent(11), { expectedCount: 11 });
  },
  generation_retired: async () => {
    const server = await cluster.registered();
    await unregister(server);
    return heartbeat(server);
  },
  plan_expired: async () => apply('no-match', {}, async () => cluster.advance(900)),
  body_too_large: () => putText(' '.repeat(65_537)),
  uri_too_long: () => cluster.read(`/v1/process-servers/${'x'.repeat(200)}`),
  unsupported_media_type: () => putText('{}', 'text/plain'),
  expectation_failed: async () =>
    parseResponse(
      await cluster.raw('GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: cake\r\n\r\n'),
    ),
  version_newer_than_configuration_server: () => register({ agentVersion: '9.64.0.0' }),
  version_not_exact: () => narrow.register<Record<string, unknown>>(randomUUID(), { agentVersion: '9.63.7187.0' }),
  invalid_data_port: () => register({ dataPort: 443 }),
  clock_in_future: () => register({ sentAt: new Date(cluster.clock.now().getTime() + 901_000).toISOString() }),
  expiry_not_in_future: () =>
    operator('/v1/api-keys', { name: 'late', role: 'reader', expiresAt: cluster.clock.now().toISOString() }),
  expiry_too_far: () => operator('/v1/enrolments', { note: 'long', expiresAt: cluster.after(90 * 86_400 + 1) }),
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
    for (let heartbeat = 0; heartbeat < 2; heartbeat += 1) await narrow.heartbeat(server);
    return narrow.heartbeat<Record<string, unknown>>(server);
  },
  headers_too_large: async () =>
    parseResponse(await cluster.raw(`GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`)),
  internal_error: async () => {
    await cluster.database.write('ALTER TABLE process_server RENAME COLUMN friendly_name TO mislaid');
    try {
      return await cluster.read('/v1/process-servers');
    } finally {
      await cluster.database.write('ALTER TABLE process_server RENAME COLUMN mislaid TO friendly_name');
    }
  },
  heartbeat_queue_full: async () => {
    const [queued, late] = [await narrow.registered(), await narrow.registered()];
    narrow.clock.advanceSeconds(1);
    return whileLocked(narrow, queued, async () => {
      void narrow.heartbeat(queued);
      while (narrow.replica().receiver.queueLength === 0) await new Promise((resolve) => setImmediate(resolve));
      return narrow.heartbeat<Record<string, unknown>>(late);
    });
  },
  replica_not_ready: async () => {
    const server = await cluster.registered();
    cluster.clock.advanceSeconds(15);
    const response = await heartbeat(server);
    await cluster.recordAvailability();
    return response;
  },
  database_unavailable: async () => {
    const proxy = await TogglableProxy.inFrontOf(cluster.database.address);
    const replica = await cluster.addReplicaBehind(proxy);
    proxy.disable();
    const response = await cluster.call('GET', '/health/ready', { replica });
    proxy.enable();
    return response;
  },
  shutting_down: async () => {
    const replica = await cluster.addReplica();
    const server = await cluster.registered();
    await cluster.replica(replica).receiver.drain();
    return cluster.heartbeat<Record<string, unknown>>(server, {}, replica);
  },
};

describe('every problem is reachable over HTTP', () => {
  it.each(PROBLEM_CODES)('%s', async (code) => {
    expectProblem(await CALL_BY_PROBLEM[code](), code);
  });

  it('gives an instruction only to process servers: by credential, by passphrase, or with neither', async () => {
    const server = await cluster.registered();
    const away = `/v1/process-servers/${randomUUID()}`;
    await cluster.advance(180);
    await cluster.purge(server.hostId, { generation: 1 });
    const reported = [
      await heartbeat(server),
      await unregister(server),
      await CALL_BY_PROBLEM.passphrase_rejected(),
      await CALL_BY_PROBLEM.clock_in_future(),
    ];
    expect(reported.map(({ body }) => body['instruction'])).toEqual([
      'ask_operator',
      'ask_operator',
      'ask_operator',
      'ask_operator',
    ]);
    expect((await cluster.call('POST', `${away}/heartbeats`, { body: { generation: 1 } })).body).toMatchObject({
      code: 'credential_rejected',
      instruction: 'ask_operator',
    });
    const others = [
      await decommission(server),
      await purge(server, { generation: 2 }),
      await cluster.read(away),
      await cluster.read(`${away}/events`),
      await CALL_BY_PROBLEM.database_unavailable(),
    ];
    expect(others.map(({ body }) => [body['code'], body['instruction']])).toEqual([
      ['generation_retired', undefined],
      ['generation_unknown', undefined],
      ['process_server_not_found', undefined],
      ['process_server_not_found', undefined],
      ['database_unavailable', undefined],
    ]);
  });

  it('logs only the internal error as an error, and its response reveals no cause', async () => {
    cluster.log.length = 0;
    const { body } = await CALL_BY_PROBLEM.internal_error();
    expect(body['detail']).not.toMatch(/friendly_name|mislaid|SQL|column/i);
    expect(cluster.errorLines).toEqual([expect.stringContaining(String(body['requestId']))]);
  });
});

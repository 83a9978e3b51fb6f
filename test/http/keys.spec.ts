import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ApiKeyDto, CreatedApiKey, PassphraseRotation } from '@app/api-contract';
import { expectProblem } from '../support/expect-problem.js';
import { aRegistration, TestCluster, type TestResponse } from '../support/test-cluster.js';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open({ replicas: 2 });
});
afterAll(() => cluster.close());

interface Listed<Item> {
  readonly items: readonly Item[];
  readonly nextCursor: string | null;
}

const post = <Body = Record<string, unknown>>(
  url: string,
  body: object,
  authorization = cluster.admin,
): Promise<TestResponse<Body>> => cluster.call<Body>('POST', url, { body, authorization });
const makeKey = (over: object = {}): Promise<TestResponse<CreatedApiKey>> =>
  post<CreatedApiKey>('/v1/api-keys', { name: `key ${randomUUID()}`, role: 'reader', ...over });
const registerWith = (passphrase: string, replica = 0): Promise<TestResponse> =>
  cluster.call('PUT', `/v1/process-servers/${randomUUID()}`, {
    body: aRegistration({ ipAddress: '192.0.2.99', friendlyName: `ps-${randomUUID()}` }),
    authorization: `Passphrase ${passphrase}`,
    replica,
  });
const events = async (kind: string): Promise<readonly { actor: string; detail: Record<string, unknown> }[]> =>
  (await cluster.read<Listed<{ actor: string; detail: Record<string, unknown> }>>(`/v1/events?kind=${kind}`)).body
    .items;

describe('an API key', () => {
  it('is issued by an admin, shown once, valid at once at every replica, listed without its secret, and revocable', async () => {
    const { status, body } = await makeKey({ name: 'portal', role: 'operator' });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      name: 'portal',
      role: 'operator',
      prefix: body.key.slice(0, 12),
      expiresAt: null,
      revokedAt: null,
      lastUsedAt: null,
      createdBy: 'operator:admin',
    });
    expect(body.key).toMatch(/^csk_[\w-]{43}$/);
    const asPortal = { authorization: `Bearer ${body.key}`, replica: 1 };
    expect((await cluster.call('GET', '/v1/fleet', asPortal)).status).toBe(200);
    expectProblem(await cluster.call('GET', '/v1/api-keys', asPortal), 'permission_denied');

    await cluster.replica(1).keys.flushKeyUsage();
    const listed = await cluster.read<Listed<ApiKeyDto>>('/v1/api-keys');
    const { key, ...withoutKey } = body;
    expect(listed.body.items).toContainEqual({ ...withoutKey, lastUsedAt: cluster.clock.now().toISOString() });
    expect(JSON.stringify(listed.body)).not.toContain(key);

    const revoke = (): Promise<TestResponse<ApiKeyDto>> =>
      cluster.call('DELETE', `/v1/api-keys/${body.keyId.toUpperCase()}`, { authorization: cluster.admin });
    const revoked = await revoke();
    expect([revoked.status, revoked.body.revokedAt]).toEqual([200, cluster.clock.now().toISOString()]);
    expect(await revoke()).toMatchObject({ status: 200, body: revoked.body });
    expectProblem(await cluster.call('GET', '/v1/fleet', asPortal), 'api_key_rejected');
  });

  it('is rejected from its expiry on', async () => {
    const { body } = await makeKey({ expiresAt: new Date(cluster.clock.now().getTime() + 60_000).toISOString() });
    const ask = (): Promise<TestResponse> => cluster.call('GET', '/v1/fleet', { authorization: `Bearer ${body.key}` });
    await cluster.advance(59);
    expect((await ask()).status).toBe(200);
    await cluster.advance(1);
    expectProblem(await ask(), 'api_key_rejected');
  });

  it('is listed in pages, each of which is recorded in the audit log', async () => {
    const names: string[] = [];
    const before = (await events('api_keys_listed')).length;
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body }: TestResponse<Listed<ApiKeyDto>> = await cluster.read(
        `/v1/api-keys?limit=1${cursor && `&cursor=${cursor}`}`,
      );
      names.push(...body.items.map(({ name }) => name));
      cursor = body.nextCursor;
    }
    expect(new Set(names).size).toBe(names.length);
    expect(names.slice(0, 2)).toEqual(['admin', 'portal']);
    const listings = await events('api_keys_listed');
    expect(listings).toHaveLength(before + names.length);
    expect(listings[0]).toMatchObject({
      actor: 'operator:admin',
      sourceAddress: '127.0.0.1',
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  it.each([
    ['mün', 'MU\u0308N', false],
    ['ホスト', 'ポスト', true],
    ['Muller', 'Müller', true],
  ])('with the name %s leaves the name %s available: %s', async (one, other, isFree) => {
    const suffix = ` ${randomUUID()}`;
    const made = await makeKey({ name: one.normalize('NFD') + suffix });
    expect([made.status, made.body.name]).toEqual([201, one + suffix]);
    const { status } = await makeKey({ name: other + suffix });
    expect(status).toBe(isFree ? 201 : 409);
  });
});

describe('the passphrase', () => {
  it('rotates with an overlap, is shown only by the creating response, and the fleet counts the servers on the old one', async () => {
    const earlier = cluster.passphrase.split(' ')[1] ?? '';
    expect((await cluster.read<{ onEarlierPassphrase: number }>('/v1/fleet')).body.onEarlierPassphrase).toBe(0);
    const late = await cluster.registered();
    const { status, body } = await post<PassphraseRotation>('/v1/passphrases', { overlapSeconds: 60 });
    const [made = ''] = cluster.passphraseFile.put.slice(-1);
    expect(status).toBe(201);
    expect(body).toEqual({
      passphraseId: body.passphraseId,
      createdAt: cluster.clock.now().toISOString(),
      earlierRetireAt: new Date(cluster.clock.now().getTime() + 60_000).toISOString(),
      replica: 'replica-0',
      file: 'in memory',
    });
    expect(made).toMatch(/^([A-Z2-9]{5}-){5}[A-Z2-9]{5}$/);

    await cluster.advance(5); // counts are cached for up to five seconds
    for (const replica of [0, 1]) {
      expect((await registerWith(earlier, replica)).status).toBe(201);
      expect((await registerWith(made, replica)).status).toBe(201);
    }
    const listed = await cluster.read<Listed<{ passphraseId: string; retiresAt: string | null }>>('/v1/passphrases');
    const [old, current] = listed.body.items;
    expect([old?.retiresAt, current]).toEqual([
      body.earlierRetireAt,
      { passphraseId: body.passphraseId, createdAt: body.createdAt, retiresAt: null },
    ]);
    expect((await cluster.read(`/v1/process-servers/${late.hostId}`)).body['passphraseId']).toBe(old?.passphraseId);
    const onOld = await cluster.read<Listed<{ hostId: string }>>(
      `/v1/process-servers?passphraseId=${old?.passphraseId.toUpperCase()}`,
    );
    expect(onOld.body.items).toHaveLength(3);
    expect((await cluster.read<{ onEarlierPassphrase: number }>('/v1/fleet', 1)).body.onEarlierPassphrase).toBe(3);
    expect(
      (await cluster.read<Listed<object>>(`/v1/process-servers?passphraseId=${body.passphraseId}`)).body.items,
    ).toHaveLength(2);

    await cluster.advance(55);
    expectProblem(await registerWith(earlier), 'passphrase_rejected');
    expect((await registerWith(made)).status).toBe(201);
    expect((await cluster.heartbeat(late)).status).toBe(200); // an issued credential outlives the passphrase
    expect(await events('passphrase_rotated')).toMatchObject([
      { actor: 'operator:admin', detail: { passphraseId: body.passphraseId, earlier: [old?.passphraseId] } },
    ]);
    expect(await events('passphrases_listed')).toHaveLength(1);
    for (const shown of [body, listed.body])
      for (const secret of [made, earlier]) expect(JSON.stringify(shown)).not.toContain(secret);
  });

  it('expires at once with an overlap of 0, and after a day by default', async () => {
    const [now = ''] = cluster.passphraseFile.put.slice(-1);
    const { body } = await post<PassphraseRotation>('/v1/passphrases', {});
    expect(Date.parse(body.earlierRetireAt) - Date.parse(body.createdAt)).toBe(86_400_000);
    expect((await registerWith(now)).status).toBe(201);
    await post('/v1/passphrases', { overlapSeconds: 0 });
    expectProblem(await registerWith(now), 'passphrase_rejected');
  });
});

describe('a wrong secret', () => {
  const guess = (address?: string): Promise<TestResponse> =>
    cluster.call('PUT', `/v1/process-servers/${randomUUID()}`, {
      body: aRegistration(),
      authorization: 'Passphrase guessed',
      ...(address && { address }),
    });
  const rightOne = (): string => cluster.passphraseFile.put.at(-1) ?? '';

  it('is rate-limited by address after 20 failures, for ten minutes; a valid secret from that address is still accepted', async () => {
    await cluster.advance(600);
    for (let attempt = 0; attempt < 20; attempt += 1) expectProblem(await guess(), 'passphrase_rejected');
    const { status, body, headers } = await guess();
    expect([status, body['code'], body['instruction']]).toEqual([
      429,
      'authentication_attempts_exceeded',
      'ask_operator',
    ]);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    expect([headers['ratelimit-policy'], headers['ratelimit']]).toEqual([
      '"wrong-secrets";q=20;w=600',
      '"wrong-secrets";r=0;t=600',
    ]);
    expectProblem(
      await cluster.call('GET', '/v1/fleet', { authorization: 'Bearer csk_guessed' }),
      'authentication_attempts_exceeded',
    );
    expect((await registerWith(rightOne())).status).toBe(201);
    expect((await cluster.read('/v1/configuration-server')).status).toBe(200);
    await cluster.advance(600);
    expectProblem(await guess(), 'passphrase_rejected');
  });

  it('from many addresses writes one event an hour and sets a metric', async () => {
    await cluster.advance(600);
    const addresses = (count: number): string[] =>
      Array.from({ length: count }, (_, number) => `127.0.0.${number + 2}`);
    const metric = async (): Promise<number> =>
      Number(/^cs_auth_failing_addresses (\d+)$/m.exec(String((await cluster.read('/metrics')).body['text']))?.[1]);
    for (const address of addresses(9)) await guess(address);
    expect([await metric(), (await events('refused_authentication')).length]).toEqual([9, 0]);
    for (const address of addresses(12)) await guess(address);
    expect(await metric()).toBe(12);
    expect(await events('refused_authentication')).toMatchObject([
      { actor: 'configuration-server', detail: { addresses: 10, passphrases: 19, apiKeys: 0, withinSeconds: 600 } },
    ]);
  });
});

it('rejects an API key above its rate limit, without affecting another; every response has the remaining quota', async () => {
  const narrow = await TestCluster.open({ settings: { API_KEY_REQUESTS_PER_SECOND: '3' } });
  const other = await narrow.createKey('reader');
  const responses: TestResponse[] = [];
  for (const path of [
    '/v1/configuration-server',
    '/v1/nothing/of/this',
    '/v1/process-servers?limit=0',
    `/v1/process-servers/${randomUUID()}`,
    '/v1/fleet',
  ])
    responses.push(await narrow.read(path));
  const quota = (remaining: number): string => `"api-key";r=${remaining};t=1`;
  expect(responses.map(({ status, headers }) => [status, headers['ratelimit']])).toEqual([
    [200, quota(2)],
    [404, undefined],
    [400, quota(1)],
    [404, quota(0)],
    [429, quota(0)],
  ]);
  expect(responses[0]?.headers['ratelimit-policy']).toBe('"api-key";q=3;w=1');
  expect((await narrow.call('GET', '/v1/configuration-server', { authorization: other })).status).toBe(200);
  narrow.clock.advanceSeconds(1);
  expect((await narrow.read('/v1/configuration-server')).status).toBe(200);
  await narrow.close();
});

describe('a revoked credential', () => {
  it('requires a new registration; a wrong clock, a wrong passphrase and an unknown host do not', async () => {
    const server = await cluster.registered({}, randomUUID(), 0, rightPassphrase());
    const revoke = (): Promise<TestResponse> =>
      post(`/v1/process-servers/${server.hostId}/revoke-credential`, { generation: 1, reason: 'disk was copied' });
    expect(await revoke()).toMatchObject({
      status: 200,
      body: { hostId: server.hostId, generation: 1, credentialRevoked: true },
    });
    expect((await revoke()).status).toBe(200);
    expect((await cluster.read(`/v1/process-servers/${server.hostId}`)).body['credentialRevoked']).toBe(true);
    const reported = async (response: Promise<TestResponse<object>>): Promise<unknown[]> => {
      const { status, body } = (await response) as TestResponse;
      return [status, body['code'], body['instruction']];
    };
    expect(await reported(cluster.heartbeat(server))).toEqual([401, 'credential_revoked', 'reregister']);
    expect(await reported(cluster.unregister(server))).toEqual([401, 'credential_revoked', 'reregister']);
    const passphrase = rightPassphrase();
    const sentAt = new Date(cluster.clock.now().getTime() + 901_000).toISOString();
    expect(
      await reported(
        cluster.call('PUT', `/v1/process-servers/${server.hostId}`, {
          body: aRegistration({ sentAt }),
          authorization: passphrase,
        }),
      ),
    ).toEqual([422, 'clock_in_future', 'ask_operator']);
    expect(
      await reported(
        cluster.call('PUT', `/v1/process-servers/${server.hostId}`, {
          body: aRegistration(),
          authorization: 'Passphrase wrong',
        }),
      ),
    ).toEqual([401, 'passphrase_rejected', 'ask_operator']);
    const stranger = await cluster.registered({}, randomUUID(), 0, passphrase);
    await cluster.database.write('DELETE FROM process_server_lease WHERE host_id = ?', [stranger.hostId]);
    expect(await reported(cluster.heartbeat(stranger))).toEqual([404, 'process_server_not_found', 'reregister']);

    const again = await cluster.registered({}, server.hostId, 0, passphrase);
    expect([again.generation, (await cluster.heartbeat(again)).status]).toEqual([2, 200]);
    expectProblem(await revoke(), 'generation_superseded');
    expect((await events('credential_revoked')).length).toBe(1);
  });

  const rightPassphrase = (): string => `Passphrase ${cluster.passphraseFile.put.at(-1) ?? ''}`;
});

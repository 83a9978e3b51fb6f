import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { EventBody } from '@app/wire';
import { expectProblem } from '../support/expect-problem.js';
import { aRegistration, TestSite, type Answer, type KnownServer } from '../support/test-site.js';

const PROXY = '127.0.0.2';
/** Trusted as well: a proxy before the other. */
const OUTER_PROXY = '127.0.0.3';
/** The fast path of heartbeats does not read this header; Node's HTTP server does. */
const BY_NODE = { 'x-by-node': '1' };

let site: TestSite;
beforeAll(async () => {
  site = await TestSite.open({ settings: { TRUSTED_PROXIES: `${PROXY}, 127.0.0.3/32`, ANONYMOUS_REQUESTS_PER_SECOND: '3', HEARTBEATS_PER_SERVER_PER_SECOND: '1000' } });
});
afterAll(() => site.close());

const events = async (hostId: string): Promise<readonly EventBody[]> => (await site.read<{ items: EventBody[] }>(`/v1/process-servers/${hostId}/events`)).body.items;
const diagnosed = async (hostId: string): Promise<string> => JSON.stringify((await site.read(`/v1/process-servers/${hostId}/diagnosis`)).body);

interface Way {
  readonly headers?: Record<string, string>;
  readonly address?: string;
}

function beat({ hostId, generation, credential }: KnownServer, { headers = {}, address = PROXY }: Way, over: object = {}): Promise<Answer> {
  return site.call('POST', `/v1/process-servers/${hostId}/heartbeats`, { body: { generation, ...over }, authorization: `Bearer ${credential}`, headers, address });
}

async function registeredBy(headers: Record<string, string>, address = PROXY): Promise<KnownServer> {
  const hostId = randomUUID();
  const { body } = await site.call('PUT', `/v1/process-servers/${hostId}`, { body: aRegistration({ friendlyName: hostId, machineId: hostId }), authorization: site.passphrase, headers, address });
  return { hostId, generation: Number(body['generation']), credential: String(body['credential']) };
}

/** The statuses of requests that are sent one after the other on one connection from the proxy. */
async function onOneConnection(requests: readonly string[]): Promise<number[]> {
  const { hostname, port } = new URL(await site.replica().http.getUrl());
  const socket = connect({ host: hostname, port: Number(port), localAddress: PROXY });
  const statuses: number[] = [];
  for (const request of requests) {
    socket.write(request);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    statuses.push(Number(String(answer).slice(9, 12)));
  }
  socket.destroy();
  return statuses;
}

describe('behind a trusted proxy', () => {
  it.each([
    [{ 'x-forwarded-for': '192.0.2.7' }, '192.0.2.7'],
    [{ 'x-forwarded-for': `203.0.113.1, 192.0.2.7, ${OUTER_PROXY}` }, '192.0.2.7'],
    [{ forwarded: 'for="[2001:DB8::7]:51234";proto=https' }, '2001:db8::7'],
    [{ forwarded: 'for=192.0.2.7', 'x-forwarded-for': '203.0.113.1' }, PROXY],
    [{ forwarded: 'for=;"' }, PROXY],
    [{}, PROXY],
  ] as [Record<string, string>, string][])('%j: registration, heartbeats by both paths, and operators come from %s', async (headers, from) => {
    const server = await registeredBy(headers);
    for (const way of [{ headers }, { headers: { ...headers, ...BY_NODE } }]) expect((await beat(server, way)).status).toBe(200);
    expect(await diagnosed(server.hostId)).toContain(`"${from}"`);
    expect((await beat(server, { headers }, { machineId: 'a-clone' })).status).toBe(409);
    await site.call('POST', `/v1/process-servers/${server.hostId}/purge`, { body: { generation: 1, reason: 'test', force: true }, authorization: site.admin, headers, address: PROXY });
    const seen = (await events(server.hostId)).map(({ kind, sourceAddress }) => [kind, sourceAddress]);
    expect(seen.sort()).toEqual([['purged_by_force', from], ['refused_host_id_conflict', from], ['registered', from]]);
  });

  it('one connection carries the heartbeats of many clients, each from its own address', async () => {
    const [one, other] = [await registeredBy({ 'x-forwarded-for': '192.0.2.21' }), await registeredBy({ 'x-forwarded-for': '192.0.2.22' })];
    const request = ({ hostId, credential }: KnownServer, header: string, body = '{"generation":1}'): string =>
      `POST /v1/process-servers/${hostId}/heartbeats HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${credential}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${header}\r\n\r\n${body}`;
    const clients = [request(one, 'X-Forwarded-For: 192.0.2.21'), request(other, 'Forwarded: for=192.0.2.22'), request(one, 'X-Forwarded-For: 192.0.2.31'), request(other, 'X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 192.0.2.32')];
    expect(await onOneConnection(clients)).toEqual([200, 200, 200, 200]);
    for (const [{ hostId }, from, to] of [[one, '192.0.2.21', '192.0.2.31'], [other, '192.0.2.22', '192.0.2.32']] as const) {
      expect((await events(hostId)).find(({ kind }) => kind === 'source_address_changed')?.detail).toMatchObject({ from, to });
    }
  });

  it('a conflict names both addresses', async () => {
    const server = await registeredBy({ 'x-forwarded-for': '192.0.2.41' });
    expect((await beat(server, { headers: { 'x-forwarded-for': '192.0.2.41' } }, { instanceId: 'i-1' })).status).toBe(200);
    const conflict = await beat(server, { headers: { 'x-forwarded-for': '192.0.2.42' } }, { machineId: 'a-clone' });
    expectProblem(conflict, 'host_id_conflict');
    expect(JSON.stringify(conflict.body)).toMatch(/192\.0\.2\.41.*192\.0\.2\.42|192\.0\.2\.42.*192\.0\.2\.41/);
  });

  it('limits count each client by itself', async () => {
    const ask = (client: string): Promise<Answer> => site.call('GET', '/docs', { headers: { 'x-forwarded-for': client }, address: PROXY });
    const statuses: number[] = [];
    for (const client of ['192.0.2.51', '192.0.2.51', '192.0.2.51', '192.0.2.51', '192.0.2.52']) statuses.push((await ask(client)).status);
    expect(statuses).toEqual([200, 200, 200, 429, 200]);
    const guess = (client: string): Promise<Answer> => site.call('GET', '/v1/fleet', { authorization: 'Bearer csk_wrong', headers: { forwarded: `for=${client}` }, address: PROXY });
    for (let wrong = 0; wrong < 20; wrong += 1) expect((await guess('192.0.2.53')).status).toBe(401);
    expect([(await guess('192.0.2.53')).status, (await guess('192.0.2.54')).status]).toEqual([429, 401]);
  });
});

describe('from anywhere else', () => {
  it('what a client states about its address is ignored', async () => {
    const headers = { 'x-forwarded-for': '192.0.2.7', forwarded: 'for=192.0.2.7' };
    const server = await registeredBy(headers, '127.0.0.9');
    for (const way of [headers, { ...headers, ...BY_NODE }]) expect((await beat(server, { headers: way, address: '127.0.0.9' })).status).toBe(200);
    expect((await events(server.hostId)).map(({ kind, sourceAddress }) => [kind, sourceAddress])).toEqual([['registered', '127.0.0.9']]);
  });
});

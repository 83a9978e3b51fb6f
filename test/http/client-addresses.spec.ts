import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readSettings } from '@app/platform';
import type { EventDto } from '@app/api-contract';
import { generate } from 'selfsigned';
import { expectProblem } from '../support/expect-problem.js';
import { aRegistration, TestCluster, type TestResponse, type KnownServer } from '../support/test-cluster.js';

const PROXY = '127.0.0.2';
/** A second trusted proxy, in front of the first. */
const OUTER_PROXY = '127.0.0.3';
/** The heartbeat fast path does not parse this header; Node's HTTP server does. */
const BY_NODE = { 'x-by-node': '1' };

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open({ settings: SETTINGS });
});
afterAll(() => cluster.close());

const SETTINGS = {
  TRUSTED_PROXIES: `${PROXY}, 127.0.0.3/32`,
  ANONYMOUS_REQUESTS_PER_SECOND: '3',
  MAX_HEARTBEATS_PER_SERVER_PER_SECOND: '1000',
};
const events = async (hostId: string): Promise<readonly EventDto[]> =>
  (await cluster.read<{ items: EventDto[] }>(`/v1/process-servers/${hostId}/events`)).body.items;
const diagnosed = async (hostId: string): Promise<string> =>
  JSON.stringify((await cluster.read(`/v1/process-servers/${hostId}/diagnosis`)).body);

interface Route {
  readonly headers?: Record<string, string>;
  readonly address?: string;
}

function heartbeat(
  { hostId, generation, credential }: KnownServer,
  { headers = {}, address = PROXY }: Route,
  over: object = {},
): Promise<TestResponse> {
  return cluster.call('POST', `/v1/process-servers/${hostId}/heartbeats`, {
    body: { generation, ...over },
    authorization: `Bearer ${credential}`,
    headers,
    address,
  });
}

async function registeredBy(headers: Record<string, string>, address = PROXY): Promise<KnownServer> {
  const hostId = randomUUID();
  const { body } = await cluster.call('PUT', `/v1/process-servers/${hostId}`, {
    body: aRegistration({ friendlyName: hostId, machineId: hostId }),
    authorization: cluster.passphrase,
    headers,
    address,
  });
  return { hostId, generation: Number(body['generation']), credential: String(body['credential']) };
}

const heartbeatRequest = (
  { hostId, credential }: KnownServer,
  header = 'Accept: */*',
  body = '{"generation":1}',
): string =>
  `POST /v1/process-servers/${hostId}/heartbeats HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${credential}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n${header}\r\n\r\n${body}`;

async function connected(replica = 0, localAddress = PROXY): Promise<Socket> {
  const { hostname, port } = new URL(await cluster.replica(replica).http.getUrl());
  const socket = connect({ host: hostname, port: Number(port), localAddress, noDelay: true }).on(
    'error',
    () => undefined,
  );
  await once(socket, 'connect');
  return socket;
}

/** The statuses of sequential requests on one connection. */
async function onOneConnection(socket: Socket, requests: readonly string[]): Promise<number[]> {
  const statuses: number[] = [];
  for (const request of requests) {
    socket.write(request);
    const [response] = (await once(socket, 'data')) as [Buffer];
    statuses.push(Number(String(response).slice(9, 12)));
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
  ] as [Record<string, string>, string][])(
    '%j: registration, heartbeats by both paths and operator calls have the source address %s',
    async (headers, from) => {
      const server = await registeredBy(headers);
      for (const route of [{ headers }, { headers: { ...headers, ...BY_NODE } }])
        expect((await heartbeat(server, route)).status).toBe(200);
      expect(await diagnosed(server.hostId)).toContain(`"${from}"`);
      expect((await heartbeat(server, { headers }, { machineId: 'a-clone' })).status).toBe(409);
      await cluster.call('POST', `/v1/process-servers/${server.hostId}/purge`, {
        body: { generation: 1, reason: 'test', force: true },
        authorization: cluster.admin,
        headers,
        address: PROXY,
      });
      const seen = (await events(server.hostId)).map(({ kind, sourceAddress }) => [kind, sourceAddress]);
      expect(seen.sort()).toEqual([
        ['purged_by_force', from],
        ['refused_host_id_conflict', from],
        ['registered', from],
      ]);
    },
  );

  it('attributes heartbeats on one connection to the forwarded address of each', async () => {
    const [one, other] = [
      await registeredBy({ 'x-forwarded-for': '192.0.2.21' }),
      await registeredBy({ 'x-forwarded-for': '192.0.2.22' }),
    ];
    const clients = [
      heartbeatRequest(one, 'X-Forwarded-For: 192.0.2.21'),
      heartbeatRequest(other, 'Forwarded: for=192.0.2.22'),
      heartbeatRequest(one, 'X-Forwarded-For: 192.0.2.31'),
      heartbeatRequest(other, 'X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 192.0.2.32'),
    ];
    expect(await onOneConnection(await connected(), clients)).toEqual([200, 200, 200, 200]);
    for (const [{ hostId }, from, to] of [
      [one, '192.0.2.21', '192.0.2.31'],
      [other, '192.0.2.22', '192.0.2.32'],
    ] as const) {
      expect((await events(hostId)).find(({ kind }) => kind === 'source_address_changed')?.detail).toMatchObject({
        from,
        to,
      });
    }
  });

  it('names both addresses in a conflict', async () => {
    const server = await registeredBy({ 'x-forwarded-for': '192.0.2.41' });
    expect(
      (await heartbeat(server, { headers: { 'x-forwarded-for': '192.0.2.41' } }, { instanceId: 'i-1' })).status,
    ).toBe(200);
    const conflict = await heartbeat(
      server,
      { headers: { 'x-forwarded-for': '192.0.2.42' } },
      { machineId: 'a-clone' },
    );
    expectProblem(conflict, 'host_id_conflict');
    expect(JSON.stringify(conflict.body)).toMatch(/192\.0\.2\.41.*192\.0\.2\.42|192\.0\.2\.42.*192\.0\.2\.41/);
  });

  it('applies rate limits to each client separately', async () => {
    const ask = (client: string): Promise<TestResponse> =>
      cluster.call('GET', '/docs', { headers: { 'x-forwarded-for': client }, address: PROXY });
    const statuses: number[] = [];
    for (const client of ['192.0.2.51', '192.0.2.51', '192.0.2.51', '192.0.2.51', '192.0.2.52'])
      statuses.push((await ask(client)).status);
    expect(statuses).toEqual([200, 200, 200, 429, 200]);
    const guess = (client: string): Promise<TestResponse> =>
      cluster.call('GET', '/v1/fleet', {
        authorization: 'Bearer csk_wrong',
        headers: { forwarded: `for=${client}` },
        address: PROXY,
      });
    for (let wrong = 0; wrong < 20; wrong += 1) expect((await guess('192.0.2.53')).status).toBe(401);
    expect([(await guess('192.0.2.53')).status, (await guess('192.0.2.54')).status]).toEqual([429, 401]);
  });
});

describe('behind an untrusted peer', () => {
  it('ignores forwarded addresses', async () => {
    const headers = { 'x-forwarded-for': '192.0.2.7', forwarded: 'for=192.0.2.7' };
    const server = await registeredBy(headers, '127.0.0.9');
    for (const route of [headers, { ...headers, ...BY_NODE }])
      expect((await heartbeat(server, { headers: route, address: '127.0.0.9' })).status).toBe(200);
    expect((await events(server.hostId)).map(({ kind, sourceAddress }) => [kind, sourceAddress])).toEqual([
      ['registered', '127.0.0.9'],
    ]);
  });
});

describe('with the PROXY protocol', () => {
  const folder = mkdtempSync(join(tmpdir(), 'client-addresses-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  let plain: number;
  let secure: number;
  beforeAll(async () => {
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
      algorithm: 'sha256',
    });
    const [certificateFile, keyFile] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
    writeFileSync(certificateFile, cert);
    writeFileSync(keyFile, key);
    const add = (settings: Record<string, string>): Promise<number> => {
      const environment = {
        ...SETTINGS,
        PROXY_PROTOCOL: 'required',
        CONFIGURATION_SERVER_VERSION: '9.63.7187.1',
        ...settings,
      };
      return cluster.addReplicaWith({
        requestTimeoutMs: 2_000,
        settings: readSettings({ environment, insecure: false, packageVersion: '0.0.0' }),
      });
    };
    plain = await add({});
    secure = await add({ TLS_CERTIFICATE_FILE: certificateFile, TLS_KEY_FILE: keyFile });
  });

  const v2 = (hex: string): Buffer => Buffer.from(`0d0a0d0a000d0a515549540a${hex}`, 'hex');
  const HEADERS: readonly [string, Buffer, string][] = [
    ['version 1', Buffer.from('PROXY TCP4 192.0.2.61 192.0.2.1 51368 443\r\n'), '192.0.2.61'],
    [
      'version 2',
      v2(
        '2121002b' +
          '20010db8000000000000000000000061' +
          '20010db8000000000000000000000001' +
          'c8a801bb' +
          '0300043bd9c2a1',
      ),
      '2001:db8::61',
    ],
    ['version 2 of the proxy itself', v2('20000000'), PROXY],
    ['version 1 of an unknown client', Buffer.from('PROXY UNKNOWN\r\n'), PROXY],
    ['version 1 of a trusted proxy', Buffer.from(`PROXY TCP4 ${OUTER_PROXY} 192.0.2.1 51368 443\r\n`), OUTER_PROXY],
  ];

  /** One byte per packet. */
  async function trickle(socket: Socket, bytes: Buffer): Promise<void> {
    for (const byte of bytes)
      await new Promise<unknown>((written) => socket.write(Buffer.of(byte), () => setImmediate(written)));
  }

  async function secured(socket: Socket): Promise<Socket> {
    const overTls = connectTls({ socket, rejectUnauthorized: false });
    await once(overTls, 'secureConnect');
    return overTls;
  }

  async function movedTo({ hostId }: KnownServer): Promise<unknown> {
    return (await events(hostId)).find(({ kind }) => kind === 'source_address_changed')?.detail['to'];
  }

  it.each(HEADERS)(
    'a header of %s sets the client address, whole or byte by byte, with and without TLS',
    async (_what, header, from) => {
      for (const route of ['in one write', 'byte by byte', 'TLS', 'TLS, byte by byte']) {
        const server = await registeredBy({}, '127.0.0.9');
        const overTls = route.startsWith('TLS');
        const socket = await connected(overTls ? secure : plain);
        if (route === 'in one write') socket.write(Buffer.concat([header, Buffer.from(heartbeatRequest(server))]));
        else if (route === 'TLS') socket.write(header);
        else await trickle(socket, header);
        const connection = overTls ? await secured(socket) : socket;
        const statuses = await onOneConnection(
          connection,
          route === 'in one write'
            ? ['', heartbeatRequest(server)]
            : [heartbeatRequest(server), heartbeatRequest(server, 'X-By-Node: 1')],
        );
        expect([route, statuses, await movedTo(server)]).toEqual([route, [200, 200], from]);
      }
    },
  );

  it('trusts the forwarded address when the header names a trusted proxy', async () => {
    const server = await registeredBy({}, '127.0.0.9');
    const socket = await connected(plain);
    socket.write(HEADERS[4]?.[1] ?? '');
    expect(await onOneConnection(socket, [heartbeatRequest(server, 'X-Forwarded-For: 192.0.2.62')])).toEqual([200]);
    expect(await movedTo(server)).toBe('192.0.2.62');
  });

  it.each([
    ['from an untrusted peer', '127.0.0.9', HEADERS[0]?.[1] ?? ''],
    ['that starts with a request', PROXY, 'GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['that ends within the header', PROXY, 'PROXY TCP4'],
    ['whose header does not arrive in time', PROXY, ''],
  ])('a connection %s is closed without a response, logged and counted', async (what, from, bytes) => {
    const rejected = async (replica: number): Promise<void> => {
      const socket = await connected(replica, from);
      const responses: Buffer[] = [];
      socket.on('data', (chunk) => responses.push(chunk)).write(bytes || Buffer.of(0x0d));
      if (what.includes('ends')) socket.end();
      if (!socket.closed) await once(socket, 'close');
      expect(responses).toEqual([]);
    };
    const before = cluster.log.length;
    await Promise.all([rejected(plain), rejected(secure)]);
    const line = expect.objectContaining({
      level: 40,
      address: from,
      msg: 'a connection without the PROXY protocol header of a trusted proxy was closed',
    });
    expect(cluster.log.slice(before).map((line) => JSON.parse(line) as Record<string, unknown>)).toEqual([line, line]);
  });

  it('counts the connections closed for an invalid header, but not those that end without a byte', async () => {
    const socket = await connected(plain);
    socket.end();
    await once(socket.resume(), 'close');
    const asking = await connected(plain);
    asking.write(HEADERS[2]?.[1] ?? '');
    asking.write('GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    let text = '';
    asking.on('data', (chunk) => (text += String(chunk)));
    await once(asking, 'close');
    expect(text).toContain('\ncs_proxy_protocol_refused_connections_total 4\n');
  });
});

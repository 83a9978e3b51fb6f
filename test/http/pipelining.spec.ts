import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { aRegistration, TestCluster } from '../support/test-cluster.js';

const MAX_DURATION_MS = 20_000;

let cluster: TestCluster;
const sockets: Socket[] = [];
beforeAll(async () => {
  cluster = await TestCluster.open();
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});
afterAll(() => cluster.close());

async function open(of: TestCluster): Promise<Socket> {
  const { hostname, port } = new URL(await of.replica().http.getUrl());
  const socket = connect({ port: Number(port), host: hostname, noDelay: true }).on('error', () => undefined);
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

/** Requests with their expected statuses. */
const EXCHANGES: readonly (readonly [request: string, status: number])[] = [
  ['GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n', 200],
  ['GET /x HTTP/1.1\r\nHost: a\r\n\r\n', 404],
  [`POST /v1/purges HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 6\r\n\r\n{\n\n\n\n}`, 401],
  ['HEAD /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n', 200],
  [
    `POST /v1/purges HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\r\n\r\n0\r\n\r\n`,
    415,
  ],
  ['GET /docs/ HTTP/1.1\r\nHost: a\r\n\r\n', 302],
  ['GET /health/ready HTTP/1.1\r\nHost: a\r\nX-Long: ' + 'x'.repeat(3_000) + '\r\n\r\n', 200],
];

const statusesOf = (text: string): number[] =>
  [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

describe.each(['on', 'off'])('pipelined requests, with HEARTBEAT_FAST_PATH=%s,', (fastPath) => {
  let other: TestCluster;
  beforeAll(async () => {
    other = await TestCluster.open({ settings: { HEARTBEAT_FAST_PATH: fastPath } });
  });
  afterAll(() => other.close());

  it('that are heartbeats, one of them rejected, are answered in order', async () => {
    const { hostId, credential } = await other.registered();
    const heartbeat = (generation: number): string =>
      `POST /v1/process-servers/${hostId}/heartbeats HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${credential}\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"generation":${generation}}`;
    const socket = await open(other);
    let text = '';
    socket.on('data', (chunk) => (text += String(chunk))).write([1, 1, 2, 1].map(heartbeat).join(''));
    await eventually('all are answered', MAX_DURATION_MS, () => statusesOf(text).length === 4);
    expect(statusesOf(text)).toEqual([200, 200, 401, 200]);
  });

  it.each([7, 100, 4_096, 1_000_000])(
    'are all answered in order when they arrive in pieces of %d bytes',
    async (piece) => {
      const exchanges = Array.from(
        { length: piece < 100 ? 20 : 210 },
        (_, number) => EXCHANGES[number % EXCHANGES.length] ?? ['', 0],
      );
      const socket = await open(other);
      let text = '';
      socket.on('data', (chunk) => (text += String(chunk)));
      const bytes = exchanges.map(([request]) => request).join('');
      for (let at = 0; at < bytes.length; at += piece) {
        socket.write(bytes.slice(at, at + piece));
        if (piece < 100) await new Promise((next) => setImmediate(next));
      }
      await eventually('all have a response', MAX_DURATION_MS, () => statusesOf(text).length === exchanges.length);
      expect(statusesOf(text)).toEqual(exchanges.map(([, status]) => status));
    },
  );

  it('with bodies full of blank lines register each process server', async () => {
    const hostIds = Array.from({ length: 20 }, () => randomUUID());
    const requests = hostIds.map((hostId) => {
      const body = JSON.stringify(aRegistration({ machineId: hostId }), null, 1).replaceAll(
        '\n',
        '\r\n\r\n\n\n'.repeat(200),
      );
      return `PUT /v1/process-servers/${hostId} HTTP/1.1\r\nHost: a\r\nAuthorization: ${other.passphrase}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    });
    const socket = await open(other);
    let text = '';
    socket.on('data', (chunk) => (text += String(chunk))).write(requests.join(''));
    await eventually('all have a response', MAX_DURATION_MS, () => statusesOf(text).length === hostIds.length);
    expect(statusesOf(text)).toEqual(hostIds.map(() => 201));
    expect([...text.matchAll(/"hostId":"([^"]+)"/g)].map(([, hostId]) => hostId)).toEqual(hostIds);
  });
});

describe('a document', () => {
  it.each(['/openapi.json', '/docs', '/docs/start.js', '/docs/swagger-ui.css', '/docs/swagger-ui-bundle.js'])(
    '%s has an entity tag, and is not sent again to a client that has it',
    async (path) => {
      const { status, headers } = await cluster.call('GET', path);
      expect([status, headers['etag'], headers['content-type']]).toEqual([
        200,
        expect.stringMatching(/^"[\w-]{27}"$/),
        expect.stringMatching(/; charset=utf-8$/),
      ]);
      const unchanged = await cluster.call('GET', path, { headers: { 'if-none-match': String(headers['etag']) } });
      expect([unchanged.status, unchanged.headers['etag'], unchanged.body]).toEqual([
        304,
        headers['etag'],
        { text: '' },
      ]);
      expect((await cluster.call('GET', path, { headers: { 'if-none-match': '"another"' } })).status).toBe(200);
    },
  );
});

describe('anonymous calls above the rate limit of an address', () => {
  it('are rejected for metrics and documents, and never for health checks', async () => {
    const narrow = await TestCluster.open({ settings: { ANONYMOUS_REQUESTS_PER_SECOND: '1' } });
    const statuses = async (path: string): Promise<number[]> => [
      (await narrow.call('GET', path)).status,
      (await narrow.call('GET', path)).status,
    ];
    expect(await statuses('/metrics')).toEqual([200, 429]);
    for (const path of [
      '/openapi.json',
      '/docs',
      '/docs/',
      '/docs/start.js',
      '/docs/swagger-ui.css',
      '/docs/swagger-ui-bundle.js',
    ])
      expect(await statuses(path)).toEqual([429, 429]);
    for (const path of ['/health/live', '/health/ready']) expect(await statuses(path)).toEqual([200, 200]);
    await narrow.close();
  });
});

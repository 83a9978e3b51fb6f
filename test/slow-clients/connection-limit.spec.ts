import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../support/eventually.js';
import { TestCluster, type KnownServer } from '../support/test-cluster.js';

const ATTACKERS = 2_000;
const MAX_CONNECTIONS = 500;

let cluster: TestCluster;
let server: KnownServer;
const sockets: Socket[] = [];
beforeAll(async () => {
  cluster = await TestCluster.open({
    settings: { MAX_HEARTBEATS_PER_SERVER_PER_SECOND: '1000', HTTP_MAX_CONNECTIONS: String(MAX_CONNECTIONS) },
  });
  server = await cluster.registered();
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});
afterAll(() => cluster.close());

async function open(): Promise<Socket> {
  const { hostname, port } = new URL(await cluster.replica().http.getUrl());
  const socket = connect({ port: Number(port), host: hostname, noDelay: true });
  socket.on('error', () => undefined);
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

const heartbeat = (body: object = { generation: 1 }): string => {
  const text = JSON.stringify(body);
  return `POST /v1/process-servers/${server.hostId}/heartbeats HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${server.credential}\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`;
};

async function sendHeartbeat(socket: Socket): Promise<string> {
  socket.write(heartbeat());
  const [response] = (await once(socket, 'data')) as [Buffer];
  return String(response).slice(0, 15);
}

/** Beginnings of requests that slow clients never finish. */
const BEGINNINGS = [
  '',
  'P',
  `POST /v1/process-servers/`,
  'GET /v1/fleet HTTP/1.1\r\nHost: a\r\nX-Slow: ',
  'POST /v1/purges HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{',
  'PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab',
];

describe(`${ATTACKERS} clients that never finish a request`, () => {
  it(`never have more than ${MAX_CONNECTIONS} connections, and a process server sends heartbeats on its open connection and on a new one`, async () => {
    const steady = await open();
    expect(await sendHeartbeat(steady)).toBe('HTTP/1.1 200 OK');
    for (let attacker = 0; attacker < ATTACKERS; attacker += 1) {
      (await open()).write(BEGINNINGS[attacker % BEGINNINGS.length] ?? '');
      if (attacker % 100 === 99) {
        expect(await sendHeartbeat(steady)).toBe('HTTP/1.1 200 OK');
        expect(await sendHeartbeat(await open())).toBe('HTTP/1.1 200 OK');
        expect(cluster.replica().connections.size).toBeLessThanOrEqual(MAX_CONNECTIONS);
      }
    }
    expect(cluster.errorLines).toEqual([]);
  });
});

it.each([
  ['starts too late', 'P'],
  [
    'is incomplete at the timeout',
    'POST /v1/purges HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
  ],
  ['is not HTTP', 'hello\r\n\r\n'],
  ['is a CONNECT request', 'CONNECT example.net:443 HTTP/1.1\r\nHost: a\r\n\r\n'],
])(
  'the connection of a request that %s is closed by the server, even if the client keeps its end open',
  async (_what, bytes) => {
    const number = await cluster.addReplicaWith({ requestTimeoutMs: 200 });
    const { hostname, port } = new URL(await cluster.replica(number).http.getUrl());
    const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
    sockets.push(socket);
    socket.write(bytes);
    const [response] = (await once(socket, 'data')) as [Buffer];
    expect(String(response)).toMatch(/^HTTP\/1\.1 40[08] /);
    const metrics = await cluster.call<{ text: string }>('GET', '/metrics', { replica: number });
    expect(metrics.body.text).toMatch(
      /^cs_http_responses_total\{status="4xx",code="(request_timeout|malformed_request)"\} 1$/m,
    );
    await eventually('the connection is closed', 30_000, () => cluster.replica(number).connections.size === 0);
  },
);

describe('when the connection limit is reached', () => {
  const sorted = (statuses: readonly string[]): string[] => [...new Set(statuses)];

  it.each([
    [
      'with unfinished requests',
      'POST /v1/purges HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
    ],
    ['that do not read their responses', 'GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(6)],
  ])('by clients %s, new connections are served', async (_who, bytes) => {
    for (let attacker = 0; attacker < MAX_CONNECTIONS + 10; attacker += 1) (await open()).pause().write(bytes);
    const responses: string[] = [];
    for (let newConnection = 0; newConnection < 20; newConnection += 1)
      responses.push(await sendHeartbeat(await open()));
    expect(sorted(responses)).toEqual(['HTTP/1.1 200 OK']);
  });

  it('keeps a connection with frequent requests, regardless of its age', async () => {
    const steady = await open();
    const others = await Promise.all(Array.from({ length: MAX_CONNECTIONS - 10 }, () => open()));
    for (const socket of others) await sendHeartbeat(socket);
    for (let newConnection = 0; newConnection < 60; newConnection += 1) {
      expect(await sendHeartbeat(steady)).toBe('HTTP/1.1 200 OK');
      await open();
    }
    expect(others.some(({ destroyed }) => destroyed)).toBe(true);
  });

  it('closes the connections idle longest, and loses no response in flight', async () => {
    const busy = await Promise.all(Array.from({ length: 20 }, () => open()));
    const other = await cluster.database.connect();
    await other.query('START TRANSACTION');
    await other.query('SELECT 1 FROM process_server_lease WHERE host_id = ? FOR UPDATE', [server.hostId]);
    const responses = busy.map((socket) => sendHeartbeat(socket));
    while (cluster.replica().receiver.queueLength === 0) await new Promise((resolve) => setImmediate(resolve));
    for (let newConnection = 0; newConnection < MAX_CONNECTIONS + 100; newConnection += 1) await open();
    await other.query('ROLLBACK');
    await other.end();
    expect(new Set(await Promise.all(responses))).toEqual(new Set(['HTTP/1.1 200 OK']));
  });
});

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { FastPathConnection } from '../../apps/configuration-server/src/heartbeats/fast-path/fast-path-connection.js';
import { Jobs } from '../../apps/configuration-server/src/site/jobs.js';
import { eventually } from '../support/eventually.js';
import { TestCluster, type KnownServer } from '../support/test-cluster.js';

let cluster: TestCluster;
let server: KnownServer;
beforeAll(async () => {
  cluster = await TestCluster.open({ settings: { MAX_HEARTBEATS_PER_SERVER_PER_SECOND: '1000' } });
  server = await cluster.registered();
});
afterAll(() => cluster.close());

it('the heartbeats of all other specs are processed by the fast path', async () => {
  const accepted = jest.spyOn(FastPathConnection.prototype, 'onAccepted');
  expect((await cluster.heartbeat(server)).status).toBe(200);
  expect(accepted).toHaveBeenCalledTimes(1);
  accepted.mockRestore();
});

/** A header without effect that only Node's HTTP server parses. */
const BY_NODE = 'X-By-Node: 1\r\n';

interface RequestParts {
  readonly start?: string;
  readonly headers?: string;
  readonly body?: string;
  readonly length?: number;
}

function heartbeat(
  {
    start,
    headers = '',
    body = JSON.stringify({ generation: 1 }),
    length = Buffer.byteLength(body),
  }: RequestParts = {},
  { hostId, credential } = server,
): string {
  const line = start ?? `POST /v1/process-servers/${hostId}/heartbeats HTTP/1.1`;
  return `${line}\r\nHost: a\r\nAuthorization: Bearer ${credential}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n${headers}\r\n${body}`;
}

/** A connection that stays open, and everything received on it. */
class Client {
  text = '';
  private constructor(
    readonly socket: Socket,
    private readonly served: Socket,
  ) {
    socket.on('data', (chunk) => (this.text += String(chunk))).on('error', () => undefined);
  }

  static async open(replica = 0): Promise<Client> {
    const { hostname, port } = new URL(await cluster.replica(replica).http.getUrl());
    const accepted = once(cluster.replica(replica).http.getHttpServer() as Server, 'connection');
    const socket = connect({ port: Number(port), host: hostname, noDelay: true });
    await once(socket, 'connect');
    const [served] = (await accepted) as [Socket];
    return new Client(socket, served);
  }

  get statuses(): number[] {
    return [...this.text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
  }

  /** Resolves after this many responses. */
  async receivedResponses(count: number): Promise<this> {
    const isWhole = (): boolean => this.statuses.length >= count && this.text.endsWith('}');
    await eventually('the responses are received', 20_000, isWhole);
    expect(this.statuses).toHaveLength(count);
    return this;
  }

  /** Resolves when the server has read everything written. */
  async read(): Promise<void> {
    await eventually(
      'the server has read everything',
      30_000,
      () => this.served.bytesRead === this.socket.bytesWritten,
    );
  }

  async closed(): Promise<this> {
    if (!this.socket.closed) await once(this.socket, 'close');
    return this;
  }
}

async function exchange(text: string, responses = 1): Promise<Client> {
  const client = await Client.open();
  client.socket.write(text);
  await client.receivedResponses(responses);
  client.socket.destroy();
  return client;
}

/** Removes the parts that differ between responses. */
const comparable = (text: string): string =>
  text
    .replace(/(x-request-id: |"requestId":")[0-9a-f-]{36}/g, '$1-')
    .replace(/Date: [^\r]+/g, 'Date: -')
    .replace(/content-length: \d+/g, 'content-length: -');

it('an accepted heartbeat has the same response, byte for byte, as from Node’s HTTP server, with a UUID of its own', async () => {
  const [plain, byNode] = [await exchange(heartbeat()), await exchange(heartbeat({ headers: BY_NODE }))];
  expect(plain.statuses).toEqual([200]);
  expect(comparable(plain.text)).toBe(comparable(byNode.text));
  expect(plain.text).toMatch(
    /\r\nx-request-id: [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\r\n/,
  );
  expect(plain.text).toMatch(/\r\nDate: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n/);
});

describe('an unusual request has the same response as from Node’s HTTP server', () => {
  const path = (change: (path: string) => string) => (): RequestParts => ({
    start: `POST ${change(`/v1/process-servers/${server.hostId}/heartbeats`)} HTTP/1.1`,
  });
  it.each<[string, () => RequestParts]>([
    ['a method in lower case', () => ({ start: `post /v1/process-servers/${server.hostId}/heartbeats HTTP/1.1` })],
    ['another method', () => ({ start: `PUT /v1/process-servers/${server.hostId}/heartbeats HTTP/1.1` })],
    ['a path in upper case', path((text) => text.replace('process', 'PROCESS'))],
    ['a host id in upper case', path((text) => text.replace(server.hostId, server.hostId.toUpperCase()))],
    ['an invalid host id', path((text) => text.replace(server.hostId, '-'.repeat(36)))],
    ['a query', path((text) => `${text}?a=1`)],
    ['an additional slash', path((text) => `${text}/`)],
    ['a percent-encoding', path((text) => text.replace('heart', '%68eart'))],
    ['a host twice', () => ({ headers: 'host: b\r\n' })],
    ['a credential twice', () => ({ headers: 'authorization: Bearer x\r\n' })],
    ['a type twice', () => ({ headers: 'content-type: application/json\r\n' })],
    ['a length twice', () => ({ headers: 'content-length: 16\r\n' })],
    ['a length and chunks', () => ({ headers: 'Transfer-Encoding: chunked\r\n' })],
    ['a coding', () => ({ headers: 'Content-Encoding: gzip\r\n' })],
    ['an expectation', () => ({ headers: 'Expect: cake\r\n' })],
    ['an upgrade', () => ({ headers: 'Connection: upgrade\r\nUpgrade: websocket\r\n' })],
    ['a folded header', () => ({ headers: 'Accept: a\r\n b\r\n' })],
    ['a header with non-ASCII letters', () => ({ headers: 'User-Agent: grün\r\n' })],
    ['a header without a value', () => ({ headers: 'Accept:\r\n' })],
    ['an invalid header', () => ({ headers: 'hello\r\n' })],
    ['headers of 20 KB', () => ({ headers: `User-Agent: ${'x'.repeat(20_000)}\r\n` })],
    ['no body', () => ({ body: '' })],
    ['a body of 70,000 bytes', () => ({ body: ' '.repeat(70_000) })],
    ['invalid JSON', () => ({ body: '{"generation":1' })],
    ['a name that reaches a prototype', () => ({ body: '{"generation":1,"__proto__":{}}' })],
    ['such a name in the load', () => ({ body: '{"generation":1,"load":{"__proto__":{"cpuPercent":1}}}' })],
    [
      'such a name in a service',
      () => ({ body: '{"generation":1,"services":[{"name":"a","state":"running","constructor":{"prototype":1}}]}' }),
    ],
    ['a byte order mark', () => ({ body: '\ufeff{"generation":1}' })],
    ['non-ASCII letters', () => ({ body: '{"generation":1,"instanceId":"ü"}' })],
    ['an unknown field', () => ({ body: '{"generation":1,"more":1}' })],
    ['an invalid field', () => ({ body: '{"generation":1,"load":{"cpuPercent":101}}' })],
    ['another generation', () => ({ body: '{"generation":2}' })],
    ['another machine: rejected after parsing', () => ({ body: '{"generation":1,"machineId":"machine-2"}' })],
  ])('%s', async (_what, makeRequest) => {
    const { headers = '', ...rest } = makeRequest();
    const [plain, byNode] = [
      await exchange(heartbeat({ ...rest, headers })),
      await exchange(heartbeat({ ...rest, headers: BY_NODE + headers })),
    ];
    expect(comparable(plain.text)).toBe(comparable(byNode.text));
  });

  it('a forged credential', async () => {
    const forged = { ...server, credential: `psc_${'A'.repeat(91)}` };
    const [plain, byNode] = [
      await exchange(heartbeat({}, forged)),
      await exchange(heartbeat({ headers: BY_NODE }, forged)),
    ];
    expect(plain.text).toContain('credential_rejected');
    expect(comparable(plain.text)).toBe(comparable(byNode.text));
  });

  it('with Connection: close: the connection is closed', async () => {
    const client = await Client.open();
    client.socket.write(heartbeat({ headers: 'Connection: close\r\n' }));
    expect((await client.closed()).statuses).toEqual([200]);
  });
});

describe('a connection', () => {
  it('accepts heartbeats, then another request, then heartbeats again', async () => {
    const client = await Client.open();
    const requests = [
      heartbeat(),
      heartbeat(),
      'GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n',
      heartbeat(),
      heartbeat({ body: '{}' }),
      heartbeat(),
    ];
    for (const [index, request] of requests.entries()) {
      client.socket.write(request);
      await client.receivedResponses(index + 1);
    }
    expect(client.statuses).toEqual([200, 200, 200, 200, 400, 200]);
    client.socket.destroy();
  });

  it.each([1, 2, 5])('stays open after a rejection that follows %d heartbeats', async (count) => {
    const client = await Client.open();
    for (let sent = 1; sent <= count; sent += 1) {
      client.socket.write(heartbeat());
      await client.receivedResponses(sent);
    }
    client.socket.write(heartbeat({ body: '{"generation":1,"machineId":"machine-2"}' }));
    await client.receivedResponses(count + 1);
    client.socket.write(heartbeat());
    await client.receivedResponses(count + 2);
    expect(client.statuses.slice(count)).toEqual([409, 200]);
    client.socket.destroy();
  });

  it('answers pipelined heartbeats in order', async () => {
    const client = await exchange(heartbeat() + heartbeat({ body: '{"generation":2}' }) + heartbeat(), 3);
    expect(client.statuses).toEqual([200, 401, 200]);
  });

  it.each([
    [
      'all of them ordinary',
      undefined,
      ['{"generation":2}', '{"generation":1,"machineId":"machine-2"}', '{}'],
      [200, 401, 409, 400],
    ],
    [
      'the first one rejected, and one without a body',
      '{"generation":1,"machineId":"machine-2"}',
      ['', '{"generation":1}'],
      [409, 400, 200],
    ],
  ])(
    'answers in order what arrives while the first heartbeat is in flight: %s',
    async (_what, first, rest, statuses) => {
      const client = await Client.open();
      await cluster.database.connect().then(async (other) => {
        await other.query('START TRANSACTION');
        await other.query('SELECT 1 FROM process_server_lease WHERE host_id = ? FOR UPDATE', [server.hostId]);
        client.socket.write(heartbeat({ ...(first && { body: first }) }));
        await cluster.database.untilLocked();
        for (const body of rest) client.socket.write(heartbeat({ body }));
        await client.read();
        expect(client.statuses).toEqual([]);
        await other.query('ROLLBACK');
        await other.end();
      });
      await client.receivedResponses(statuses.length);
      expect(client.statuses).toEqual(statuses);
      expect(new Set(client.text.match(/(?<=x-request-id: )\S+/g)).size).toBe(statuses.length);
      client.socket.destroy();
    },
  );

  it('assembles a heartbeat that arrives in pieces', async () => {
    const text = heartbeat();
    for (const cut of [1, 40, text.indexOf('\r\n\r\n') + 2, text.indexOf('\r\n\r\n') + 4, text.length - 1]) {
      const client = await Client.open();
      client.socket.write(text.slice(0, cut));
      await client.read();
      client.socket.write(text.slice(cut));
      expect((await client.receivedResponses(1)).statuses).toEqual([200]);
      client.socket.destroy();
    }
  });

  it('that sends nothing gets a timeout response', async () => {
    const client = await Client.open(await cluster.addReplicaWith({ requestTimeoutMs: 200 }));
    expect((await client.closed()).text).toContain('request_timeout');
  });

  it('with accepted heartbeats may be silent for longer than the request timeout', async () => {
    const replica = await cluster.addReplicaWith({ requestTimeoutMs: 200 });
    const client = await Client.open(replica);
    client.socket.write(heartbeat());
    await client.receivedResponses(1);
    await (await Client.open(replica)).closed(); // a connection that sends nothing is closed after this time
    client.socket.write(heartbeat());
    expect((await client.receivedResponses(2)).statuses).toEqual([200, 200]);
    client.socket.destroy();
  });

  it('closed by its client affects no other connection', async () => {
    const before = cluster.errorLines.length;
    for (const leave of ['end', 'resetAndDestroy'] as const) {
      for (const makeRequest of [{}, { body: '{"generation":1,"machineId":"machine-2"}' }]) {
        const client = await Client.open();
        client.socket.write(heartbeat(makeRequest));
        client.socket[leave]();
        await client.closed();
      }
    }
    expect((await cluster.heartbeat(server)).status).toBe(200);
    expect(cluster.errorLines).toHaveLength(before);
  });
});

const turn = (): Promise<void> => new Promise((next) => setImmediate(next));

describe('a client that does not read its responses', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fast-path-'));
  const path = join(folder, 'socket'); // a Unix socket buffers few unread bytes, and equally many on every machine
  const acceptor = createServer((socket) => cluster.replica().http.getHttpServer().emit('connection', socket));
  beforeAll(() => once(acceptor.listen(path), 'listening'));
  afterAll(async () => {
    await new Promise((closed) => acceptor.close(closed));
    rmSync(folder, { recursive: true });
  });

  it('is not read from, and gets every response when it reads again', async () => {
    const clientSocket = connect(path);
    const [serverSocket] = (await once(acceptor, 'connection')) as [Socket];
    let sent = 0;
    const send = (): void => void (clientSocket.write(heartbeat()), (sent += 1));
    for (; !serverSocket.isPaused() && sent < 5_000; await turn()) {
      if (sent % 500 === 499) await cluster.advance(1);
      const { bytesWritten } = serverSocket;
      send();
      while (serverSocket.bytesWritten === bytesWritten) await turn();
    }
    expect(serverSocket.isPaused()).toBe(true);
    expect(serverSocket.writableLength).toBeLessThan(2 * serverSocket.writableHighWaterMark);
    const { bytesWritten } = serverSocket;
    send();
    for (let turns = 0; turns < 200; turns += 1) await turn();
    expect(serverSocket.bytesWritten).toBe(bytesWritten);

    let text = '';
    clientSocket.on('data', (chunk) => (text += String(chunk)));
    const accepted = (): number => text.split('HTTP/1.1 200 OK').length - 1;
    await eventually('the responses are received', 20_000, () => accepted() >= sent);
    expect(accepted()).toBe(sent);
    clientSocket.destroy();
  });
});

it('counts the responses', async () => {
  const count = async (): Promise<number> =>
    Number(
      /cs_http_responses_total{status="2xx",code="none"} (\d+)/.exec(
        String((await cluster.read('/metrics')).body['text']),
      )?.[1],
    );
  const before = await count();
  await exchange(heartbeat());
  expect(await count()).toBe(before + 2); // and the first read of the metric
});

describe('a replica that drains', () => {
  it('answers the heartbeats in flight, rejects new ones, and closes the connections', async () => {
    const replica = await cluster.addReplica();
    const [idle, taken, late] = [await Client.open(replica), await Client.open(replica), await Client.open(replica)];
    const other = await cluster.database.connect();
    await other.query('START TRANSACTION');
    await other.query('SELECT 1 FROM process_server_lease WHERE host_id = ? FOR UPDATE', [server.hostId]);
    taken.socket.write(heartbeat());
    await cluster.database.untilLocked();
    const stopped = cluster.replica(replica).stop();
    late.socket.write(heartbeat());
    await late.closed();
    expect(late.text).toMatch(/^HTTP\/1\.1 503 .*\r\nconnection: close\r\n.*shutting_down/s);
    await other.query('ROLLBACK');
    await other.end();
    await taken.closed();
    expect(taken.text).toMatch(/^HTTP\/1\.1 200 .*\r\nconnection: close\r\n/s);
    expect(taken.text).not.toContain('eep-Alive');
    await idle.closed();
    await stopped;
    cluster.replicas.pop();
  });

  it('answers requests that have arrived on open connections before it closes them', async () => {
    const replica = await cluster.addReplica();
    const clients = [await Client.open(replica), await Client.open(replica), await Client.open(replica)] as const;
    const [unused, fast, byNode] = clients;
    fast.socket.write(heartbeat());
    byNode.socket.write(heartbeat({ headers: BY_NODE }));
    for (const client of [fast, byNode]) await client.receivedResponses(1);
    // They arrive in the same turn of the event loop in which the replica closes.
    jest.spyOn(Jobs.prototype, 'stop').mockImplementationOnce(() => {
      for (const { socket } of clients) socket.write(heartbeat());
      return Promise.resolve();
    });
    await cluster.replica(replica).stop();
    cluster.replicas.pop();
    for (const client of clients) await client.closed();
    expect([unused, fast, byNode].map(({ statuses }) => statuses)).toEqual([[503], [200, 503], [200, 503]]);
  });

  it('completes a response that its client has not read', async () => {
    const replica = await cluster.addReplica();
    const folder = mkdtempSync(join(tmpdir(), 'draining-'));
    const path = join(folder, 'socket'); // a Unix socket buffers few unread bytes
    const acceptor = createServer((socket) => cluster.replica(replica).http.getHttpServer().emit('connection', socket));
    await once(acceptor.listen(path), 'listening');
    const client = connect(path);
    const [served] = (await once(acceptor, 'connection')) as [Socket];
    let sent = 0;
    for (; served.writableLength === 0 && sent < 5_000; sent += 1) {
      const { bytesWritten } = served;
      client.write('GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n');
      while (served.bytesWritten === bytesWritten) await turn();
      await turn();
    }
    const stopped = cluster.replica(replica).stop();
    await eventually('the replica closes', 5_000, () => !cluster.replica(replica).http.getHttpServer().listening);
    let text = '';
    client.on('data', (chunk) => (text += String(chunk)));
    const isComplete = (): boolean => text.split('HTTP/1.1 200').length - 1 === sent && text.endsWith('}');
    await eventually('every response is complete', 5_000, isComplete);
    client.destroy();
    await stopped;
    cluster.replicas.pop();
    await new Promise((closed) => acceptor.close(closed));
    rmSync(folder, { recursive: true });
  });
});

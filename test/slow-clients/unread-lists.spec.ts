import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { TestCluster } from '../support/test-cluster.js';

/** A list of this many exceeds the kernel and connection buffers of a client that reads nothing. */
const SERVERS = 1_000;
const LISTS = 15;
const MAX_BYTES = 4_000_000;

let cluster: TestCluster;
const sockets: Socket[] = [];
beforeAll(async () => {
  cluster = await TestCluster.open();
  const { hostId } = await cluster.registered();
  for (const table of ['process_server', 'process_server_lease', 'process_server_health']) {
    const [row] = await cluster.database.rows('SELECT * FROM ?? WHERE host_id = ?', [table, hostId]);
    if (!row) continue;
    const copies = Array.from({ length: SERVERS }, (_, number) =>
      Object.values({ ...row, host_id: `00000000-0000-4000-8000-${String(number).padStart(12, '0')}` }),
    );
    await cluster.database.write(`INSERT INTO ${table} (${Object.keys(row).join(', ')}) VALUES ?`, [copies]);
  }
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});
afterAll(() => cluster.close());

it('a client that reads a long list slowly receives all of it, while clients that read nothing are closed', async () => {
  const replica = await cluster.addReplicaWith({ unreadLimits: { responses: 1_000, bytes: MAX_BYTES } });
  const { hostname, port } = new URL(await cluster.replica(replica).http.getUrl());
  const request = (options = ''): string =>
    `GET /v1/process-servers?limit=${SERVERS} HTTP/1.1\r\nHost: a\r\nAuthorization: ${cluster.admin}\r\n${options}\r\n`;
  /** Requests the lists. The server closes the connection after the last one. */
  const requestLists = (): Socket => {
    const socket = connect(Number(port), hostname).on('error', () => undefined);
    sockets.push(socket);
    socket.write(request().repeat(LISTS - 1) + request('Connection: close\r\n'));
    return socket;
  };
  const metric = async (name: string): Promise<number> => {
    const { body } = await cluster.call<{ text: string }>('GET', '/metrics', { replica });
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(body.text)?.[1]);
  };
  for (let batch = 0; batch < 3; batch += 1) {
    for (let client = 0; client < 5; client += 1) requestLists();
    expect(await metric('cs_http_unread_bytes')).toBeLessThanOrEqual(MAX_BYTES);
  }
  // It starts last, so the others have read nothing for longer and are closed first.
  let text = '';
  for await (const chunk of requestLists()) {
    text += String(chunk);
    await pause(1);
  }
  expect([...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status)).toEqual(
    Array.from({ length: LISTS }, () => '200'),
  );
  expect(text.endsWith('}')).toBe(true);
  expect(await metric('cs_http_unread_connections_closed_total')).toBeGreaterThan(0);
}, 60_000);

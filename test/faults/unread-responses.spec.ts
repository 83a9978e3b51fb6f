import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { registrationOf, ServerFolder, type ServerProgram } from '../support/server-program.js';

const WRITTEN_BYTES = 64 * 1024;
/** About 150 MB are used after a start. */
const MAX_MEMORY_MB = 350;
const TIMEOUT_MS = 300_000;

let folder: ServerFolder;
let server: ServerProgram;
let credential: string;
let hostId: string;
const sockets: Socket[] = [];
beforeAll(async () => {
  // The limit of anonymous calls would reject the requests for documents.
  folder = await ServerFolder.make({
    NODE_OPTIONS: '--max-old-space-size=512',
    ANONYMOUS_REQUESTS_PER_SECOND: '1000000',
    MAX_HEARTBEATS_PER_SERVER_PER_SECOND: '1000',
  });
  await folder.prepare();
}, TIMEOUT_MS);
beforeEach(async () => {
  server = await folder.start();
  hostId = randomUUID();
  const response = await call('PUT', '', `Passphrase ${await folder.passphrase()}`, registrationOf(hostId));
  ({ credential } = (await response.json()) as { credential: string });
}, TIMEOUT_MS);
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.stop();
}, TIMEOUT_MS);
afterAll(() => folder.remove(), TIMEOUT_MS);

function call(method: string, path: string, authorization: string, body: object): Promise<Response> {
  const headers = { authorization, 'content-type': 'application/json' };
  return fetch(`${server.url}/v1/process-servers/${hostId}${path}`, { method, headers, body: JSON.stringify(body) });
}

async function heartbeats(count: number): Promise<number[]> {
  const statuses: number[] = [];
  while (statuses.length < count)
    statuses.push((await call('POST', '/heartbeats', `Bearer ${credential}`, { generation: 1 })).status);
  return statuses;
}

/** Writes 64 KB of requests on each of this many connections without reading. Returns the number of requests on each. */
async function pipelined(connections: number, path: string): Promise<number> {
  const request = `GET ${path} HTTP/1.1\r\nHost:\r\n\r\n`;
  const requests = Math.floor(WRITTEN_BYTES / request.length);
  const { hostname, port } = new URL(server.url);
  for (let connection = 0; connection < connections; connection += 1) {
    const socket = connect(Number(port), hostname).pause();
    sockets.push(socket.on('error', () => undefined));
    await once(socket, 'connect');
    socket.write(request.repeat(requests));
  }
  return requests;
}

/** Reads, and calls `found` for each occurrence of the text. */
function countOf(socket: Socket, text: string, found: () => void): void {
  let rest = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    const parts = (rest + chunk).split(text);
    for (let count = 1; count < parts.length; count += 1) found();
    rest = (parts.at(-1) ?? '').slice(1 - text.length);
  });
  socket.resume();
}

/** The resident memory of the server: heap, buffers and code. */
const memoryMb = (): number =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024;

describe('a server with a heap of 512 MB', () => {
  it.each([
    [300, '/openapi.json'],
    [60, '/docs/swagger-ui-bundle.js'],
    [60, '/health/ready'],
    [60, '/x'],
  ])(
    'survives %d clients that send 64 KB of GET %s and do not read, and answers the heartbeats of other clients',
    async (connections, path) => {
      await pipelined(connections, path);
      const expected = Array.from({ length: 100 }, () => 200);
      for (let round = 0; round < 2; round += 1) expect(await heartbeats(expected.length)).toEqual(expected);
      expect(memoryMb()).toBeLessThan(MAX_MEMORY_MB);
      expect(server.isRunning).toBe(true);
    },
    TIMEOUT_MS,
  );

  it(
    'answers heartbeats between the pipelined requests of 20 other clients, and all of these eventually',
    async () => {
      const requests = 20 * (await pipelined(20, '/x'));
      let answered = 0;
      for (const socket of sockets) countOf(socket, 'HTTP/1.1 404', () => (answered += 1));
      expect(await heartbeats(10)).toEqual(Array.from({ length: 10 }, () => 200));
      expect(answered).toBeLessThan(requests);
      while (answered < requests && server.isRunning) await heartbeats(1);
      expect(answered).toBe(requests);
    },
    TIMEOUT_MS,
  );
});

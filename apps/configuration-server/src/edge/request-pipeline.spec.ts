import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { connectionState } from './connection-state.js';
import { RequestPipeline } from './request-pipeline.js';
import { PipelineScheduler } from './pipeline-scheduler.js';
import { UnreadResponses } from './unread-responses.js';

const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';
/** The shortest valid request. */
const SHORTEST = 'GET / HTTP/1.0\r\n\r\n';

let server: Server;
let served: Socket;
let client: Socket;
const pendingResponses: ServerResponse[] = [];
let text = '';

beforeEach(async () => {
  server = createServer();
  const sharing = { scheduler: new PipelineScheduler(), unread: new UnreadResponses() };
  server.on('connection', (socket) => RequestPipeline.open((served = socket), sharing));
  server.on('request', (request, response) => {
    connectionState(request.socket).pipeline?.begin(response);
    pendingResponses.push(response);
  });
  await once(server.listen(0), 'listening');
  client = connect((server.address() as AddressInfo).port);
  client.on('data', (chunk) => (text += String(chunk))).on('error', () => undefined);
  await once(client, 'connect');
});
afterEach(async () => {
  pendingResponses.length = 0;
  text = '';
  client.destroy();
  served.destroy();
  await new Promise((closed) => server.close(closed));
});

/** Resolves once the server makes no further progress. */
async function quiescent(): Promise<void> {
  for (
    let turns = 0, last = -1;
    turns < 50;
    turns = last === served.bytesRead + pendingResponses.length ? turns + 1 : 0
  ) {
    last = served.bytesRead + pendingResponses.length;
    await nextTurn();
  }
}

const responseCount = (): number => text.split('HTTP/1.1 200').length - 1;

describe('pipelined requests', () => {
  it.each([
    ['normal requests', REQUEST, 6],
    ['shortest requests', SHORTEST, 7],
  ])('start a few at a time: %s', async (_which, request, maxStarted) => {
    client.write(request.repeat(10_000));
    await quiescent();
    expect(pendingResponses.length).toBeLessThanOrEqual(maxStarted);
    expect(served.readableLength).toBeLessThan(128 * 1024);
  });

  it('all get a response', async () => {
    client.write(REQUEST.repeat(2_000));
    let maxStarted = 0;
    for (let started = 0; started < 2_000;) {
      await nextTurn();
      const now = pendingResponses.splice(0);
      maxStarted = Math.max(maxStarted, now.length);
      started += now.length;
      for (const response of now) response.end('.');
    }
    while (responseCount() < 2_000) await nextTurn();
    expect([responseCount(), maxStarted <= 6]).toEqual([2_000, true]);
  });

  it('wait for the first response, as do bytes that arrive later', async () => {
    client.write(REQUEST.repeat(100));
    await quiescent();
    const { length } = pendingResponses;
    client.write(REQUEST.repeat(100_000));
    await quiescent();
    expect(pendingResponses).toHaveLength(length);
    expect(served.readableLength).toBeLessThan(128 * 1024);
  });
});

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { registerAt, type JsonResponse } from '../support/program-calls.js';
import { eventually } from '../support/eventually.js';
import { registrationOf, ServerFolder } from '../support/server-program.js';

jest.setTimeout(240_000);

let folder: ServerFolder;
beforeEach(async () => {
  folder = await (await ServerFolder.make()).prepare();
});
afterEach(() => folder.remove());

it.each([
  ['no byte was sent', ''],
  ['half a head was sent', 'GET /v1/fleet HTTP/1.1\r\nHost: x\r\n'],
])('a connection on which %s does not delay a stop', async (_what, bytes) => {
  const server = await folder.start();
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.on('error', () => undefined); // the server resets the connection
  socket.write(bytes);
  await registerAt(folder, server, randomUUID()); // by then the server has accepted the earlier connection
  expect(await server.stop()).toEqual({ code: 0, signal: null });
  expect(folder.databasePids()).toEqual([]);
  socket.destroy();
});

describe.each(['SIGTERM', 'SIGINT'] as const)('a stop by %s', (signal) => {
  it('answers the requests in flight, stops its database, and ignores further signals', async () => {
    const server = await folder.start();
    const registered = await Promise.all(Array.from({ length: 50 }, () => registerAt(folder, server, randomUUID())));
    const agent = new Agent({ keepAlive: true, maxSockets: 50 });
    const passphrase = `Passphrase ${await folder.passphrase()}`;
    const heartbeat = ({ body: { hostId, generation, credential } }: JsonResponse): Promise<string> =>
      outcomeOf(
        agent,
        'POST',
        `${server.url}/v1/process-servers/${String(hostId)}/heartbeats`,
        `Bearer ${String(credential)}`,
        { generation },
      );
    const registerAgain = ({ body: { hostId } }: JsonResponse): Promise<string> =>
      outcomeOf(
        agent,
        'PUT',
        `${server.url}/v1/process-servers/${String(hostId)}`,
        passphrase,
        registrationOf(String(hostId)),
      );
    try {
      expect(new Set(await Promise.all(registered.map(heartbeat)))).toEqual(new Set(['200']));

      const waiting = registered.map((known, place) => (place % 2 === 0 ? heartbeat(known) : registerAgain(known)));
      await setImmediate(); // written to the sockets
      server.signal(signal);
      await eventually('the stop has begun', 60_000, () => server.output.includes('completing the requests in flight'));
      server.signal(signal);
      server.signal('SIGINT');
      const outcomes = new Set(await Promise.all(waiting));
      expect([...outcomes].filter((outcome) => outcome !== '200' && outcome !== '503 problem')).toEqual([]);
      expect(await server.end()).toEqual({ code: 0, signal: null });
    } finally {
      agent.destroy();
    }
    expect(server.output.match(/completing the requests in flight/g)).toHaveLength(1);
    expect(server.output).toMatch(/Stopped\.\n$/);
    expect(folder.databasePids()).toEqual([]);
    expect(await readdir(folder.dataDirectory)).toEqual([
      'admin.key',
      'connection.passphrase',
      'database',
      'site.json',
    ]);
  });
});

it('a server whose terminal closes shuts down cleanly without output', async () => {
  const server = await folder.start({ LOG_LEVEL: 'trace' });
  server.loseTerminal();
  expect(await server.end()).toEqual({ code: 0, signal: null });
  expect(folder.databasePids()).toEqual([]);
  expect(await readdir(folder.dataDirectory)).toEqual(['admin.key', 'connection.passphrase', 'database', 'site.json']);
});

/** The status, with `problem` for a problem response; or the code of a transport error. */
function outcomeOf(agent: Agent, method: string, url: string, authorization: string, body: object): Promise<string> {
  return new Promise((resolve) => {
    const headers = { authorization, 'content-type': 'application/json' };
    const sent = request(url, { agent, method, headers }, (response) => {
      response.resume().once('end', () => {
        const isProblem = response.headers['content-type']?.startsWith('application/problem+json');
        resolve(`${response.statusCode}${isProblem ? ' problem' : ''}`);
      });
      response.once('error', (error) => resolve(error.message));
    });
    sent.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    sent.end(JSON.stringify(body));
  });
}

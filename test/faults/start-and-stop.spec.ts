import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect, createServer } from 'node:net';
import { mkdir, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { isProcessRunning } from '@app/platform';
import { eventually, registrationOf, ServerFolder, type ServerProgram } from '../support/server-program.js';

jest.setTimeout(240_000);

/** Most machines have IPv6, but not all that run these tests. */
const LOCALHOST_HAS_TWO_ADDRESSES = `--import=data:text/javascript,${encodeURIComponent(`
  import dns from 'node:dns';
  const { lookup } = dns;
  const two = [{ address: '127.0.0.1', family: 4 }, { address: '::1', family: 6 }];
  dns.lookup = (host, options, done) => (host === 'localhost' && options.all ? done(null, two) : lookup(host, options, done));
`)}`;

let folder: ServerFolder;

beforeEach(async () => {
  folder = await ServerFolder.make();
});

afterEach(async () => {
  await folder.remove();
});

interface ApiResponse {
  readonly status: number;
  readonly type: string | null;
  readonly body: Record<string, unknown>;
}

async function call(url: string, method: string, authorization: string, body?: unknown): Promise<ApiResponse> {
  const response = await fetch(url, {
    method,
    headers: { authorization, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    body: (await response.json()) as ApiResponse['body'],
  };
}

const register = async ({ url }: ServerProgram, hostId: string): Promise<ApiResponse> =>
  call(`${url}/v1/process-servers/${hostId}`, 'PUT', `Passphrase ${await folder.passphrase()}`, registrationOf(hostId));

const read = async ({ url }: ServerProgram, path: string): Promise<ApiResponse> =>
  call(`${url}${path}`, 'GET', `Bearer ${await folder.adminKey()}`);

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

describe('a start', () => {
  it('restores the process servers, the passphrase and the key', async () => {
    await folder.prepare();
    const hostId = randomUUID();
    const first = await folder.start();
    const { body } = await register(first, hostId);
    const secrets = [await folder.passphrase(), await folder.adminKey()];
    expect(await first.stop()).toEqual({ code: 0, signal: null });

    const second = await folder.start();
    expect([await folder.passphrase(), await folder.adminKey()]).toEqual(secrets);
    expect(await read(second, `/v1/process-servers/${hostId}`)).toMatchObject({
      status: 200,
      body: { hostId, generation: 1, connectionState: 'Connected' },
    });
    const heartbeat = await call(
      `${second.url}/v1/process-servers/${hostId}/heartbeats`,
      'POST',
      `Bearer ${String(body['credential'])}`,
      { generation: 1 },
    );
    expect(heartbeat.status).toBe(200);
    expect((await register(second, hostId)).body).toMatchObject({ generation: 2 });
  });

  it('issues another admin key to an operator who lost theirs', async () => {
    await folder.prepare();
    const first = await folder.start();
    const lost = await folder.adminKey();
    await first.stop();
    await rm(folder.path('admin.key'));

    const second = await (await folder.spawn({}, ['--new-admin-key'])).ready();
    expect(await modeOf(folder.path('admin.key'))).toBe(0o600);
    expect(await folder.adminKey()).not.toBe(lost);
    const { body } = await read(second, '/v1/api-keys');
    expect(body['items']).toMatchObject([
      { name: 'admin', role: 'admin' },
      { name: expect.stringMatching(/^admin 20/), role: 'admin', createdBy: 'configuration-server' },
    ]);
    expect(
      (await call(`${second.url}/v1/events?kind=api_key_created`, 'GET', `Bearer ${await folder.adminKey()}`)).body[
        'items'
      ],
    ).toHaveLength(2);
  });

  it('from a directory in use prints the URL of the first server, and leaves it running', async () => {
    await folder.prepare();
    const first = await folder.start();
    const [database] = folder.databasePids();
    const port = new URL(first.url).port;

    const second = await folder.spawn({ HTTP_PORT: port });
    expect(await second.end()).toEqual({ code: 1, signal: null });
    expect(second.output).toBe(
      `A configuration server already runs from ${folder.dataDirectory} (process ${first.pid}) at ${first.url}\n`,
    );

    expect(first.isRunning).toBe(true);
    expect(folder.databasePids()).toEqual([database]);
    expect((await register(first, randomUUID())).status).toBe(201);
  });

  it('twice concurrently results in one server', async () => {
    const both = await Promise.all([folder.spawn(), folder.spawn()]);
    const outcomes = await Promise.all(
      both.map((program) =>
        program.ready().then(
          () => 'ready',
          () => 'ended',
        ),
      ),
    );
    expect(outcomes.sort()).toEqual(['ended', 'ready']);
    const [rejected, serving] = both[0].isRunning ? [both[1], both[0]] : both;
    expect(rejected.output).toMatch(/^A configuration server (already runs|is just starting) from .*\n$/);
    expect(folder.databasePids()).toHaveLength(1);
    expect((await register(serving, randomUUID())).status).toBe(201);
  });

  it('on an occupied port prints an error and leaves no process', async () => {
    await folder.prepare();
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    try {
      const server = await folder.spawn({ HTTP_PORT: String(port) });
      expect(await server.end()).toEqual({ code: 1, signal: null });
      expect(server.output).toBe(
        `HTTP_PORT ${port} on 127.0.0.1 cannot be used: another program uses this port. Stop it, or choose another HTTP_PORT.\n`,
      );
      expect(folder.databasePids()).toEqual([]);
    } finally {
      other.close();
    }

    const { url } = await folder.start({ HTTP_HOST: 'localhost', NODE_OPTIONS: LOCALHOST_HAS_TWO_ADDRESSES });
    const given = new URL(url).port;
    expect(url).toBe(`http://127.0.0.1:${given}`); // one address, because connection limits apply to one server
    const second = connect(Number(given), '::1');
    expect(await once(second, 'connect').catch((error: NodeJS.ErrnoException) => error.code)).toMatch(
      /^(ECONNREFUSED|EADDRNOTAVAIL)$/,
    );
  });

  it('from a directory with an unsafe file names it, and starts nothing', async () => {
    await mkdir(folder.dataDirectory, { mode: 0o700 });
    await symlink('/etc/hostname', folder.path('connection.passphrase'));
    const server = await folder.spawn();
    expect(await server.end()).toEqual({ code: 1, signal: null });
    expect(server.output).toBe(
      `${folder.path('connection.passphrase')} is a symbolic link, which is not followed: replace it with the file, or remove it\n`,
    );
    expect(await readdir(folder.dataDirectory)).toEqual(['connection.passphrase']);
  });

  it('with invalid settings names all of them, and starts nothing', async () => {
    const server = await folder.spawn({
      HTTP_PORT: '70000',
      HTTP_HOST: '0.0.0.0',
      LEASE_SECONDS: 'soon',
      CLEAN_UP_GRACE_SECONDS: '900',
      DATABASE_URL: 'mysql://nobody@localhost/x?ssl=true',
      CONFIG_FILE: '/no/such/file',
    });
    expect(await server.end()).toEqual({ code: 1, signal: null });
    expect(server.output.split('\n')[0]).toBe('These settings cannot be used:');
    for (const name of [
      'HTTP_PORT',
      'HTTP_HOST',
      'LEASE_SECONDS',
      'CLEAN_UP_GRACE_SECONDS',
      'DATABASE_URL',
      'CONFIG_FILE',
    ]) {
      expect(server.output.match(new RegExp(`^  ${name}`, 'm'))).not.toBeNull();
    }
    await expect(stat(folder.dataDirectory)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('with an unreachable database fails within seconds with its name, and starts no private one', async () => {
    const port = 1; // below the ephemeral range, where another test could listen
    const begunAtMs = performance.now();
    const server = await folder.spawn({ DATABASE_URL: `mysql://somebody:hidden@127.0.0.1:${port}/fleet` });
    expect(await server.end()).toEqual({ code: 1, signal: null });
    expect(performance.now() - begunAtMs).toBeLessThan(20_000);
    expect(server.output).toContain(
      `DATABASE_URL: the database fleet at 127.0.0.1:${port} cannot be used as somebody: connect ECONNREFUSED`,
    );
    expect(server.output).not.toMatch(/hidden|\n {4}at /);
    expect(await readdir(folder.dataDirectory)).toEqual([]);
  });
});

it('--migrate-only makes the schema in a private database, and ends', async () => {
  const migration = await folder.spawn({}, ['--migrate-only']);
  expect(await migration.end()).toEqual({ code: 0, signal: null });
  expect(migration.output).toMatch(/^The schema is up to date: \d+ migrations applied.*\n$/m);
  expect(migration.output).not.toContain('Stopped.');
  expect(folder.databasePids()).toEqual([]);
});

describe('a first start that is killed', () => {
  // Before any file, during creation of the data, their first use, the schema and the secrets, and when ready.
  it.each([50, 900, 1400, 2800])('after %d ms is repaired by the next start', async (delayMs) => {
    const killed = await folder.spawn();
    await pause(delayMs);
    await killed.stop('SIGKILL');

    const next = await folder.start();
    expect((await register(next, randomUUID())).status).toBe(201);
    expect((await read(next, '/v1/fleet')).status).toBe(200);
    expect(folder.databasePids()).toHaveLength(1);
    expect(await next.stop()).toEqual({ code: 0, signal: null });
    expect(folder.databasePids()).toEqual([]);
    expect(await readdir(folder.dataDirectory)).toEqual([
      'admin.key',
      'connection.passphrase',
      'database',
      'site.json',
    ]);
  });
});

describe('a kill -9', () => {
  it('of the launcher ends the server; the next start adopts the database', async () => {
    const hostId = randomUUID();
    const first = await folder.start();
    await register(first, hostId);
    const server = first.pid;
    const databases = folder.databasePids();
    await first.stop('SIGKILL');
    expect(isProcessRunning(server)).toBe(false);
    expect(folder.databasePids()).toEqual(databases);

    const second = await folder.start();
    expect(folder.databasePids()).toEqual(databases);
    expect((await read(second, `/v1/process-servers/${hostId}`)).status).toBe(200);
    expect(await second.stop()).toEqual({ code: 0, signal: null });
    expect(folder.databasePids()).toEqual([]);
  });

  it('of the launcher of a server that hangs: the next start waits until the server has ended', async () => {
    const first = await folder.start();
    const { pid } = first;
    process.kill(pid, 'SIGSTOP');
    first.signal('SIGKILL');
    const lockOwner = (): Promise<number> =>
      readFile(folder.path('launcher.pid'), 'utf8').then((text) => (JSON.parse(text) as { pid: number }).pid);
    const before = await lockOwner();
    const second = await folder.spawn();
    await eventually('the next launcher has the lock', 60_000, async () => (await lockOwner()) !== before);
    process.kill(pid, 'SIGCONT');
    await second.ready();
    expect([isProcessRunning(pid), folder.databasePids().length]).toEqual([false, 1]);
  });

  it('of the server ends the launcher and the database', async () => {
    const first = await folder.start();
    const { pid } = first;
    process.kill(pid, 'SIGKILL');
    expect(await first.end()).toEqual({ code: 137, signal: null });
    expect(folder.databasePids()).toEqual([]);
    expect((await register(await folder.start(), randomUUID())).status).toBe(201);
  });
});

it.each([
  ['no byte was sent', ''],
  ['half a head was sent', 'GET /v1/fleet HTTP/1.1\r\nHost: x\r\n'],
])('a connection on which %s does not delay a stop', async (_what, bytes) => {
  await folder.prepare();
  const server = await folder.start();
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.on('error', () => undefined); // the server resets the connection
  socket.write(bytes);
  await register(server, randomUUID()); // by then the server has accepted the earlier connection
  expect(await server.stop()).toEqual({ code: 0, signal: null });
  expect(folder.databasePids()).toEqual([]);
  socket.destroy();
});

describe.each(['SIGTERM', 'SIGINT'] as const)('a stop by %s', (signal) => {
  it('answers the requests in flight, stops its database, and ignores further signals', async () => {
    await folder.prepare();
    const server = await folder.start();
    const registered = await Promise.all(Array.from({ length: 50 }, () => register(server, randomUUID())));
    const agent = new Agent({ keepAlive: true, maxSockets: 50 });
    const passphrase = `Passphrase ${await folder.passphrase()}`;
    const heartbeat = ({ body: { hostId, generation, credential } }: ApiResponse): Promise<string> =>
      outcomeOf(
        agent,
        'POST',
        `${server.url}/v1/process-servers/${String(hostId)}/heartbeats`,
        `Bearer ${String(credential)}`,
        { generation },
      );
    const registerAgain = ({ body: { hostId } }: ApiResponse): Promise<string> =>
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
      await pause(1); // written to the sockets
      server.signal(signal);
      await pause(5);
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

  it('during the start succeeds too', async () => {
    const server = await folder.spawn();
    await pause(1_500);
    server.signal(signal);
    await server.end();
    expect(folder.databasePids()).toEqual([]);
    await folder.start();
  });
});

it('a server whose terminal closes shuts down cleanly without output', async () => {
  await folder.prepare();
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

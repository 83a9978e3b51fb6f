import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readdir, rm, stat, symlink } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { callJson, readAt, registerAt } from '../support/program-calls.js';
import { ServerFolder } from '../support/server-program.js';

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
afterEach(() => folder.remove());

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

describe('a start', () => {
  it('restores the process servers, the passphrase and the key', async () => {
    await folder.prepare();
    const hostId = randomUUID();
    const first = await folder.start();
    const { body } = await registerAt(folder, first, hostId);
    const secrets = [await folder.passphrase(), await folder.adminKey()];
    expect(await first.stop()).toEqual({ code: 0, signal: null });

    const second = await folder.start();
    expect([await folder.passphrase(), await folder.adminKey()]).toEqual(secrets);
    expect(await readAt(folder, second, `/v1/process-servers/${hostId}`)).toMatchObject({
      status: 200,
      body: { hostId, generation: 1, connectionState: 'Connected' },
    });
    const heartbeat = await callJson(
      `${second.url}/v1/process-servers/${hostId}/heartbeats`,
      'POST',
      `Bearer ${String(body['credential'])}`,
      { generation: 1 },
    );
    expect(heartbeat.status).toBe(200);
    expect((await registerAt(folder, second, hostId)).body).toMatchObject({ generation: 2 });
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
    const { body } = await readAt(folder, second, '/v1/api-keys');
    expect(body['items']).toMatchObject([
      { name: 'admin', role: 'admin' },
      { name: expect.stringMatching(/^admin 20/), role: 'admin', createdBy: 'configuration-server' },
    ]);
    expect(
      (await callJson(`${second.url}/v1/events?kind=api_key_created`, 'GET', `Bearer ${await folder.adminKey()}`)).body[
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
    expect((await registerAt(folder, first, randomUUID())).status).toBe(201);
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
    expect((await registerAt(folder, serving, randomUUID())).status).toBe(201);
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

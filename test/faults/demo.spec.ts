import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { newApiKey, newPassphrase } from '@app/platform';
import { ConfigurationServerClient, OperatorClient } from '@app/api-client';
import { ServerFolder, type ServerProgram } from '../support/server-program.js';

const SIMULATOR = fileURLToPath(new URL('../../dist/apps/simulator/src/main.js', import.meta.url));

let folder: ServerFolder;
let server: ServerProgram;
beforeAll(async () => {
  folder = await ServerFolder.make({
    HEARTBEAT_INTERVAL_SECONDS: '1',
    LEASE_SECONDS: '3',
    HEALTH_WINDOW_SECONDS: '9',
    CLEAN_UP_GRACE_SECONDS: '1',
    CLEAN_UP_INTERVAL_SECONDS: '1',
  });
  await folder.prepare();
  server = await folder.start();
});
afterAll(() => folder.remove());

const simulate = (...options: string[]): Promise<{ stdout: string; stderr: string }> =>
  promisify(execFile)(process.execPath, [SIMULATOR, ...options]);

it('the health of overloaded, full and broken servers gets worse and recovers, and that of others stays', async () => {
  const files = ['--passphrase-file', folder.path('connection.passphrase'), '--key-file', folder.path('admin.key')];
  const mix = 'overloaded:1,full-cache:1,service-outage:1,steady:5,skewed-clock:1';
  let isRunning = true;
  const run = simulate('--servers', '9', '--seconds', '50', '--url', server.url, '--seed', '2', '--mix', mix, ...files);
  void run.finally(() => (isRunning = false));
  const client = new OperatorClient({ url: server.url, apiKey: await folder.adminKey() });
  const history = new Map<string, string[]>();
  while (isRunning) {
    for (const { friendlyName, health } of (await client.processServers({ friendlyName: 'demo-' })).items) {
      const seen = history.get(friendlyName) ?? [];
      history.set(friendlyName, seen.at(-1) === health ? seen : [...seen, health]);
    }
    await pause(200);
  }
  await client.close();
  expect((await run).stderr).toBe('');
  const isProblem = (health: string): boolean => health === 'Warning' || health === 'Critical';
  const problems = [...history].filter(([, seen]) => seen.some(isProblem));
  expect(Object.fromEntries(problems)).toEqual({
    'demo-overloaded-0': expect.arrayContaining(['Warning', 'Critical', 'Normal']),
    'demo-full-cache-1': expect.arrayContaining(['Critical', 'Normal']),
    'demo-service-outage-2': expect.arrayContaining(['Warning', 'Normal']),
  });
  for (const [, seen] of problems) expect(seen.at(-1)).toBe('Normal');
}, 300_000);

it('a simulated fleet runs, is counted, and ends in the expected state', async () => {
  const files = ['--passphrase-file', folder.path('connection.passphrase'), '--key-file', folder.path('admin.key')];
  const { stdout, stderr } = await simulate(
    '--servers',
    '60',
    '--seconds',
    '6',
    '--url',
    server.url,
    '--seed',
    '1',
    '--mix',
    'steady:30,clones:10,reconnect-storm:10,mass-decommission:10',
    ...files,
  );
  expect(stderr).toBe('');
  const rows = Object.fromEntries(
    [...stdout.matchAll(/^ {2}([a-z-]+) +(\d+) +(\d+) +(\d+) {3}(.*)$/gm)].map(([, name = '', ...counts]) => [
      name,
      counts,
    ]),
  );
  expect(rows).toMatchObject({
    steady: ['30', expect.stringMatching(/^\d{2,}$/), '0', '-'],
    clones: ['10', expect.any(String), '0', expect.stringContaining('host_id_conflict 10')],
    // A heartbeat in flight during the re-registration of its server is superseded.
    'reconnect-storm': ['20', expect.any(String), '0', expect.stringMatching(/^(-|generation_superseded \d+)$/)],
    'mass-decommission': ['10', expect.any(String), '10', '-'],
  });
  const client = new ConfigurationServerClient({ url: server.url });
  const { total } = await client.fleet(await folder.adminKey());
  await client.close();
  expect(total).toBeGreaterThanOrEqual(50); // decommissioned servers may be removed by now
});

it('without a passphrase the simulator names the remedy', async () => {
  await expect(simulate('--passphrase-file', folder.path('nowhere'))).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining('npm start'),
  });
});

it.each([
  ['--passphrase-file', 'another.passphrase', newPassphrase()],
  ['--key-file', 'another.key', newApiKey()],
])('with the %s of another configuration server the simulator names the remedy', async (option, name, secret) => {
  const files = {
    '--passphrase-file': folder.path('connection.passphrase'),
    '--key-file': folder.path('admin.key'),
    [option]: folder.path(name),
  };
  await writeFile(files[option] ?? '', secret);
  await expect(simulate('--url', server.url, ...Object.entries(files).flat())).rejects.toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringContaining(`set its file with ${option}`),
  });
  await rm(files[option] ?? '');
});

it('without a configuration server at the URL the simulator names the remedy', async () => {
  const closingServer = createServer((socket) => socket.destroy());
  await once(closingServer.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(closingServer.address() as AddressInfo).port}`;
  const run = simulate('--url', url, '--passphrase-file', folder.path('connection.passphrase'));
  await expect(run).rejects.toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringContaining(`no configuration server responds at ${url}: start it (npm start), or set --url`),
  });
  await new Promise((closed) => closingServer.close(closed));
});

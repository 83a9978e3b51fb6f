import { randomInt } from 'node:crypto';
import { cp, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { createServer as createTlsServer } from 'node:https';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { generate } from 'selfsigned';
import type { CreatedEnrolment } from '@app/api-contract';
import { AgentMachine } from '../support/agent-program.js';
import { eventually } from '../support/eventually.js';
import { callJson, readAt } from '../support/program-calls.js';
import { ServerFolder, type ServerProgram } from '../support/server-program.js';

jest.setTimeout(240_000);

let folder: ServerFolder;
let server: ServerProgram;
let machine: AgentMachine;

beforeAll(async () => {
  folder = await (
    await ServerFolder.make({
      HEARTBEAT_INTERVAL_SECONDS: '1',
      LEASE_SECONDS: '6',
      CLEAN_UP_GRACE_SECONDS: '1',
      CLEAN_UP_INTERVAL_SECONDS: '1',
    })
  ).prepare();
  server = await folder.start();
});
afterAll(() => folder.remove());
beforeEach(async () => {
  machine = await AgentMachine.make();
});
afterEach(() => machine.remove());

const operator = async (): Promise<string> => `Bearer ${await folder.adminKey()}`;

async function enrolmentFile(): Promise<string> {
  const { body } = await callJson(`${server.url}/v1/enrolments`, 'POST', await operator(), { note: 'Berlin' });
  return machine.file('enrolment.json', JSON.stringify((body as unknown as CreatedEnrolment).file));
}

const passphraseFile = async (): Promise<string> => machine.file('passphrase', `${await folder.passphrase()}\n`);

/** The options of a site with a passphrase. */
const bySite = async (): Promise<string[]> => [
  '--cs-address',
  server.url,
  '--passphrase-file',
  await passphraseFile(),
  ...machine.facts,
];

async function install(): Promise<string> {
  expect(await machine.run(['install', ...(await bySite())])).toMatchObject({ exitCode: 0 });
  return (await machine.hostId())!;
}

const detail = async (hostId: string) => (await readAt(folder, server, `/v1/process-servers/${hostId}`)).body;

describe('a new process server', () => {
  it('is connected after an installation with an enrolment file and nothing else', async () => {
    const options = ['--vault-creds-file', await enrolmentFile(), ...machine.facts];
    const installed = await machine.run(['install', ...options]);
    expect(installed).toMatchObject({ exitCode: 0 });
    for (const step of ['Checking the connection', 'Registering host id', 'Heartbeats are sent by'])
      expect(installed.stderr).toContain(step);
    const daemon = await machine.daemon('Connected');
    const { hostId, ...status } = await machine.status();
    expect(status).toEqual({ exitCode: 0, codes: [] });
    expect(await detail(hostId)).toMatchObject({ connectionState: 'Connected', generation: 1 });
    expect(await daemon.stop()).toMatchObject({ exitCode: 0 });
    expect(await detail(hostId)).toMatchObject({ lifecycle: 'Registered', connectionState: 'Connected' });
  });

  it("is registered by the original installer's command line, with a vault file of the original", async () => {
    const vault = await machine.file('vault.VaultCredentials', '<RSBackupVaultAADCreds/>');
    const files = ['/VaultCredsFilePath', vault, '/PassphraseFilePath', await passphraseFile()];
    const installed = await machine.run([
      ...['/ServerMode', 'PS', '/InstallDrive', machine.path(''), '/EnvType', 'VMWare', '/PSIP', '10.101.23.145'],
      ...['/CSIP', server.url, ...files, '/SkipSpaceCheck', '/AcceptThirdpartyEULA', '/BypassProxy'],
    ]);
    expect(installed).toMatchObject({ exitCode: 0 });
    expect(await detail((await machine.hostId())!)).toMatchObject({ ipAddress: '10.101.23.145' });
  });

  it('cannot register with an enrolment that another machine has used', async () => {
    const options = ['--vault-creds-file', await enrolmentFile(), ...machine.facts];
    expect(await machine.run(['install', ...options])).toMatchObject({ exitCode: 0 });
    await machine.run(['reset', '--force']);
    await machine.file('machine-id', 'another');
    const second = await machine.run(['install', ...options, '--json']);
    expect(second.exitCode).not.toBe(0);
    expect(JSON.parse(second.stdout)).toMatchObject({ error: { code: 'enrolment_used_up' } });
    expect(second.stderr).toContain('Have a new enrolment created');
  });
});

describe('a process server that leaves', () => {
  it('unregisters, waits until the entry is gone, and sends nothing more', async () => {
    const hostId = await install();
    expect(await machine.run(['unregister', '--wait'])).toMatchObject({
      exitCode: 0,
      stdout: `The entry of ${hostId} is gone.\n`,
    });
    expect((await readAt(folder, server, `/v1/process-servers/${hostId}`)).status).toBe(404);
    expect(await machine.run(['run'])).toMatchObject({ exitCode: 0 });
    expect(await machine.status()).toMatchObject({ exitCode: 5, codes: ['unregistered'] });
  });

  it('ends its daemon with 0 when an operator has decommissioned it', async () => {
    const hostId = await install();
    const daemon = await machine.daemon('Connected');
    const url = `${server.url}/v1/process-servers/${hostId}?force=true&reason=test`;
    expect((await callJson(url, 'DELETE', await operator())).status).toBe(202);
    expect(await daemon.ended).toMatchObject({ exitCode: 0 });
    expect((await machine.status()).exitCode).toBe(5);
  });

  it('does not come back after a purge, and asks for the operator', async () => {
    const hostId = await install();
    const purge = { generation: 1, reason: 'test', force: true };
    const url = `${server.url}/v1/process-servers/${hostId}/purge`;
    expect((await callJson(url, 'POST', await operator(), purge)).status).toBe(200);
    await machine.daemon('Ask the operator');
    expect(await machine.status()).toMatchObject({ exitCode: 3, codes: ['generation_retired'] });
    expect((await readAt(folder, server, `/v1/process-servers/${hostId}`)).status).not.toBe(200);
  });
});

describe('the state folder', () => {
  it('serves one daemon only', async () => {
    await install();
    await machine.daemon('Connected');
    const second = await machine.run(['run']);
    expect(second.exitCode).toBe(78);
    expect(second.stderr).toContain('A daemon already runs');
  });

  it('is not used on another machine', async () => {
    const hostId = await install();
    const before = await detail(hostId);
    const clone = await AgentMachine.make();
    try {
      await cp(machine.stateFolder, clone.stateFolder, { recursive: true });
      await machine.file('machine-id', 'the identity of the clone');
      for (const command of ['run', 'reregister', 'unregister']) {
        const refused = await clone.run([command]);
        expect([command, refused.exitCode]).toEqual([command, 78]);
        expect(refused.stderr).toContain('made on another machine');
      }
      expect(await clone.status()).toMatchObject({ codes: expect.arrayContaining(['other_machine']) });
    } finally {
      await clone.remove();
    }
    expect(await detail(hostId)).toMatchObject({
      generation: before['generation'],
      lastHeartbeat: before['lastHeartbeat'],
    });
  });

  it('keeps the host id when its file is corrupt, and says so', async () => {
    const hostId = await install();
    await writeFile(`${machine.stateFolder}/state.json`, '{');
    const again = await machine.run(['reregister', ...(await bySite()).slice(0, 4)]);
    expect(again).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('is corrupt and was set aside') });
    expect(await machine.hostId()).toBe(hostId);
  });
});

describe('check and install name', () => {
  /** Both commands report the cause with the same code. */
  async function expectCause(options: readonly string[], code: string, exitCode: number, environment = {}) {
    for (const command of ['check', 'install']) {
      const given = command === 'check' ? options.filter((option) => option !== '--skip-space-check') : options;
      const { stdout, stderr, exitCode: actual } = await machine.run([command, ...given, '--json'], environment);
      const result = JSON.parse(stdout) as { error?: { code: string; advice: string }; checks?: Cause[] };
      const cause = result.checks?.find(({ state }) => state === 'failed') ?? result.error;
      expect([command, cause?.code, actual, stderr]).toEqual([command, code, exitCode, expect.anything()]);
      expect(cause?.advice).toBeTruthy();
    }
    expect(await machine.hostId()).toBeNull();
  }
  interface Cause {
    readonly state: string;
    readonly code: string;
    readonly advice: string;
  }
  const at = async (address: string, port?: number): Promise<string[]> => [
    ...['--cs-address', address, ...(port ? ['--cs-port', String(port)] : [])],
    ...(await bySite()).slice(2),
  ];

  /** The port of a listener while `work` runs. */
  async function listening(listener: Server, work: (port: number) => Promise<void>): Promise<void> {
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    try {
      await work((listener.address() as AddressInfo).port);
    } finally {
      listener.close();
    }
  }

  it('a name that does not exist', async () => {
    await expectCause(await at('configuration-server.invalid'), 'name_resolution', 6);
  });

  it('a port at which nothing listens', async () => {
    let closed = 0;
    await listening(createServer(), async (port) => void (closed = port));
    await expectCause(await at('127.0.0.1', closed), 'port', 6);
  });

  it('a certificate of an unknown authority', async () => {
    const { private: key, cert } = await generate([{ name: 'commonName', value: 'cs.example.net' }]);
    await listening(createTlsServer({ key, cert }), async (port) =>
      expectCause(await at('127.0.0.1', port), 'tls_chain', 6),
    );
  });

  it('a proxy that rejects user name and password', async () => {
    const proxy = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n'));
    });
    await listening(proxy, async (port) => {
      const settings = ['[ProxySettings]', 'ProxyAuthentication = "Yes"', 'Proxy IP = "127.0.0.1"'];
      const login = [`ProxyPort = "${port}"`, 'ProxyUserName="CONTOSO\\ps"', 'ProxyPassword="a\\b;c#d"e"'];
      const file = await machine.file('proxy.conf', `\ufeff${[...settings, ...login].join('\r\n')}\r\n`);
      await expectCause([...(await at(server.url)), '--proxy-settings-file', file], 'proxy_authentication', 4);
    });
  });

  it('a passphrase of another site', async () => {
    const wrong = await machine.file('wrong', 'another-passphrase-than-that-of-this-site');
    await expectCause(
      ['--cs-address', server.url, '--passphrase-file', wrong, ...machine.facts],
      'passphrase_rejected',
      4,
    );
  });

  it('a clock that is an hour ahead', async () => {
    const shift = 'const now = Date.now; const D = Date; globalThis.Date = class extends D { constructor(...a) { ';
    const rest = 'super(...(a.length ? a : [now() + 3600000])); } static now() { return now() + 3600000; } };';
    const preload = `--import=data:text/javascript,${encodeURIComponent(shift + rest)}`;
    await expectCause(await bySite(), 'clock_in_future', 3, { NODE_OPTIONS: preload });
  });

  it('a version that is newer than that of the configuration server', async () => {
    const older = await (await ServerFolder.make({ CONFIGURATION_SERVER_VERSION: '0.9.0.0' })).prepare();
    try {
      const { url } = await older.start();
      const passphrase = await machine.file('older', await older.passphrase());
      const options = ['--cs-address', url, '--passphrase-file', passphrase, ...machine.facts];
      await expectCause(options, 'version_newer_than_configuration_server', 3);
    } finally {
      await older.remove();
    }
  });
});

it('keeps the host id when installations are killed at any moment', async () => {
  const options = await bySite();
  let hostId: string | null = null;
  const times = Number(process.env['AGENT_KILLS'] ?? 20);
  for (let kill = 0; kill < times; kill += 1) {
    const command = machine.spawn(['install', ...options]);
    await eventually('a random moment', 5_000, () => !command.isRunning || randomInt(100) < 3);
    await command.stop('SIGKILL');
    hostId ??= await machine.hostId();
    if (hostId) expect(await machine.hostId()).toBe(hostId);
  }
  const last = await machine.run(['install', ...options]);
  expect(last).toMatchObject({ exitCode: 0 });
  hostId ??= await machine.hostId();
  expect(await machine.hostId()).toBe(hostId);
  await machine.daemon('Connected');
  expect(await detail(hostId!)).toMatchObject({ connectionState: 'Connected' });
});

import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { callJson, readAt } from '../support/program-calls.js';
import { registrationOf, ServerFolder, type ServerProgram } from '../support/server-program.js';
import { CsctlProgram } from './csctl-program.js';

jest.setTimeout(300_000);

const SHORT_LEASES = {
  HEARTBEAT_INTERVAL_SECONDS: '1',
  LEASE_SECONDS: '3',
  CLEAN_UP_GRACE_SECONDS: '2',
  CLEAN_UP_INTERVAL_SECONDS: '1',
};

let folder: ServerFolder;
let server: ServerProgram;
let csctl: CsctlProgram;
beforeAll(async () => {
  folder = await (await ServerFolder.make(SHORT_LEASES)).prepare();
  server = await folder.start();
  csctl = await CsctlProgram.make();
  const keyFile = join(csctl.folder, 'admin.key');
  await writeFile(keyFile, await folder.adminKey(), { mode: 0o600 });
  expect(await csctl.run('login', '--server', server.url, '--key-file', keyFile)).toMatchObject({ code: 0 });
  for (let count = 0; count < PAIRS; count += 1) {
    const ip = nextAddress();
    pairs.push({ ip, entries: [await register('ps-twin', ip), await register('ps-twin', ip)] });
  }
  const [last] = pairs.at(-1)?.entries ?? [];
  expect(await csctl.run('wait', last?.hostId ?? '', '--for', 'disconnected')).toMatchObject({ code: 0 });
  for (const { entries } of pairs) entries.sort((a, b) => (a.hostId < b.hostId ? -1 : 1));
});
afterAll(async () => {
  await csctl.remove();
  await folder.remove();
});

let addresses = 0;
const nextAddress = (): string => `10.77.0.${(addresses += 1)}`;

interface Entry {
  readonly hostId: string;
  readonly credential: string;
  readonly generation: number;
}

async function register(friendlyName: string, ipAddress: string): Promise<Entry> {
  const hostId = randomUUID();
  const facts = { ...registrationOf(hostId), friendlyName, ipAddress };
  const { body } = await callJson(
    `${server.url}/v1/process-servers/${hostId}`,
    'PUT',
    `Passphrase ${await folder.passphrase()}`,
    facts,
  );
  return { hostId, ...(body as { credential: string; generation: number }) };
}

interface Pair {
  readonly ip: string;
  readonly entries: [Entry, Entry];
}

/** Disconnected entries with one address, in the order of their host ids; all are made at once, to wait for one lease. */
const pairs: Pair[] = [];
const PAIRS = 12;

function nextPair(): Pair {
  const pair = pairs.pop();
  if (!pair) throw new Error('PAIRS is too low');
  return pair;
}

const statusOf = async (hostId: string): Promise<number> =>
  (await readAt(folder, server, `/v1/process-servers/${hostId}`)).status;

const sendHeartbeat = ({ hostId, credential, generation }: Entry) =>
  callJson(`${server.url}/v1/process-servers/${hostId}/heartbeats`, 'POST', `Bearer ${credential}`, { generation });

it('unregister lists the duplicates, removes the chosen one and leaves the other', async () => {
  const {
    ip,
    entries: [first, second],
  } = nextPair();
  const session = csctl.inTerminal('unregister', '--ip-address', ip, '--component', 'PS');
  await session.answer('S.No (1 to 2): ', '2\r');
  await session.answer('[y/N] ', 'y\r');
  const { code, screen } = await session.end();
  expect(screen).toMatch(/S\.No +IP +Name +Heartbeat/);
  expect(screen).toContain(`server ${server.url}`);
  expect(screen).toContain(`Successfully unregistered ps-twin (${ip})`);
  expect(code).toBe(0);
  expect([await statusOf(first.hostId), await statusOf(second.hostId)]).toEqual([200, 404]);
});

it.each([
  ['Ctrl-C at the number', ['\x03'], 130],
  ['Ctrl-D at the number', ['\x04'], 130],
  ['a wrong number', ['3\r'], 2],
  ['no number', ['x\r'], 2],
  ['Ctrl-C at the question', ['1\r', '\x03'], 130],
  ['another answer than yes', ['1\r', '\r'], 130],
] as const)('unregister removes nothing after %s', async (_what, keys, expected) => {
  const {
    ip,
    entries: [first, second],
  } = nextPair();
  const session = csctl.inTerminal('unregister', '--ip-address', ip, '--component', 'PS');
  for (const [index, key] of keys.entries()) await session.answer(['S.No (1 to 2): ', '[y/N] '][index] ?? '', key);
  const { code, screen } = await session.end();
  expect(screen).toMatch(/nothing was (changed|removed)/);
  expect(code).toBe(expected);
  expect([await statusOf(first.hostId), await statusOf(second.hostId)]).toEqual([200, 200]);
});

it('unregister removes nothing when the chosen one sent a heartbeat in between, and states it', async () => {
  const {
    ip,
    entries: [first],
  } = nextPair();
  const session = csctl.inTerminal('unregister', '--ip-address', ip, '--component', 'PS');
  await session.answer('S.No (1 to 2): ', '1\r');
  await session.answer('[y/N] ', '');
  expect((await sendHeartbeat(first)).status).toBe(200);
  await session.answer('[y/N] ', 'y\r');
  const { code, screen } = await session.end();
  expect(screen.replaceAll('\n', ' ')).toContain('sent a heartbeat in between');
  expect(code).toBe(3);
  expect(await statusOf(first.hostId)).toBe(200);
});

it('without a terminal, several matches end with 2 and the candidates', async () => {
  const {
    ip,
    entries: [first, second],
  } = nextPair();
  const { code, stdout, stderr } = await csctl.run('show', ip);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(first.hostId);
  expect(stderr).toContain(second.hostId);
});

it('a plan is shown, refused with another number, applied with the right one, and names what was skipped', async () => {
  const {
    ip,
    entries: [first, second],
  } = nextPair();
  const dryRun = await csctl.run('purge', '--ip-address', ip, '--dry-run', '-o', 'json');
  expect((JSON.parse(dryRun.stdout) as { candidates: unknown[] }).candidates).toHaveLength(2);

  const apply = ['purge', '--ip-address', ip, '--apply', '--reason', 'scrapped', '--yes', '--acknowledge-share'];
  expect(await csctl.run(...apply, '--expect', '1')).toMatchObject({ code: 3, stdout: '' });
  expect([await statusOf(first.hostId), await statusOf(second.hostId)]).toEqual([200, 200]);

  const applied = await csctl.run(...apply, '--expect', '2', '-o', 'json');
  expect(applied).toMatchObject({ code: 0 });
  const { purged, skipped } = JSON.parse(applied.stdout) as { purged: { hostId: string }[]; skipped: unknown[] };
  expect(purged.map(({ hostId }) => hostId).sort()).toEqual([first.hostId, second.hostId]);
  expect(skipped).toEqual([]);
  expect([await statusOf(first.hostId), await statusOf(second.hostId)]).toEqual([404, 404]);
});

it('a connected one is not purged, is decommissioned, and is waited for until it is gone', async () => {
  const { hostId } = await register('ps-leaving', nextAddress());
  const refused = await csctl.run('purge', hostId, '--reason', 'scrapped', '--yes');
  expect(refused.code).toBe(3);
  expect(refused.stderr).toMatch(/code: process_server_connected {3}request id: \S+\nWhat to do: /);
  expect(await csctl.run('decommission', hostId, '--reason', 'replaced', '--yes', '--force')).toMatchObject({
    code: 0,
  });
  expect(await csctl.run('wait', hostId, '--for', 'gone', '--timeout', '1m')).toMatchObject({ code: 0 });
  expect(await csctl.run('wait', hostId, '--for', 'connected')).toMatchObject({ code: 5 });
  expect((await csctl.run('events', hostId, '-o', 'json')).stdout).toContain('"decommissioned_by_force"');
});

it('a wait that never ends ends with 7', async () => {
  const { hostId } = await register('ps-old', nextAddress());
  expect(await csctl.run('wait', hostId, '--for', 'version=9.9.9.9', '--timeout', '1s')).toMatchObject({ code: 7 });
});

it('a change without a terminal needs --yes and a reason', async () => {
  const { hostId } = await register('ps-kept', nextAddress());
  expect(await csctl.run('decommission', hostId, '--reason', 'x')).toMatchObject({ code: 2 });
  expect(await csctl.run('purge', hostId, '--yes')).toMatchObject({ code: 2 });
  expect(await statusOf(hostId)).toBe(200);
});

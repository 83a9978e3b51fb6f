import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually, ServerFolder, type ServerProgram } from '../support/server-program.js';
import { ReplicatedPair } from './replicated-pair.js';
import { readinessFigures, WriteLoad } from './write-load.js';

const LOAD_BEFORE_MS = 4_000;
const LOAD_AFTER_MS = 5_000;

jest.setTimeout(240_000);

const SETTINGS = {
  HEARTBEAT_INTERVAL_SECONDS: '1',
  LEASE_SECONDS: '10',
  HEARTBEATS_PER_SERVER_PER_SECOND: '1000',
  API_KEY_REQUESTS_PER_SECOND: '100000',
  ANONYMOUS_REQUESTS_PER_SECOND: '100000',
  REGISTRATIONS_PER_SECOND: '1000',
};

let pair: ReplicatedPair;
let folder: ServerFolder;
let program: ServerProgram;
let load: WriteLoad;
const table: Record<string, Record<string, number>> = {};

beforeAll(async () => {
  pair = await ReplicatedPair.start();
  const { user, password, database } = pair.primary.address;
  const hosts = [pair.primary, pair.replica].map(({ port }) => `127.0.0.1:${port}`).join(',');
  folder = await ServerFolder.make({ ...SETTINGS, DATABASE_URL: `mysql://${user}:${password}@${hosts}/${database}` });
  program = await folder.start();
  load = await WriteLoad.on(program, folder);
});
afterAll(async () => {
  console.table(table);
  await load?.close();
  if (program?.isRunning) await program.stop();
  await folder?.remove();
  await pair?.stop();
});

it.each([
  ['a switch-over', () => pair.switchOver(0)],
  ['a switch-over back, with no primary for 4 s', () => pair.switchOver(4_000)],
  ['the primary is killed', () => pair.crash(4_000)],
])('%s: no acknowledged write is lost, and readiness follows', async (name, change) => {
  const before = { registrations: load.hosts.length, heartbeats: load.heartbeats };
  load.statuses.clear();
  load.start();
  await pause(LOAD_BEFORE_MS);
  const writesBefore = load.writes.length;
  await change();
  const writesThen = load.writes.length;
  await eventually('writes are acknowledged again', 30_000, () => load.writes.length > writesThen);
  await pause(LOAD_AFTER_MS);
  await load.stop();
  const lastHealth = load.healthChecks.at(-1)?.status;
  const figures = readinessFigures(load);

  const unreadable = await load.unreadable();
  const rows = await pair.primary.rows<{ host_id: string; generation: number; heartbeat: number | null }>(
    'SELECT p.host_id, p.generation, h.replication_pair_count AS heartbeat FROM fleet.process_server AS p JOIN fleet.process_server_health AS h ON h.host_id = p.host_id',
  );
  const stored = new Map(rows.map((row) => [row.host_id, row]));
  const missing = load.hosts.filter(({ hostId, generation }) => stored.get(hostId)?.generation !== generation);
  const heartbeatsMissing = load.hosts.filter(({ hostId, heartbeat }) => (stored.get(hostId)?.heartbeat ?? 0) < heartbeat);
  const statuses = Object.fromEntries([...load.statuses].sort());
  const answered = (wanted: (status: number) => boolean): number => [...load.statuses].reduce((sum, [line, count]) => sum + (wanted(Number(line.split(' ').at(-1))) ? count : 0), 0);
  table[name] = {
    registrations: load.hosts.length - before.registrations,
    heartbeats: load.heartbeats - before.heartbeats,
    missing: missing.length + heartbeatsMissing.length,
    'not readable': unreadable.length,
    '404': answered((status) => status === 404),
    '500': answered((status) => status === 500),
    ...figures,
  };
  console.log(JSON.stringify({ name, ...table[name], statuses }));

  expect(writesBefore).toBeGreaterThan(0);
  expect({ missing, heartbeatsMissing, unreadable }).toEqual({ missing: [], heartbeatsMissing: [], unreadable: [] });
  // A write that was not done is refused with 503, or its connection is closed; nothing else is wrong with any call.
  expect(Object.keys(statuses).filter((line) => !/ (200|201|503)$/.test(line))).toEqual([]);
  expect(lastHealth).toBe(200);
  if (figures.noWriteMs > 3_000) expect(figures.longestNotReadyMs).toBeGreaterThan(0);
});

import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { eventually } from '../support/eventually.js';
import { ServerFolder, type ServerProgram } from '../support/server-program.js';
import { MovedAddress } from './moved-address.js';
import { ReplicatedPair } from './replicated-pair.js';
import { readinessStatistics } from './readiness-statistics.js';
import { WriteLoad } from './write-load.js';

const LOAD_BEFORE_MS = 4_000;
const LOAD_AFTER_MS = 5_000;

jest.setTimeout(240_000);

const SETTINGS = {
  HEARTBEAT_INTERVAL_SECONDS: '1',
  LEASE_SECONDS: '10',
  MAX_HEARTBEATS_PER_SERVER_PER_SECOND: '1000',
  API_KEY_REQUESTS_PER_SECOND: '100000',
  ANONYMOUS_REQUESTS_PER_SECOND: '100000',
  REGISTRATIONS_PER_SECOND: '1000',
};

/** How the DATABASE_URL of the two replicas names the database servers. */
const URL_KINDS = ['both hosts', 'one address that is moved'];

let pair: ReplicatedPair;
let moved: MovedAddress;
let load: WriteLoad;
const folders: ServerFolder[] = [];
const programs: ServerProgram[] = [];
const table: Record<string, Record<string, number>> = {};

beforeAll(async () => {
  pair = await ReplicatedPair.start();
  moved = await MovedAddress.before(pair.primary.port);
  const { user, password, database } = pair.primary.address;
  const bothHosts = [pair.primary, pair.replica].map(({ port }) => `127.0.0.1:${port}`).join(',');
  for (const hosts of [bothHosts, `127.0.0.1:${moved.port}`]) {
    const folder = await ServerFolder.make({
      ...SETTINGS,
      DATABASE_URL: `mysql://${user}:${password}@${hosts}/${database}`,
    });
    folders.push(folder);
    programs.push(await folder.start());
  }
  const [first] = folders as [ServerFolder];
  load = new WriteLoad(programs, { passphrase: await first.passphrase(), adminKey: await first.adminKey() });
});
afterAll(async () => {
  console.table(table);
  await load?.close();
  for (const program of programs) if (program.isRunning) await program.stop();
  for (const folder of folders) await folder.remove();
  await moved?.close();
  await pair?.stop();
});

it.each([
  ['a switch-over', () => pair.switchOver(0), () => pair.attachReplica()],
  ['a switch-over back, with no primary for 4 s', () => pair.switchOver(4_000), () => pair.attachReplica()],
  ['the primary is killed, and none for 4 s', () => pair.crash(4_000), () => undefined],
])('%s: loses no acknowledged write, and readiness follows', async (name, change, prepareNext) => {
  const before = { registrations: load.hosts.length, heartbeats: load.heartbeats };
  const writes = (): number[] => load.replicas.map((replica) => replica.writes.length);
  load.statuses.clear();
  load.start();
  await pause(LOAD_BEFORE_MS);
  expect(Math.min(...writes())).toBeGreaterThan(0);
  await change();
  moved.leadTo(pair.primary.port);
  const writesThen = writes();
  await eventually('each replica acknowledges writes again', 30_000, () =>
    writes().every((count, index) => count > (writesThen[index] ?? 0)),
  );
  await pause(LOAD_AFTER_MS);
  await load.stop();

  const unreadable = await load.unreadable();
  const rows = await pair.primary.rows<{ host_id: string; generation: number; heartbeat: number | null }>(
    'SELECT p.host_id, p.generation, h.replication_pair_count AS heartbeat FROM fleet.process_server AS p JOIN fleet.process_server_health AS h ON h.host_id = p.host_id',
  );
  const stored = new Map(rows.map((row) => [row.host_id, row]));
  const missing = load.hosts.filter(({ hostId, generation }) => stored.get(hostId)?.generation !== generation);
  const heartbeatsMissing = load.hosts.filter(
    ({ hostId, heartbeat }) => (stored.get(hostId)?.heartbeat ?? 0) < heartbeat,
  );
  const statuses = Object.fromEntries([...load.statuses].sort());
  const countOf = (status: number): number =>
    Object.entries(statuses).reduce((sum, [line, count]) => sum + (line.endsWith(` ${status}`) ? count : 0), 0);
  table[name] = {
    registrations: load.hosts.length - before.registrations,
    heartbeats: load.heartbeats - before.heartbeats,
    missing: missing.length + heartbeatsMissing.length,
    unreadable: unreadable.length,
    'status 404': countOf(404),
    'status 500': countOf(500),
  };
  console.log(JSON.stringify(statuses));
  await prepareNext();
  const statistics = load.replicas.map((replica) => readinessStatistics(replica));
  statistics.forEach((replica, index) => (table[`${name}: ${URL_KINDS[index]}`] = { ...replica }));

  expect({ missing, heartbeatsMissing, unreadable }).toEqual({ missing: [], heartbeatsMissing: [], unreadable: [] });
  // A write that was not made returns 503, and no call has another error.
  expect(Object.keys(statuses).filter((line) => !/ (200|201|503)$/.test(line))).toEqual([]);
  for (const { noWriteMs, maxNotReadyMs } of statistics)
    if (noWriteMs > 3_000) expect(maxNotReadyMs).toBeGreaterThan(0);
  expect(load.replicas.map(({ healthChecks }) => healthChecks.at(-1)?.status)).toEqual([200, 200]);
});

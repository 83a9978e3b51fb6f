import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import { ServerFolder, type ServerProgram } from '../support/server-program.js';
import { seededRandom } from '@app/platform';
import { CrashLoad } from './crash-load.js';

/** 8 in daily runs; CRASH_ROUNDS=200 before a release. */
const ROUNDS = Number(process.env['CRASH_ROUNDS'] ?? 8);
/** Repeats the choices of an earlier run, but not its timing. */
const SEED = jest.getSeed();

jest.setTimeout(120_000 + ROUNDS * 30_000);

/**
 * The killed processes, and their shares. A server restarts its killed database; then the test ends the server, after the
 * restart ("the database") or during it ("the database, then the server"), by SIGTERM or SIGKILL in equal shares.
 */
const KILLS = [
  ['the server', 0.25],
  ['the database', 0.15],
  ['the database, then the server', 0.2],
  ['both', 0.2],
  ['a start', 0.2],
] as const;
type Kill = (typeof KILLS)[number][0];

let folder: ServerFolder;
let load: CrashLoad;
let fraction: () => number;
let watch: NodeJS.Timeout;
let maxDatabases = 0;

beforeEach(async () => {
  fraction = seededRandom(SEED);
  load = new CrashLoad(fraction);
  folder = await ServerFolder.make({
    // The lease lasts six assigned intervals, so a host that is silent for two rounds can be purged.
    HEARTBEAT_INTERVAL_SECONDS: '1',
    LEASE_SECONDS: '1',
    CLEAN_UP_GRACE_SECONDS: '1',
    CLEAN_UP_INTERVAL_SECONDS: '1',
    MAX_HEARTBEATS_PER_SERVER_PER_SECOND: '1000',
    LOG_LEVEL: 'fatal',
  });
  await folder.prepare();
  watch = setInterval(() => (maxDatabases = Math.max(maxDatabases, folder.databasePids().length)), 100);
});

afterEach(async () => {
  clearInterval(watch);
  load.close();
  await folder.remove();
});

it(`no acknowledged call is lost in ${ROUNDS} crashes (seed ${SEED})`, async () => {
  const kills: Record<Kill, number> = {
    'the server': 0,
    'the database': 0,
    'the database, then the server': 0,
    both: 0,
    'a start': 0,
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    const kill = chosenKill(fraction());
    kills[kill] += 1;
    if (kill === 'a start') await killStart();
    else await killUnderLoad(kill);
  }
  const server = await startAndCheck();
  await load.lateHeartbeats(server.url, await secrets());
  await check();
  expect(await server.stop()).toEqual({ code: 0, signal: null });
  expect(folder.databasePids()).toEqual([]);
  expect(maxDatabases).toBe(1);
  const killed = Object.entries(kills)
    .map(([kind, count]) => `${kind} ${count}`)
    .join(', ');
  process.stdout.write(
    `${ROUNDS} rounds, ${load.acknowledged} calls acknowledged, ${load.unanswered} unanswered, killed: ${killed}; seed ${SEED}; ${JSON.stringify(load.states())}\n`,
  );
});

function chosenKill(draw: number): Kill {
  let reached = 0;
  return KILLS.find(([, share]) => draw < (reached += share))?.[0] ?? 'the server';
}

async function secrets(): Promise<{ passphrase: string; adminKey: string }> {
  return { passphrase: await folder.passphrase(), adminKey: await folder.adminKey() };
}

async function startAndCheck(): Promise<ServerProgram> {
  const server = await folder.start();
  expect(folder.databasePids()).toHaveLength(1);
  await check();
  return server;
}

async function check(): Promise<void> {
  const connection = await folder.connect();
  try {
    await load.check(connection);
  } finally {
    connection.destroy();
  }
}

/** One of its two processes, the launcher and the server: the other one ends by itself. */
function killOneOf(server: ServerProgram): void {
  if (fraction() < 0.5) server.signal('SIGKILL');
  else process.kill(server.pid, 'SIGKILL');
}

/** In its first moments: before it has claimed anything, while it adopts or recovers its database, just ready. */
async function killStart(): Promise<void> {
  const server = await folder.spawn();
  await pause(fraction() * 2_500);
  await server.stop('SIGKILL');
  if (fraction() < 0.5) await folder.killDatabase();
}

async function killUnderLoad(kill: Exclude<Kill, 'a start'>): Promise<void> {
  const server = await startAndCheck();
  const database = folder.databasePids()[0] ?? 0;
  let over = false;
  const running = load.run(server.url, await secrets(), () => !over);
  await Promise.race([pause(100 + fraction() * 800), running]);
  const serverFirst = fraction() < 0.5;
  if (kill === 'the server' || (kill === 'both' && serverFirst)) killOneOf(server);
  if (kill !== 'the server') process.kill(database, 'SIGKILL');
  if (kill === 'both' && !serverFirst) killOneOf(server);
  const serverContinues = kill === 'the database' || kill === 'the database, then the server';
  if (serverContinues) await Promise.race([pause(fraction() * 500), running]);
  over = true;
  if (kill === 'the database') {
    await running;
    await readyAgain(server, database);
    await check();
  }
  if (serverContinues) await endIn(server, fraction() < 0.5 ? 'SIGTERM' : 'SIGKILL');
  await running;
  await server.end();
}

/** Waits until the server has restarted its database. */
async function readyAgain({ url }: ServerProgram, killed: number): Promise<void> {
  const deadlineMs = performance.now() + 60_000;
  for (;;) {
    const { status } = await fetch(`${url}/health/ready`);
    if (status === 200 && !folder.databasePids().includes(killed)) return;
    if (performance.now() > deadlineMs) throw new Error('the server did not restart its database within 60 s');
    await pause(20);
  }
}

async function endIn(server: ServerProgram, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  const ending = await server.stop(signal);
  if (signal === 'SIGTERM') {
    expect(ending).toEqual({ code: 0, signal: null });
    expect(folder.databasePids()).toEqual([]);
  }
}

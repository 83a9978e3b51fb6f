/** Compares two builds in alternating order, each with its own programs, fleet and database: the cost of a change. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ratioOf, row } from './statistics.mjs';
import { commitOf, databaseVersion, root } from './report.mjs';
import { inTurn } from './windows.mjs';

const CONNECTIONS = { heartbeats: 512, page: 1, registrations: 64 };
const NEW_HOSTS = 100_000;
/** Each start is another process: with the same code, one may take a third more time than the next, mostly for garbage collections. */
const STARTS = 4;
/** Expected status and compared figure. */
const SETS = {
  heartbeats: { expected: ['200'], key: 'perSecond', title: 'heartbeats a second, present / other' },
  page: { expected: ['200'], key: 'p50Ms', title: 'time of a page without a filter, present / other' },
  registrations: { expected: ['201'], key: 'perSecond', title: 'new registrations a second, present / other' },
};

const moduleIn = (checkout, file) => import(pathToFileURL(join(checkout, 'test', 'bench', file)));

export async function againstBuild({ generator, checkout, size, directory, log, pairs }) {
  const { SERVER_PROGRAM } = await moduleIn(checkout, 'built.mjs');
  if (!existsSync(SERVER_PROGRAM)) throw new Error(`${checkout} is not built: run "npm run build" there`);
  const stops = [];
  try {
    const builds = [];
    for (const [name, folder] of Object.entries({ present: root, other: checkout })) {
      log(`${name} build: making a fleet of ${size.toLocaleString('en')}`);
      builds.push(
        await prepareBuild({ generator, name, checkout: folder, size, directory: join(directory, name), stops }),
      );
    }
    for (let start = 0; start < STARTS; start += 1) {
      log(`start ${start + 1} of ${STARTS}`);
      const running = [];
      for (const build of start % 2 === 0 ? builds : builds.toReversed()) running.push(await build.start());
      for (const set of Object.keys(SETS)) await measureOnce(builds, set, Math.ceil(pairs / STARTS) + 1);
      for (const stop of running) await stop();
    }
    const measured = Object.keys(SETS).map((set) => builds.map(({ targets }) => targets[set]));
    return {
      builds: builds.map(({ name, commit, database }) => ({ name, commit, database })),
      rows: measured.flat().map((target) => row(target)),
      ratios: Object.fromEntries(
        Object.values(SETS).map(({ title, key }, index) => [title, ratioOf(...measured[index], key)]),
      ),
    };
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

/** Adds the windows of one start to those of the earlier ones. */
async function measureOnce(builds, set, pairs) {
  const all = builds.map(({ targets }) => targets[set]);
  const measured = await inTurn(
    all.map(({ take }) => ({ take })),
    pairs,
  );
  for (const [index, { windows, slow }] of measured.entries()) {
    all[index].windows.push(...windows);
    all[index].slow.push(...slow);
  }
}

/** Uses the code of the checkout for everything: its schema, settings and requests may differ. */
async function prepareBuild({ generator, name, checkout, size, directory, stops }) {
  const { makeFleet, PASSPHRASE, ADMIN_KEY } = await moduleIn(checkout, 'fleet.mjs');
  const { heartbeats, gets, registrations } = await moduleIn(checkout, 'requests.mjs');
  const { startServer } = await moduleIn(checkout, 'programs.mjs');
  mkdirSync(directory);
  const fleet = await makeFleet(directory, size);
  stops.push(() => fleet.stop());
  const requests = {
    heartbeats: heartbeats(fleet.sample),
    page: gets('/v1/process-servers?limit=100', ADMIN_KEY),
    registrations: registrations(fleet.hosts(size, NEW_HOSTS), PASSPHRASE),
  };
  const orders = [];
  const targets = {};
  for (const [set, bytes] of Object.entries(requests)) {
    const order = { set: `${set}, ${name} build`, connections: CONNECTIONS[set] };
    await generator.give(order.set, bytes);
    orders.push(order);
    const take = generator.windowsOf(order, SETS[set].expected);
    targets[set] = { name: order.set, take, windows: [], slow: [] };
  }
  /** Starts the server on another port, and returns a function that stops it. */
  const start = async () => {
    const { port, stop } = await startServer(fleet, join(directory, 'server'));
    stops.push(stop);
    for (const order of orders) order.port = port;
    return stop;
  };
  return { name, start, targets, commit: commitOf(checkout), database: await databaseVersion(fleet) };
}

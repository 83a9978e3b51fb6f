/** Compares two builds in alternating order, each with its own programs, fleet and database: the cost of a change. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ratioOf, row } from './statistics.mjs';
import { commitOf, databaseVersion, root } from './report.mjs';
import { inTurn } from './windows.mjs';

const CONNECTIONS = { heartbeats: 512, page: 1, registrations: 64 };
const NEW_HOSTS = 100_000;

const moduleIn = (checkout, file) => import(pathToFileURL(join(checkout, 'test', 'bench', file)));

export async function againstBuild({ generator, checkout, size, directory, log, pairs }) {
  const { SERVER_PROGRAM } = await moduleIn(checkout, 'built.mjs');
  if (!existsSync(SERVER_PROGRAM)) throw new Error(`${checkout} is not built: run "npm run build" there`);
  const stops = [];
  const start = async (name, folder) => {
    log(`${name} build: making a fleet of ${size.toLocaleString('en')}`);
    return startBuild({ generator, name, checkout: folder, size, directory: join(directory, name), stops });
  };
  try {
    const builds = [await start('present', root), await start('other', checkout)];
    const rows = [];
    const compare = async (set, expected, key) => {
      const targets = builds.map(({ name, port }) => {
        const order = { set: `${set}, ${name} build`, port, connections: CONNECTIONS[set] };
        return { name: order.set, take: generator.windowsOf(order, expected) };
      });
      const [present, other] = await inTurn(targets, pairs);
      rows.push(row(present), row(other));
      return ratioOf(present, other, key);
    };
    const ratios = {
      'heartbeats a second, present / other': await compare('heartbeats', ['200'], 'perSecond'),
      'time of a page without a filter, present / other': await compare('page', ['200'], 'p50Ms'),
      'new registrations a second, present / other': await compare('registrations', ['201'], 'perSecond'),
    };
    return { builds, rows, ratios };
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

/** Uses the code of the checkout for everything: its schema, settings and requests may differ. */
async function startBuild({ generator, name, checkout, size, directory, stops }) {
  const { makeFleet, PASSPHRASE, ADMIN_KEY } = await moduleIn(checkout, 'fleet.mjs');
  const { heartbeats, gets, registrations } = await moduleIn(checkout, 'requests.mjs');
  const { startServer } = await moduleIn(checkout, 'programs.mjs');
  mkdirSync(directory);
  const fleet = await makeFleet(directory, size);
  stops.push(() => fleet.stop());
  const { port, stop } = await startServer(fleet, join(directory, 'server'));
  stops.push(stop);
  const requests = {
    heartbeats: heartbeats(fleet.sample),
    page: gets('/v1/process-servers?limit=100', ADMIN_KEY),
    registrations: registrations(fleet.hosts(size, NEW_HOSTS), PASSPHRASE),
  };
  for (const [set, bytes] of Object.entries(requests)) await generator.give(`${set}, ${name} build`, bytes);
  return { name, port, commit: commitOf(checkout), database: await databaseVersion(fleet) };
}

/** Pages and counts through HTTP, against the very queries sent straight to the database. */
import { join } from 'node:path';
import { built } from './built.mjs';
import { ADMIN_KEY, hostIdOf, SHARED_ADDRESS } from './fleet.mjs';
import { ratios, spread } from './statistics.mjs';
import { startServer } from './programs.mjs';
import { gets } from './requests.mjs';

const { Database, FleetSummaryQuery, ProcessServerListQuery, PendingWrites } = await built(
  'libs/fleet-mysql/src/index.js',
);
const { SystemRandomness } = await built('libs/platform/src/index.js');

const PAIRS = 10;
/** Of a run, and before the first: of the server, and of each list. The largest fleet is what the goal is about. */
const SECONDS = { run: 0.02, warmUp: 1, warmUpOfList: 0.05 };
const SECONDS_OF_LARGEST = { run: 0.05, warmUp: 3, warmUpOfList: 0.1 };

/** Filters on a stored column or on the lease's end, the orders, and what an operator asks first. */
const LISTS = [
  ['no filter', {}],
  ['connectionState=Disconnected', { connectionState: 'Disconnected' }],
  ['connectionState=Connected', { connectionState: 'Connected' }],
  ['lifecycle=Decommissioned', { lifecycle: 'Decommissioned' }],
  ['lifecycle=Registered', { lifecycle: 'Registered' }],
  ['versionStatus=NotSupported', { versionStatus: 'NotSupported' }],
  ['versionStatus=Supported', { versionStatus: 'Supported' }],
  [`ipAddress=${SHARED_ADDRESS}`, { ipAddress: SHARED_ADDRESS }],
  ['friendlyName=ps-07-', { friendlyName: 'ps-07-' }],
  ['silentForSeconds=3600', { silentForSeconds: 3_600 }],
  ['passphraseId=...', { passphraseId: hostIdOf('passphrase') }],
  ['sort=friendlyName', {}, 'friendlyName'],
  ['sort=lastHeartbeat', {}, 'lastHeartbeat'],
  ['health=Critical', { health: 'Critical' }],
  ['health=Warning', { health: 'Warning' }],
  ['ipAddress of one alone', { ipAddress: '10.8.3.0' }],
];
const VERSION = { major: 1, minor: 0, build: 0, revision: 0 };

/** The query that a page is read with, as our own reader sends it for the first time: without a limit. */
class PageQuery extends Database {
  last = null;

  rows(sql, parameters = [], ...others) {
    this.last = { sql, parameters };
    return super.rows(sql, parameters, ...others);
  }
}

export async function pages({ generator, fleets, directory }) {
  const rows = [];
  const compared = {};
  for (const fleet of fleets) {
    const seconds = fleet === fleets.at(-1) ? SECONDS_OF_LARGEST : SECONDS;
    const server = await startServer(fleet, join(directory, `server-queries-${fleet.size}`));
    const database = new PageQuery(fleet.address, new SystemRandomness(), { connections: 1, lockWaitSeconds: 3 });
    await generator.give('warm-up', gets('/v1/process-servers?limit=100', ADMIN_KEY));
    await generator.run({ set: 'warm-up', port: server.port, connections: 1, seconds: seconds.warmUp });
    const add = (what, ours, raw, rawIs) => {
      const name = `${fleet.size.toLocaleString('en')}: ${what}`;
      rows.push({ what: name, oursMs: spread(ours), rawMs: spread(raw), note: rawIs });
      compared[name] = ratios(ours, raw);
    };
    for (const [name, filter, sort = 'hostId'] of LISTS)
      add(name, ...(await pagesAgainstQuery({ generator, fleet, server, database, filter, sort, seconds })));
    add('counts', ...(await countsAgainstScan(fleet, database, seconds.run)), 'alone: SELECT COUNT(*)');
    await database.close();
    await server.stop();
  }
  return { rows, ratios: compared };
}

/** Pages of 100 through the whole server, asked for again within seconds as a list is that somebody looks at, and the statement that reads such a page alone, in turn. */
async function pagesAgainstQuery({ generator, fleet, server, database, filter, sort, seconds }) {
  const set = `list ${JSON.stringify(filter)} ${sort}`;
  const reader = new ProcessServerListQuery(database, { now: () => new Date() }, VERSION, new PendingWrites());
  await generator.give(
    set,
    gets(`/v1/process-servers?${new URLSearchParams({ limit: 100, sort, ...filter })}`, ADMIN_KEY),
  );
  await reader.page({ sort, filter, limit: 100, position: null, snapshot: null });
  const { sql, parameters } = database.last;
  const ours = [];
  const raw = [];
  await generator.run({ set, port: server.port, connections: 1, seconds: seconds.warmUpOfList });
  for (let pair = 0; pair < PAIRS; pair += 1) {
    ours.push((await generator.run({ set, port: server.port, connections: 1, seconds: seconds.run })).meanMs);
    raw.push(await meanMsOf(() => fleet.connection.query(sql, parameters), seconds.run));
  }
  return [ours, raw];
}

/** What `GET /v1/fleet` counts once in five seconds, and a count that looks at every entry of one index. */
async function countsAgainstScan(fleet, database, seconds) {
  const counter = new FleetSummaryQuery(database, { now: () => new Date() }, VERSION);
  const ours = [];
  const raw = [];
  for (let pair = 0; pair < PAIRS; pair += 1) {
    ours.push(await meanMsOf(() => counter.count(), seconds));
    raw.push(await meanMsOf(() => fleet.connection.query('SELECT COUNT(*) FROM process_server'), seconds));
  }
  return [ours, raw];
}

async function meanMsOf(work, seconds) {
  await work();
  let times = 0;
  const startedAt = performance.now();
  while (performance.now() - startedAt < seconds * 1000) {
    await work();
    times += 1;
  }
  return (performance.now() - startedAt) / times;
}

/** Pages and counts through HTTP, against the very queries sent straight to the database. */
import { join } from 'node:path';
import { built } from './built.mjs';
import { ADMIN_KEY } from './fleet.mjs';
import { ratios, spread } from './figures.mjs';
import { startServer } from './programs.mjs';
import { gets } from './requests.mjs';

const { Database, FleetReader, StampsInFlight } = await built('libs/fleet-mysql/src/index.js');
const { SystemRandomness } = await built('libs/platform/src/index.js');

const PAIRS = 10;
const SECONDS = 0.3;

/** Filters on a stored column or on the lease's end, and the orders. */
const LISTS = [
  ['no filter', {}],
  ['connectionState=Disconnected', { connectionState: 'Disconnected' }],
  ['connectionState=Connected', { connectionState: 'Connected' }],
  ['lifecycle=Decommissioned', { lifecycle: 'Decommissioned' }],
  ['lifecycle=Registered', { lifecycle: 'Registered' }],
  ['versionStatus=NotSupported', { versionStatus: 'NotSupported' }],
  ['versionStatus=Supported', { versionStatus: 'Supported' }],
  ['ipAddress=10.7.3.0', { ipAddress: '10.7.3.0' }],
  ['friendlyName=ps-07-', { friendlyName: 'ps-07-' }],
  ['silentForSeconds=3600', { silentForSeconds: 3_600 }],
  ['sort=friendlyName', {}, 'friendlyName'],
  ['sort=lastHeartbeat', {}, 'lastHeartbeat'],
];
const VERSION = { major: 1, minor: 0, build: 0, revision: 0 };

/** The query that a page is read with, as our own reader sends it. */
class PageQuery extends Database {
  last = null;

  rows(sql, parameters = []) {
    this.last = { sql, parameters };
    return super.rows(sql, parameters);
  }
}

export async function pages({ generator, fleet, directory }) {
  const server = await startServer(fleet, join(directory, 'server-queries'));
  const database = new PageQuery(fleet.address, new SystemRandomness(), { connections: 1, lockWaitSeconds: 3 });
  const reader = new FleetReader(database, { now: () => new Date() }, VERSION, new StampsInFlight());
  const rows = [];
  const compared = {};
  for (const [name, filter, sort = 'hostId'] of LISTS) {
    const set = `list ${name}`;
    await generator.give(set, gets(`/v1/process-servers?${new URLSearchParams({ limit: 100, sort, ...filter })}`, ADMIN_KEY));
    await reader.page({ sort, filter, limit: 100, position: null, walkAsOf: null });
    const { sql, parameters } = database.last;
    const ours = [];
    const raw = [];
    await generator.run({ set, port: server.port, connections: 1, seconds: SECONDS });
    for (let pair = 0; pair < PAIRS; pair += 1) {
      ours.push((await generator.run({ set, port: server.port, connections: 1, seconds: SECONDS })).meanMs);
      raw.push(await meanMsOf(fleet.connection, sql, parameters, SECONDS));
    }
    rows.push({ what: name, oursMs: spread(ours), rawMs: spread(raw) });
    compared[`page of 100 of ${fleet.size.toLocaleString('en')}, ${name} / its query alone`] = ratios(ours, raw);
  }
  await database.close();
  await generator.give('counts', gets('/v1/fleet', ADMIN_KEY));
  const counts = await generator.run({ set: 'counts', port: server.port, connections: 1, seconds: 12 });
  const raw = await meanMsOf(fleet.connection, 'SELECT COUNT(*) FROM process_server', [], 1);
  rows.push({ what: 'GET /v1/fleet, mean over 12 s', oursMs: spread([counts.meanMs]), rawMs: spread([raw]), note: `longest ${counts.p999Ms} ms at 99.9 %` });
  await server.stop();
  return { rows, ratios: compared };
}

async function meanMsOf(connection, sql, parameters, seconds) {
  let times = 0;
  const startedAt = performance.now();
  while (performance.now() - startedAt < seconds * 1000) {
    await connection.query(sql, parameters);
    times += 1;
  }
  return (performance.now() - startedAt) / times;
}

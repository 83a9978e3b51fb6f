/** Pages and counts through HTTP, against the same queries sent directly to the database. */
import { join } from 'node:path';
import { built } from './built.mjs';
import { ADMIN_KEY, hostIdOf, SHARED_ADDRESS } from './fleet.mjs';
import { ratioOf, row } from './statistics.mjs';
import { startServer } from './programs.mjs';
import { gets } from './requests.mjs';
import { callsInTurn, inTurn, measure } from './windows.mjs';

const { Database, FleetSummaryQuery, ProcessServerListQuery, PendingWrites } = await built(
  'libs/fleet-mysql/src/index.js',
);
const { SystemRandomness } = await built('libs/platform/src/index.js');

/** A full run has 57 lists. */
const MAX_PAIRS = 5;
const QUICK_LISTS = 4;
/** Before the first list of a fleet, because the server is new. */
const WARM_UP_SECONDS = 3;

/** Filters on stored columns or on the end of the lease, all orders, and typical filters of an operator. */
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
  ['health=Normal', { health: 'Normal' }],
  ['health=None', { health: 'None' }],
  ['ipAddress of one alone', { ipAddress: '10.8.3.0' }],
];
const CLOCK = { now: () => new Date(), monotonicMs: () => performance.now() };
const { fixedVersionRules } = await built('libs/fleet/src/index.js');
const RULES = fixedVersionRules({ major: 1, minor: 0, build: 0, revision: 0 });

/** Records the statement of a page as the reader first sends it: without a time limit. */
class PageQuery extends Database {
  last = null;

  rows(sql, parameters = [], ...others) {
    this.last = { sql, parameters };
    return super.rows(sql, parameters, ...others);
  }
}

export async function pages({ generator, fleets, directory, pairs, quick }) {
  const rows = [];
  const compared = {};
  for (const fleet of fleets) {
    const server = await startServer(fleet, join(directory, `server-queries-${fleet.size}`));
    const database = new PageQuery(fleet.address, new SystemRandomness(), { connections: 1, lockWaitSeconds: 3 });
    await generator.give('warm-up', gets('/v1/process-servers?limit=100', ADMIN_KEY));
    await measure(generator.windowsOf({ set: 'warm-up', port: server.port, connections: 1 }), WARM_UP_SECONDS);
    const compare = async (what, ours, alone, note = '') => {
      const name = `${fleet.size.toLocaleString('en')}: ${what}`;
      const [whole, query] = [
        { name, take: ours },
        { name: `${name}, the query alone`, take: (seconds) => callsInTurn(alone, seconds) },
      ];
      await inTurn([whole, query], Math.min(pairs, MAX_PAIRS));
      const { p50Ms: oursMs, slow } = row(whole);
      rows.push({ what: name, oursMs, rawMs: row(query).p50Ms, slow: [...slow, ...query.slow], note });
      compared[name] = ratioOf(whole, query, 'p50Ms');
    };
    for (const [name, filter, sort = 'hostId'] of quick ? LISTS.slice(0, QUICK_LISTS) : LISTS)
      await compare(name, ...(await pageAndQuery({ generator, fleet, server, database, filter, sort })));
    const counter = new FleetSummaryQuery(database, CLOCK, RULES);
    await compare(
      'counts', // the count of `GET /v1/fleet`, against a scan of one index
      (seconds) => callsInTurn(() => counter.count(), seconds),
      () => fleet.connection.query('SELECT COUNT(*) FROM process_server'),
      'alone: SELECT COUNT(*)',
    );
    await database.close();
    await server.stop();
  }
  return { rows, ratios: compared };
}

/** A function that measures a window of pages of 100 through the server, and one that sends the statement of such a page. */
async function pageAndQuery({ generator, fleet, server, database, filter, sort }) {
  const set = `list ${JSON.stringify(filter)} ${sort}`;
  const reader = new ProcessServerListQuery(database, CLOCK, RULES, new PendingWrites());
  const path = `/v1/process-servers?${new URLSearchParams({ limit: 100, sort, ...filter })}`;
  await generator.give(set, gets(path, ADMIN_KEY));
  await reader.fetchPage({ sort, filter, limit: 100, position: null, snapshot: null });
  const { sql, parameters } = database.last;
  return [
    generator.windowsOf({ set, port: server.port, connections: 1 }),
    () => fleet.connection.query(sql, parameters),
  ];
}

/** Pages and counts through HTTP, against the very queries sent straight to the database. */
import { join } from 'node:path';
import { ADMIN_KEY } from './fleet.mjs';
import { ratios, spread } from './figures.mjs';
import { startServer } from './programs.mjs';
import { gets } from './requests.mjs';

const PAIRS = 10;
const SECONDS = 0.3;

/** The filters of a list that stand on a stored column or on the lease's end, with what a person would ask the database. */
const FILTERS = [
  ['no filter', '', ''],
  ['connectionState=Disconnected', 'connectionState=Disconnected', 'l.ends_listened_ms <= (SELECT listened_ms FROM listening)'],
  ['connectionState=Connected', 'connectionState=Connected', 'l.ends_listened_ms > (SELECT listened_ms FROM listening)'],
  ['lifecycle=Decommissioned', 'lifecycle=Decommissioned', 'p.decommissioned_at IS NOT NULL'],
  ['lifecycle=Registered', 'lifecycle=Registered', 'p.decommissioned_at IS NULL'],
  ['versionStatus=NotSupported', 'versionStatus=NotSupported', "(p.version_key < '0001000000000000' OR p.version_key > '0001000000000000')"],
  ['versionStatus=Supported', 'versionStatus=Supported', "p.version_key = '0001000000000000'"],
  ['ipAddress', 'ipAddress=10.7.3.0', "p.ip_address = '10.7.3.0'"],
  ['friendlyName (prefix)', 'friendlyName=ps-07-', "p.friendly_name LIKE 'ps-07-%'"],
  ['silentForSeconds=3600', 'silentForSeconds=3600', 'l.heard_listened_ms <= (SELECT listened_ms FROM listening) - 3600000'],
  ['sort=friendlyName', 'sort=friendlyName', '', 'p.friendly_name, p.host_id'],
  ['sort=lastHeartbeat', 'sort=lastHeartbeat', '', 'l.heard_listened_ms, l.host_id'],
];

export async function pages({ generator, fleet, directory }) {
  const server = await startServer(fleet, join(directory, 'server-queries'));
  const rows = [];
  const compared = {};
  for (const [name, query, where, order = 'p.host_id'] of FILTERS) {
    const set = `list ${name}`;
    await generator.give(set, gets(`/v1/process-servers?limit=100${query && `&${query}`}`, ADMIN_KEY));
    const sql = `SELECT p.*, l.*, h.* FROM process_server p JOIN process_server_lease l ON l.host_id = p.host_id JOIN process_server_health h ON h.host_id = p.host_id ${where && `WHERE ${where}`} ORDER BY ${order} LIMIT 101`;
    const ours = [];
    const raw = [];
    await generator.run({ set, port: server.port, connections: 1, seconds: SECONDS });
    for (let pair = 0; pair < PAIRS; pair += 1) {
      ours.push((await generator.run({ set, port: server.port, connections: 1, seconds: SECONDS })).meanMs);
      raw.push(await meanMsOf(fleet.connection, sql, SECONDS));
    }
    rows.push({ what: name, oursMs: spread(ours), rawMs: spread(raw) });
    compared[`page of 100 of ${fleet.size.toLocaleString('en')}, ${name} / the query alone`] = ratios(ours, raw);
  }
  await generator.give('counts', gets('/v1/fleet', ADMIN_KEY));
  const counts = await generator.run({ set: 'counts', port: server.port, connections: 1, seconds: 12 });
  const raw = await meanMsOf(fleet.connection, 'SELECT COUNT(*) FROM process_server', 1);
  rows.push({ what: 'GET /v1/fleet, mean over 12 s', oursMs: spread([counts.meanMs]), rawMs: spread([raw]), note: `longest ${counts.p999Ms} ms at 99.9 %` });
  await server.stop();
  return { rows, ratios: compared };
}

async function meanMsOf(connection, sql, seconds) {
  let times = 0;
  const startedAt = performance.now();
  while (performance.now() - startedAt < seconds * 1000) {
    await connection.query(sql);
    times += 1;
  }
  return (performance.now() - startedAt) / times;
}

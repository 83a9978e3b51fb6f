import type { Statement } from '../database.js';
import { writeLoads, writeReports } from './heartbeat-rows.js';
import { keptHeartbeat, RENEW_AS_BEFORE } from './leases.js';

/** The clock's one row. No row: no replica has ever recorded on this database. */
const LISTENING_COLUMNS =
  'g.listened_ms, g.noted_at, g.run_ahead_ms, g.unsteady_listened_ms, g.stepped_listened_ms, g.stepped_back_listened_ms, g.stepped_back_to';
export const READ_LISTENING = `SELECT ${LISTENING_COLUMNS} FROM listening AS g WHERE g.id = 1`;
/** The same with the generation floor of the site; a line also where either row is missing. */
export const READ_LISTENING_AND_FLOOR = `
  SELECT ${LISTENING_COLUMNS}, COALESCE(s.generation_floor, 0) AS generation_floor
    FROM (SELECT 1 AS id) AS o
    LEFT JOIN listening AS g ON g.id = o.id
    LEFT JOIN site AS s ON s.id = o.id`;
/** Params: now, run ahead. */
export const BEGIN_LISTENING = 'INSERT INTO listening (id, listened_ms, noted_at, run_ahead_ms) VALUES (1, 0, ?, ?)';
/** Moves the clock on. Params: L, noted at, run ahead, L when unsteady, L of a step, L and wall time of a step back, the record that was read. Matches nothing when another replica was faster. */
export const MOVE_LISTENING = `
  UPDATE listening AS g
     SET g.listened_ms = ?, g.noted_at = ?, g.run_ahead_ms = ?, g.unsteady_listened_ms = ?, g.stepped_listened_ms = ?, g.stepped_back_listened_ms = ?, g.stepped_back_to = ?
   WHERE g.id = 1 AND g.noted_at = ?`;

/** Of some hosts, those whose rows no other transaction has locked. Param: host ids. */
export const LOCK_FREE_WITNESSES = `
  SELECT l.host_id
    FROM process_server_lease AS l FORCE INDEX (PRIMARY)
   STRAIGHT_JOIN process_server_health AS h FORCE INDEX (PRIMARY) ON h.host_id = l.host_id
   WHERE l.host_id IN (?)
     FOR UPDATE SKIP LOCKED`;
/** How many of them there are. Param: host ids. */
export const COUNT_WITNESSES = `
  SELECT COUNT(*) AS known
    FROM process_server_lease AS l
    JOIN process_server_health AS h ON h.host_id = l.host_id
   WHERE l.host_id IN (?)`;

/** No host has this id. */
const NO_HOST = '';
const NO_DIGEST = '00000000000000000000000000000000';

/**
 * Writes as a heartbeat with load, report and a change of version does, to every table that heartbeats write, without changing a row:
 * what keeps all heartbeats from being committed (a locked table, no space for temporary tables) fails these, too.
 */
export function heartbeatProof(now: Date): Statement[] {
  const lease = JSON.stringify([[NO_HOST, NO_DIGEST, 0, 0, null]]);
  return [
    { sql: RENEW_AS_BEFORE, parameters: [lease, ...keptHeartbeat(now), 0, 0] },
    writeLoads([[NO_HOST, 0, 0, null, null, null, null, null, null, null]], now),
    writeReports([[NO_HOST, null, null, null, null, null]], now),
    {
      sql: 'UPDATE process_server AS p SET p.agent_version = p.agent_version WHERE p.host_id = ?',
      parameters: [NO_HOST],
    },
    { sql: 'UPDATE event AS e SET e.kind = e.kind WHERE e.id = ?', parameters: [NO_HOST] },
    { sql: 'UPDATE fleet_tally AS t SET t.entries = t.entries WHERE t.id = 0', parameters: [] },
  ];
}

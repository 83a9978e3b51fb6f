import { HEALTH_WINDOW_MS } from '@app/fleet';
import type { Statement } from '../database.js';
import { AVAILABILITY_CLOCK, type SITE } from '../entities/fleet-tables.js';
import type { Nullable, RowOf } from '../entities/table.js';
import { updateLoadReports, updateStatusReports } from './heartbeat-rows.js';
import { lastHeartbeatParameters, RENEW_UNCHANGED_LEASES } from './leases.js';

/** The single row of the availability clock. It is absent until the first record. */
const AVAILABILITY = AVAILABILITY_CLOCK.omit('id');
export type AvailabilityRow = RowOf<typeof AVAILABILITY>;
export type AvailabilityAndFloorRow = Nullable<AvailabilityRow & Pick<RowOf<typeof SITE>, 'generation_floor'>>;
const AVAILABILITY_COLUMNS = AVAILABILITY.of('g');
export const READ_AVAILABILITY = `SELECT ${AVAILABILITY_COLUMNS} FROM availability_clock AS g WHERE g.id = 1`;
/** The same with the generation floor of the site. Returns a row even if either row is absent. */
export const READ_AVAILABILITY_AND_FLOOR = `
  SELECT ${AVAILABILITY_COLUMNS}, s.generation_floor
    FROM (SELECT 1 AS id) AS o
    LEFT JOIN availability_clock AS g ON g.id = o.id
    LEFT JOIN site AS s ON s.id = o.id`;
/** Advances the clock. Params: columns, recorded at as read before. Matches nothing when another replica was first. */
export const ADVANCE_AVAILABILITY = 'UPDATE availability_clock AS g SET ? WHERE g.id = 1 AND g.recorded_at = ?';

/** Locks the rows of these hosts that no other transaction has locked. Param: host ids. */
export const LOCK_WITNESSES_SKIP_LOCKED = `
  SELECT l.host_id
    FROM process_server_lease AS l FORCE INDEX (PRIMARY)
   STRAIGHT_JOIN process_server_health AS h FORCE INDEX (PRIMARY) ON h.host_id = l.host_id
   WHERE l.host_id IN (?)
     FOR UPDATE SKIP LOCKED`;
/** How many of these hosts still have both rows. Param: host ids. */
export const COUNT_WITNESSES = `
  SELECT COUNT(*) AS known
    FROM process_server_lease AS l
    JOIN process_server_health AS h ON h.host_id = l.host_id
   WHERE l.host_id IN (?)`;

/** No host has this id. */
const NO_HOST = '';
const NO_FINGERPRINT = '00000000000000000000000000000000';

/**
 * Statements that write to every table that heartbeats write, without a change of any row. Whatever prevents the commit of all
 * heartbeats (a locked table, no space for temporary tables) makes them fail too.
 */
export function heartbeatProbe(now: Date): Statement[] {
  const moment = { at: now, availableMs: 0 };
  const lease = JSON.stringify([[NO_HOST, NO_FINGERPRINT, 0, 0, null]]);
  return [
    { sql: RENEW_UNCHANGED_LEASES, parameters: [lease, ...lastHeartbeatParameters(now), 0, 0] },
    updateLoadReports([[NO_HOST, 0, 0, 0, null, null, null, null, null, null, null]], moment, HEALTH_WINDOW_MS),
    updateStatusReports([[NO_HOST, null, null, null, null, null, 0, null]], moment, HEALTH_WINDOW_MS),
    {
      sql: 'UPDATE process_server AS p SET p.agent_version = p.agent_version WHERE p.host_id = ?',
      parameters: [NO_HOST],
    },
    { sql: 'UPDATE event AS e SET e.kind = e.kind WHERE e.id = ?', parameters: [NO_HOST] },
    { sql: 'UPDATE fleet_counter_delta AS t SET t.entries = t.entries WHERE t.id = 0', parameters: [] },
  ];
}

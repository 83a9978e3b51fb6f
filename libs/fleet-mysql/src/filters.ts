import {
  CERTIFICATE_WARNING_MS,
  earliestSupported,
  HEALTH_WINDOW_MS,
  nameKey,
  reportsAheadFrom,
  statusRank,
  versionKey,
  type FleetFilter,
  type Health,
  type Version,
} from '@app/fleet';
import { isDuplicatedSql } from './duplicates.js';
import { byCandidates, byIndex, type FilterCondition } from './access-path.js';
import { fragment, type Fragment } from './fragment.js';
import { loadSlotOf } from './statements/heartbeat-rows.js';

/** The instant that a read is true for. */
export interface AsOf {
  readonly at: Date;
  /** L at `at`. */
  readonly listenedMs: number;
}

const before = ({ at }: AsOf, ms: number): Date => new Date(at.getTime() - ms);

/** `healthAt` of the rules, over `p`, `l` and `h`. */
export function healthSql(asOf: AsOf): Fragment {
  const windowStart = before(asOf, HEALTH_WINDOW_MS);
  const aheadFrom = reportsAheadFrom(asOf.at);
  const window = [windowStart, aheadFrom];
  const fresh = (reportedAt: string): string => `(h.${reportedAt} > ? AND h.${reportedAt} < ?)`;
  const freshLoad = (status: 'Healthy' | 'Warning' | 'Critical'): string =>
    `(h.load_rank = ${statusRank(status)} AND ${fresh('load_reported_at')})`;
  const freshCertificate = (ends: string): string =>
    `(h.certificate_expires_at ${ends} AND ${fresh('certificate_reported_at')})`;
  return fragment(
    `CASE
       WHEN p.decommissioned_at IS NOT NULL THEN 'None'
       WHEN l.heard_listened_ms <= ? THEN 'Critical'
       WHEN l.ends_listened_ms <= ? THEN 'None'
       WHEN ${freshLoad('Critical')} OR ${freshCertificate('<= ?')} THEN 'Critical'
       WHEN ${freshLoad('Warning')} OR ${freshCertificate('< ?')} OR (h.services_down_at <= ? AND ${fresh('services_reported_at')}) THEN 'Warning'
       WHEN ${freshLoad('Healthy')} THEN 'Normal'
       ELSE 'None'
     END`,
    asOf.listenedMs - HEALTH_WINDOW_MS,
    asOf.listenedMs,
    ...window,
    asOf.at,
    ...window,
    ...window,
    before(asOf, -CERTIFICATE_WARNING_MS),
    ...window,
    windowStart,
    ...window,
    ...window,
  );
}

/**
 * Where those are found who may be in this health, each by an index: nobody who is in it is left out, and a few who are not
 * are among them. The Normal are the others.
 */
export function healthCandidates(health: Exclude<Health, 'Normal'>, asOf: AsOf): Fragment[] {
  const windowStart = before(asOf, HEALTH_WINDOW_MS);
  const slot = loadSlotOf(windowStart);
  const some = (table: string, index: string, condition: string, ...parameters: unknown[]): Fragment =>
    fragment(`FROM ${table} AS x FORCE INDEX (${index}) WHERE ${condition}`, ...parameters);
  const unwell = (index: string, condition: string, ...parameters: unknown[]): Fragment =>
    some('process_server_health', index, condition, ...parameters);
  switch (health) {
    case 'Critical':
      return [
        some('process_server_lease', 'by_heard', 'x.heard_listened_ms <= ?', asOf.listenedMs - HEALTH_WINDOW_MS),
        unwell('by_load', 'x.load_rank = ? AND x.load_slot >= ?', statusRank('Critical'), slot),
        unwell('by_certificate', 'x.certificate_expires_at <= ?', asOf.at),
      ];
    case 'Warning':
      return [
        unwell('by_load', 'x.load_rank = ? AND x.load_slot >= ?', statusRank('Warning'), slot),
        unwell('by_certificate', 'x.certificate_expires_at < ?', before(asOf, -CERTIFICATE_WARNING_MS)),
        unwell('by_services', 'x.services_down_at <= ?', windowStart),
      ];
    case 'None':
      return [
        some('process_server', 'by_decommission', 'x.decommissioned_at IS NOT NULL'),
        // A lease ends after the last sign of life, or moments before when it is ended at once: those whose lease ended longer ago are Critical, or decommissioned.
        some(
          'process_server_lease',
          'by_end',
          'x.ends_listened_ms > ? AND x.ends_listened_ms <= ?',
          asOf.listenedMs - 2 * HEALTH_WINDOW_MS,
          asOf.listenedMs,
        ),
        unwell('by_load', 'x.load_rank = 0'),
        unwell('by_load', 'x.load_rank IN (1, 2, 3) AND x.load_slot <= ?', slot),
        unwell('by_load', 'x.load_rank IN (1, 2, 3) AND x.load_slot >= ?', loadSlotOf(reportsAheadFrom(asOf.at))),
      ];
  }
}

/** The keys of the earliest and the latest version that is Supported. */
export const supportedKeys = (ours: Version): [string, string] => [
  versionKey(earliestSupported(ours)),
  versionKey(ours),
];

function versionCondition(status: NonNullable<FleetFilter['versionStatus']>, ours: Version): Fragment {
  const window = supportedKeys(ours);
  switch (status) {
    case 'Supported':
      return fragment('p.version_key BETWEEN ? AND ?', ...window);
    case 'NotSupported':
      return fragment('(p.version_key < ? OR p.version_key > ?)', ...window);
    default:
      return fragment('FALSE'); // no release is marked yet
  }
}

/** That a column of name keys begins with the key of a prefix. */
export const namePrefix = (column: string, prefix: string): Fragment =>
  fragment(`${column} LIKE ?`, likePrefix(nameKey(prefix)));

const likePrefix = (text: string): string => `${text.replace(/[\\%_]/g, (sign) => `\\${sign}`)}%`;

/** The conditions of a filter, each written so that an index can serve it. The same rules as the computed states above. */
export function filterConditions(filter: FleetFilter, asOf: AsOf, ours: Version): FilterCondition[] {
  const conditions: FilterCondition[] = [];
  if (filter.connectionState) {
    conditions.push(
      byIndex(
        'l',
        'by_end',
        fragment(`l.ends_listened_ms ${filter.connectionState === 'Connected' ? '>' : '<='} ?`, asOf.listenedMs),
      ),
    );
  }
  if (filter.lifecycle)
    conditions.push(
      byIndex(
        'p',
        'by_decommission',
        fragment(`p.decommissioned_at IS ${filter.lifecycle === 'Registered' ? '' : 'NOT '}NULL`),
      ),
    );
  if (filter.versionStatus) conditions.push(byIndex('p', 'by_version', versionCondition(filter.versionStatus, ours)));
  if (filter.health) {
    const { sql, parameters } = healthSql(asOf);
    const found = filter.health === 'Normal' ? [] : healthCandidates(filter.health, asOf);
    conditions.push(byCandidates(found, fragment(`${sql} = ?`, ...parameters, filter.health)));
  }
  if (filter.ipAddress !== undefined)
    conditions.push(byIndex('p', 'by_address', fragment('p.ip_address = ?', filter.ipAddress), true));
  if (filter.friendlyName !== undefined)
    conditions.push(byIndex('p', 'by_name', namePrefix('p.name_key', filter.friendlyName)));
  if (filter.machineId !== undefined)
    conditions.push(byIndex('p', 'by_machine', fragment('p.machine_id = ?', filter.machineId), true));
  if (filter.possibleDuplicate !== undefined)
    conditions.push(byCandidates([], fragment(`${filter.possibleDuplicate ? '' : 'NOT '}${isDuplicatedSql('p')}`)));
  if (filter.passphraseId !== undefined)
    conditions.push(byIndex('p', 'by_passphrase', fragment('p.passphrase_id = ?', filter.passphraseId), true));
  if (filter.neverConnected)
    conditions.push(byIndex('l', 'by_never_connected', fragment('l.never_connected = 1'), true));
  if (filter.silentForSeconds !== undefined) {
    conditions.push(
      byIndex('l', 'by_heard', fragment('l.heard_listened_ms <= ?', asOf.listenedMs - filter.silentForSeconds * 1000)),
    );
  }
  return conditions;
}

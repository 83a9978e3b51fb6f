import {
  CERTIFICATE_WARNING_MS,
  nameKey,
  statusRank,
  type FleetFilter,
  type Health,
  type Moment,
  type VersionRules,
} from '@app/fleet';
import { duplicateConditionSql } from './duplicate-condition.js';
import { candidateCondition, indexCondition, type FilterCondition } from './access-paths.js';
import { versionCondition } from './version-conditions.js';
import { sqlFragment, type SqlFragment } from './sql-fragment.js';
import { loadReportBucketOf } from '../statements/heartbeat-rows.js';

/** `healthAt` of the rules in SQL, on the aliases `p`, `l` and `h`. Reports are valid, and silence is short, within the window. */
export function healthSql({ at, availableMs }: Moment, windowMs: number): SqlFragment {
  const windowStart = availableMs - windowMs;
  const fresh = (report: string): string => `h.${report}_available_ms > ?`;
  const freshLoad = (status: 'Healthy' | 'Warning' | 'Critical'): string =>
    `(h.load_severity = ${statusRank(status)} AND ${fresh('load')})`;
  const freshCertificate = (ends: string): string => `(h.certificate_expires_at ${ends} AND ${fresh('certificate')})`;
  return sqlFragment(
    `CASE
       WHEN p.decommissioned_at IS NOT NULL THEN 'None'
       WHEN l.expires_available_ms <= ? THEN IF(l.last_seen_available_ms <= ?, 'Critical', 'None')
       WHEN ${freshLoad('Critical')} OR ${freshCertificate('<= ?')} THEN 'Critical'
       WHEN ${freshLoad('Warning')} OR ${freshCertificate('< ?')} OR (h.services_raised = 1 AND ${fresh('services')}) THEN 'Warning'
       WHEN ${freshLoad('Healthy')} THEN 'Normal'
       ELSE 'None'
     END`,
    availableMs,
    windowStart,
    windowStart,
    at,
    windowStart,
    windowStart,
    new Date(at.getTime() + CERTIFICATE_WARNING_MS),
    windowStart,
    windowStart,
    windowStart,
  );
}

/**
 * Index scans that find every entry of this health, and a few others. Normal has none: it is the remainder.
 */
export function healthCandidates(
  health: Exclude<Health, 'Normal'>,
  { at, availableMs }: Moment,
  windowMs: number,
): SqlFragment[] {
  const windowStart = availableMs - windowMs;
  const bucket = loadReportBucketOf(windowStart);
  const indexScan = (table: string, index: string, condition: string, ...parameters: unknown[]): SqlFragment =>
    sqlFragment(`FROM ${table} AS x FORCE INDEX (${index}) WHERE ${condition}`, ...parameters);
  const healthScan = (index: string, condition: string, ...parameters: unknown[]): SqlFragment =>
    indexScan('process_server_health', index, condition, ...parameters);
  switch (health) {
    case 'Critical':
      return [
        indexScan('process_server_lease', 'ix_last_seen', 'x.last_seen_available_ms <= ?', windowStart),
        healthScan('ix_load', 'x.load_severity = ? AND x.load_report_bucket >= ?', statusRank('Critical'), bucket),
        healthScan('ix_certificate_expiry', 'x.certificate_expires_at <= ?', at),
      ];
    case 'Warning':
      return [
        healthScan('ix_load', 'x.load_severity = ? AND x.load_report_bucket >= ?', statusRank('Warning'), bucket),
        healthScan(
          'ix_certificate_expiry',
          'x.certificate_expires_at < ?',
          new Date(at.getTime() + CERTIFICATE_WARNING_MS),
        ),
        // Services that are raised have been down since a stored time.
        healthScan('ix_services_down', 'x.services_down_at IS NOT NULL'),
      ];
    case 'None':
      return [
        indexScan('process_server', 'ix_decommissioned_at', 'x.decommissioned_at IS NOT NULL'),
        // A lease ends shortly before last seen at the earliest. If it ended longer ago, the entry is Critical or decommissioned.
        indexScan(
          'process_server_lease',
          'ix_lease_expiry',
          'x.expires_available_ms > ? AND x.expires_available_ms <= ?',
          availableMs - 2 * windowMs,
          availableMs,
        ),
        healthScan('ix_load', 'x.load_severity = 0'),
        healthScan('ix_load', 'x.load_severity IN (1, 2, 3) AND x.load_report_bucket <= ?', bucket),
      ];
  }
}

/** Matches name keys that begin with the key of the prefix. */
export const namePrefix = (column: string, prefix: string): SqlFragment =>
  sqlFragment(`${column} LIKE ?`, likePrefix(nameKey(prefix)));

const likePrefix = (text: string): string => `${text.replace(/[\\%_]/g, (sign) => `\\${sign}`)}%`;

/** The conditions of a filter, each in a form that an index can serve, by the same rules as the computed states. */
export function filterConditions(
  filter: FleetFilter,
  asOf: Moment,
  rules: VersionRules,
  healthWindowMs: number,
): FilterCondition[] {
  const conditions: FilterCondition[] = [];
  if (filter.connectionState) {
    conditions.push(
      indexCondition(
        'l',
        'ix_lease_expiry',
        sqlFragment(
          `l.expires_available_ms ${filter.connectionState === 'Connected' ? '>' : '<='} ?`,
          asOf.availableMs,
        ),
      ),
    );
  }
  if (filter.lifecycle)
    conditions.push(
      indexCondition(
        'p',
        'ix_decommissioned_at',
        sqlFragment(`p.decommissioned_at IS ${filter.lifecycle === 'Registered' ? '' : 'NOT '}NULL`),
      ),
    );
  if (filter.versionStatus)
    conditions.push(indexCondition('p', 'ix_version_key', versionCondition(filter.versionStatus, rules, asOf.at)));
  if (filter.health) {
    const { sql, parameters } = healthSql(asOf, healthWindowMs);
    const found = filter.health === 'Normal' ? [] : healthCandidates(filter.health, asOf, healthWindowMs);
    conditions.push(candidateCondition(found, sqlFragment(`${sql} = ?`, ...parameters, filter.health)));
  }
  if (filter.ipAddress !== undefined)
    conditions.push(indexCondition('p', 'ix_ip_address', sqlFragment('p.ip_address = ?', filter.ipAddress), true));
  if (filter.friendlyName !== undefined)
    conditions.push(indexCondition('p', 'ix_name_key', namePrefix('p.name_key', filter.friendlyName)));
  if (filter.machineId !== undefined)
    conditions.push(indexCondition('p', 'ix_machine_id', sqlFragment('p.machine_id = ?', filter.machineId), true));
  if (filter.possibleDuplicate !== undefined)
    conditions.push(
      candidateCondition([], sqlFragment(`${filter.possibleDuplicate ? '' : 'NOT '}${duplicateConditionSql('p')}`)),
    );
  if (filter.passphraseId !== undefined)
    conditions.push(
      indexCondition('p', 'ix_passphrase', sqlFragment('p.passphrase_id = ?', filter.passphraseId), true),
    );
  if (filter.enrolmentId !== undefined)
    conditions.push(indexCondition('p', 'ix_enrolment', sqlFragment('p.enrolment_id = ?', filter.enrolmentId), true));
  if (filter.neverConnected)
    conditions.push(indexCondition('l', 'ix_never_connected', sqlFragment('l.never_connected = 1'), true));
  if (filter.silentForSeconds !== undefined) {
    conditions.push(
      indexCondition(
        'l',
        'ix_last_seen',
        sqlFragment('l.last_seen_available_ms <= ?', asOf.availableMs - filter.silentForSeconds * 1000),
      ),
    );
  }
  return conditions;
}

import { osKeyOf, parseVersion, versionKey, type OsKey, type ProcessServer } from '@app/fleet';
import type { Statement } from '../database.js';
import { COUNTER_DELTA } from '../entities/fleet-tables.js';
import type { RowOf } from '../entities/table.js';

/** Number of entries of one version, operating system and lifecycle. */
export type CounterRow = Omit<RowOf<typeof COUNTER_DELTA>, 'id'>;

/** The counters: sums of the deltas. Without the cast, sums would be decimals. */
export const READ_COUNTERS = `
  SELECT t.version_key, t.os_key, t.decommissioned, CAST(SUM(t.entries) AS SIGNED) AS entries
    FROM fleet_counter_delta AS t
   GROUP BY t.version_key, t.os_key, t.decommissioned`;

export const COUNT_ENTRIES =
  'SELECT CAST(COALESCE(SUM(t.entries), 0) AS SIGNED) AS entries FROM fleet_counter_delta AS t';

/**
 * The differences between entries and counters, in one consistent read. Decommissioned entries are few; the others are counted
 * in an index, without a read of their rows.
 */
export const READ_COUNTER_DIFFERENCES = `
  SELECT x.version_key, x.os_key, x.decommissioned, CAST(SUM(x.entries) AS SIGNED) AS entries
    FROM (SELECT p.version_key, p.os_key, 0 AS decommissioned, COUNT(*) AS entries FROM process_server AS p FORCE INDEX (ix_version_key) GROUP BY p.version_key, p.os_key
          UNION ALL
          SELECT q.version_key, q.os_key, 0, -COUNT(*) FROM process_server AS q FORCE INDEX (ix_decommissioned_at) WHERE q.decommissioned_at IS NOT NULL GROUP BY q.version_key, q.os_key
          UNION ALL
          SELECT r.version_key, r.os_key, 1, COUNT(*) FROM process_server AS r FORCE INDEX (ix_decommissioned_at) WHERE r.decommissioned_at IS NOT NULL GROUP BY r.version_key, r.os_key
          UNION ALL
          SELECT t.version_key, t.os_key, t.decommissioned, -t.entries FROM fleet_counter_delta AS t) AS x
   GROUP BY x.version_key, x.os_key, x.decommissioned
  HAVING SUM(x.entries) <> 0`;

/** Every repair of the counters writes this row first, so that only one replica repairs them. Params: event id, now. */
export const LOCK_COUNTER_REPAIR = `
  INSERT INTO shared_secret (name, value, created_at) VALUES ('fleet_counter_delta', ?, ?)
  ON DUPLICATE KEY UPDATE value = VALUES(value), created_at = VALUES(created_at)`;

/** Locks rows to compact, without rows that another transaction has locked. Param: limit. */
export const LOCK_COUNTER_ROWS =
  'SELECT t.id, t.version_key, t.os_key, t.decommissioned, t.entries FROM fleet_counter_delta AS t ORDER BY t.id LIMIT ? FOR UPDATE SKIP LOCKED';
/** Param: ids of locked rows. */
export const DELETE_COUNTER_ROWS =
  'DELETE t FROM fleet_counter_delta AS t FORCE INDEX (PRIMARY) WHERE t.id IN (?) AND t.entries IS NOT NULL';

export function versionKeyOf(agentVersion: string): string {
  const version = parseVersion(agentVersion);
  return version ? versionKey(version) : '';
}

/** The changes of the counters by one transaction. */
export class CounterDelta {
  private readonly changes = new Map<string, CounterRow>();

  /** Adds `by` entries of this version key, operating system and lifecycle. */
  add(version: string, os: OsKey, isDecommissioned: boolean, by: number): void {
    const decommissioned = Number(isDecommissioned);
    const key = `${version} ${os} ${decommissioned}`;
    this.changes.set(key, {
      version_key: version,
      os_key: os,
      decommissioned,
      entries: by + (this.changes.get(key)?.entries ?? 0),
    });
  }

  addEntry({ facts, decommission }: ProcessServer, by: number): void {
    this.add(versionKeyOf(facts.agentVersion), osKeyOf(facts.osType), decommission !== null, by);
  }

  get rows(): CounterRow[] {
    return [...this.changes.values()].filter(({ entries }) => entries !== 0);
  }

  statements(): Statement[] {
    const { rows } = this;
    return rows.length > 0 ? [COUNTER_DELTA.insert(rows)] : [];
  }
}

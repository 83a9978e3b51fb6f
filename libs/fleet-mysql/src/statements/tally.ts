import { parseVersion, versionKey, type ProcessServer } from '@app/fleet';
import type { Statement } from '../database.js';

/** A number of entries of one version and lifecycle. */
export interface TallyRow {
  readonly version_key: string;
  readonly decommissioned: number;
  readonly entries: number;
}

/** What the rows of the tally say: how many entries there are. Sums are decimals unless they are cast. */
export const READ_TALLY = `
  SELECT t.version_key, t.decommissioned, CAST(SUM(t.entries) AS SIGNED) AS entries
    FROM fleet_tally AS t
   GROUP BY t.version_key, t.decommissioned`;

export const COUNT_ENTRIES = 'SELECT CAST(COALESCE(SUM(t.entries), 0) AS SIGNED) AS entries FROM fleet_tally AS t';

const INSERT_TALLY = 'INSERT INTO fleet_tally (version_key, decommissioned, entries) VALUES ?';
/** Rows to be added up, but for those that somebody else holds. Param: limit. */
export const LOCK_TALLY_ROWS = 'SELECT t.id, t.version_key, t.decommissioned, t.entries FROM fleet_tally AS t ORDER BY t.id LIMIT ? FOR UPDATE SKIP LOCKED';
/** Param: ids that are held. */
export const DELETE_TALLY_ROWS = 'DELETE t FROM fleet_tally AS t FORCE INDEX (PRIMARY) WHERE t.id IN (?) AND t.entries IS NOT NULL';

export function versionKeyOf(agentVersion: string): string {
  const version = parseVersion(agentVersion);
  return version ? versionKey(version) : '';
}

/** What one transaction changes in the number of entries. */
export class TallyChange {
  private readonly changes = new Map<string, TallyRow>();

  /** `by` entries more of the version with this key, and of this lifecycle. */
  add(version: string, isDecommissioned: boolean, by: number): void {
    const decommissioned = Number(isDecommissioned);
    const key = `${version} ${decommissioned}`;
    this.changes.set(key, { version_key: version, decommissioned, entries: by + (this.changes.get(key)?.entries ?? 0) });
  }

  addEntry({ facts, decommission }: ProcessServer, by: number): void {
    this.add(versionKeyOf(facts.agentVersion), decommission !== null, by);
  }

  get rows(): TallyRow[] {
    return [...this.changes.values()].filter(({ entries }) => entries !== 0);
  }

  statements(): Statement[] {
    const { rows } = this;
    return rows.length > 0 ? [{ sql: INSERT_TALLY, parameters: [rows.map((row) => [row.version_key, row.decommissioned, row.entries])] }] : [];
  }
}

import { parseVersionKey, type Clock, type InstalledVersion, type ListedServer, type Moment } from '@app/fleet';
import type { Database } from '../database.js';
import { READ_COUNTERS, type CounterRow } from '../statements/counters.js';
import { LISTED_COLUMNS, toListedServer, type ListedRow } from '../statements/rows.js';
import { readMoment } from '../stores/availability-clock-store.js';

/** Params: host id, limit. */
const READ_PAGE = `
  SELECT ${LISTED_COLUMNS}
    FROM process_server AS p FORCE INDEX (PRIMARY)
   STRAIGHT_JOIN process_server_lease AS l ON l.host_id = p.host_id
   STRAIGHT_JOIN process_server_health AS h ON h.host_id = p.host_id
   WHERE p.host_id > ?
   ORDER BY p.host_id
   LIMIT ?`;

/** The installed versions: of a page of process servers, and of all by number. */
export class UpgradeReadinessQuery {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
  ) {}

  /** A page of all entries in order of host id. */
  async fetchPage(
    limit: number,
    after: string,
  ): Promise<{ readonly items: ListedServer[]; readonly next: string | null; readonly asOf: Moment }> {
    const asOf = await readMoment(this.database, this.clock);
    const rows = await this.database.rows<ListedRow>(READ_PAGE, [after, limit + 1]);
    const items = rows.slice(0, limit).map(toListedServer);
    return { items, next: rows.length > limit ? (items.at(-1)?.hostId ?? null) : null, asOf };
  }

  /** The number of entries of each version, operating system and lifecycle, from the counters. */
  async countVersions(): Promise<(InstalledVersion & { readonly count: number })[]> {
    const rows = await this.database.rows<CounterRow>(READ_COUNTERS);
    return rows.map(({ version_key, os_key, decommissioned, entries }) => ({
      version: parseVersionKey(version_key),
      osKey: os_key,
      lifecycle: decommissioned ? 'Decommissioned' : 'Registered',
      count: entries,
    }));
  }
}

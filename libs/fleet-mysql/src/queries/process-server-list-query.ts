import {
  HEALTH_WINDOW_MS,
  type Clock,
  type FleetFilter,
  type ListedServer,
  type LocalAvailabilityClock,
  type Moment,
  type VersionRules,
  type VersionRuleSource,
} from '@app/fleet';
import type { Database, Statement } from '../database.js';
import {
  hostIdScan,
  chooseStart,
  orderedScan,
  fromClause,
  joinOrder,
  PAGE_LIMITS,
  type Alias,
  type FilterCondition,
  type PageLimits,
  type DrivingTable,
} from './access-paths.js';
import { duplicateConditionSql } from './duplicate-condition.js';
import { filterConditions, namePrefix } from './filter-conditions.js';
import type { SqlFragment } from './sql-fragment.js';
import { readMoment } from '../stores/availability-clock-store.js';
import { LISTED_COLUMNS, toListedServer, type ListedRow } from '../statements/rows.js';
import type { PendingWrites } from '../pending-writes.js';

export type SortKey = 'hostId' | 'friendlyName' | 'lastHeartbeat';

/** A keyset position: sort value and host id of the last entry of a page. */
export interface KeysetPosition {
  readonly after: string | number;
  readonly hostId: string;
}

export interface ListOptions {
  readonly sort: SortKey;
  readonly filter: FleetFilter;
  readonly limit: number;
  readonly position: KeysetPosition | null;
  /** Snapshot of the first page, null there: the end of pagination by last heartbeat, the valid names of pagination by name. */
  readonly snapshot: Moment | null;
}

/** An entry of a page. */
export interface PageItem extends ListedServer {
  /** Whether another entry has the same address, name or machine id. */
  readonly possibleDuplicate: boolean;
}

export interface Page {
  /** May be fewer than the limit, or none, even if a next page follows: a page examines a bounded number of entries. */
  readonly items: readonly PageItem[];
  /** Null on the last page. */
  readonly next: KeysetPosition | null;
  readonly asOf: Moment;
  /** The rules by which the page was filtered. */
  readonly rules: VersionRules;
  /** Snapshot for the following pages. */
  readonly snapshot: Moment;
}

interface Sort {
  /** The sort column, before the host id of the driving table; null for host id alone. */
  readonly column: string | null;
  readonly scan: (filters: readonly FilterCondition[]) => DrivingTable;
  /** Tables in addition to entry, lease and health. */
  readonly tables: readonly Alias[];
  /** Conditions on the sort column, covered by its index. */
  readonly range: (snapshot: Moment, filter: FleetFilter) => SqlFragment[];
  /** Further conditions of the snapshot. */
  readonly upperBound: (snapshot: Moment) => SqlFragment[];
}

const SORT_DEFINITIONS: Record<SortKey, Sort> = {
  hostId: { column: null, scan: hostIdScan, tables: [], range: () => [], upperBound: () => [] },
  friendlyName: {
    column: 'n.name_key',
    scan: () => orderedScan('n', 'ix_name_history_name'),
    tables: ['n'],
    // A prefix limits the scan to its names. A new name is found once it is valid.
    range: (_snapshot, { friendlyName }) =>
      friendlyName === undefined ? [] : [namePrefix('n.name_key', friendlyName)],
    upperBound: ({ at }) => [
      { sql: 'n.valid_from <= ? AND (n.valid_until IS NULL OR n.valid_until > ?)', parameters: [at, at] },
    ],
  },
  lastHeartbeat: {
    column: 'l.last_seen_available_ms',
    scan: () => orderedScan('l', 'ix_last_seen'),
    tables: [],
    range: ({ availableMs }) => [{ sql: 'l.last_seen_available_ms <= ?', parameters: [availableMs] }],
    upperBound: () => [],
  },
};

function afterPosition(column: string | null, id: string, { after, hostId }: KeysetPosition): SqlFragment {
  if (column === null) return { sql: `${id} > ?`, parameters: [hostId] };
  return { sql: `(${column} > ? OR (${column} = ? AND ${id} > ?))`, parameters: [after, after, hostId] };
}

function upTo(column: string | null, id: string, { after, hostId }: KeysetPosition): SqlFragment {
  if (column === null) return { sql: `${id} <= ?`, parameters: [hostId] };
  return { sql: `(${column} < ? OR (${column} = ? AND ${id} <= ?))`, parameters: [after, after, hostId] };
}

type PageRow = ListedRow & { readonly sort_value: string | number; readonly duplicated: number };

/** Pages of the fleet. Every page is correct as of its `asOf`. */
export class ProcessServerListQuery {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly versions: VersionRuleSource,
    private readonly pendingWrites: PendingWrites,
    private readonly availabilityClock: LocalAvailabilityClock | null = null,
    private readonly healthWindowMs = HEALTH_WINDOW_MS,
    private readonly limits: PageLimits = PAGE_LIMITS,
  ) {}

  /** The replica's local availability clock while it is current; otherwise the row is read. */
  async asOf(): Promise<Moment> {
    return this.availabilityClock?.isCurrent ? this.availabilityClock.moment : readMoment(this.database, this.clock);
  }

  async fetchPage({ sort, filter, limit, position, snapshot }: ListOptions): Promise<Page> {
    const asOf = await this.asOf();
    const safeSnapshot = { ...asOf, availableMs: this.pendingWrites.safeUpperBound(asOf.availableMs) };
    const { range, upperBound } = SORT_DEFINITIONS[sort];
    const { maxCollectedByHostId, maxCollectedOtherwise } = this.limits;
    const rules = await this.versions.current();
    const filters = filterConditions(filter, asOf, rules, this.healthWindowMs);
    const scan = SORT_DEFINITIONS[sort].scan(filters);
    const drivingTable = await chooseStart(
      this.database,
      filters,
      scan,
      sort === 'hostId' ? maxCollectedByHostId : maxCollectedOtherwise,
    );
    const rangeConditions = range(snapshot ?? asOf, filter);
    const mayBeLong = drivingTable === scan && filters.some((condition) => condition.drivingTable !== scan);
    const end = mayBeLong
      ? await this.findPageEnd(drivingTable, SORT_DEFINITIONS[sort], rangeConditions, position)
      : null;
    const { sql, parameters } = pageStatement(
      drivingTable,
      SORT_DEFINITIONS[sort],
      joinOrder(filters),
      [...filters, ...rangeConditions, ...upperBound(snapshot ?? asOf)],
      { position, end },
      limit + 1,
    );
    const rows = await this.database.rows<PageRow>(sql, parameters);
    const visible = rows.slice(0, limit);
    const last = visible.at(-1);
    const next = rows.length > limit && last ? { after: last.sort_value, hostId: last.host_id } : end;
    return {
      items: visible.map((row) => Object.assign(toListedServer(row), { possibleDuplicate: row.duplicated === 1 })),
      next,
      asOf,
      rules,
      snapshot: snapshot ?? safeSnapshot,
    };
  }

  /** Where a page in its sort order ends even if it is not full; null when fewer entries are left. */
  private async findPageEnd(
    drivingTable: DrivingTable,
    { column }: Sort,
    rangeConditions: readonly SqlFragment[],
    position: KeysetPosition | null,
  ): Promise<KeysetPosition | null> {
    const id = `${drivingTable.alias}.host_id`;
    const { sql, parameters } = drivingTable.probes[0] ?? {
      sql: `FROM ${drivingTable.from.sql} WHERE TRUE`,
      parameters: [],
    };
    const all = [...rangeConditions, ...(position ? [afterPosition(column, id, position)] : [])];
    const [row] = await this.database.rows<{ sort_value: string | number; host_id: string }>(
      `SELECT ${column ?? id} AS sort_value, ${id} AS host_id ${[sql, ...all.map((condition) => condition.sql)].join(' AND ')}
        ORDER BY ${column ? `${column}, ` : ''}${id}
        LIMIT 1 OFFSET ${this.limits.maxScanned - 1}`,
      [...parameters, ...all.flatMap((condition) => condition.parameters)],
    );
    return row ? { after: row.sort_value, hostId: row.host_id } : null;
  }
}

/** A page shows entries after `position`, up to and including `end`. */
interface PageRange {
  readonly position: KeysetPosition | null;
  readonly end: KeysetPosition | null;
}

function pageStatement(
  drivingTable: DrivingTable,
  { column, tables }: Sort,
  first: readonly Alias[],
  conditions: readonly SqlFragment[],
  { position, end }: PageRange,
  limit: number,
): Statement {
  const from = fromClause(drivingTable, [...first, ...tables]);
  const id = `${drivingTable.alias}.host_id`;
  const all = [
    ...conditions,
    ...(position ? [afterPosition(column, id, position)] : []),
    ...(end ? [upTo(column, id, end)] : []),
  ];
  const where = all.length > 0 ? `WHERE ${all.map(({ sql }) => sql).join(' AND ')}` : '';
  return {
    sql: `SELECT e.*, ${duplicateConditionSql('e')} AS duplicated
         FROM (SELECT ${LISTED_COLUMNS}, p.name_key, p.machine_id, ${column ?? id} AS sort_value
                 ${from.sql}
                 ${where}
                ORDER BY ${column ? `${column}, ` : ''}${id}
                LIMIT ?) AS e
        ORDER BY e.sort_value, e.host_id`,
    parameters: [...from.parameters, ...all.flatMap(({ parameters }) => parameters), limit],
  };
}

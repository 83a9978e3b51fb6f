import { type Clock, type FleetFilter, type ListedServer, type ListeningClock, type Version } from '@app/fleet';
import type { Database, Statement } from './database.js';
import {
  byHostId,
  inOrderOf,
  joinedFrom,
  lookedUp,
  PAGE_LIMITS,
  Ways,
  type Alias,
  type FilterCondition,
  type PageLimits,
  type Start,
} from './access-path.js';
import { isDuplicatedSql } from './duplicates.js';
import { filterConditions, namePrefix, type AsOf } from './filters.js';
import type { Fragment } from './fragment.js';
import { Lately } from './lately.js';
import { readMoment } from './listening-store.js';
import { LISTED_COLUMNS, listedOf, type ListedRow } from './rows.js';
import type { StampsInFlight } from './stamps-in-flight.js';

export type SortKey = 'hostId' | 'friendlyName' | 'lastHeartbeat';

/** Where a walk stands: the sort value and host id of the last entry shown. */
export interface Position {
  readonly after: string | number;
  readonly hostId: string;
}

export interface PageOrder {
  readonly sort: SortKey;
  readonly filter: FleetFilter;
  readonly limit: number;
  readonly position: Position | null;
  /** What the first page says: a walk by last heartbeat ends there, one by name keeps to the names of then. Null on the first page. */
  readonly walkAsOf: AsOf | null;
}

/** One line of a page. */
export interface PageItem extends ListedServer {
  /** Whether another one has its address, its name or its machine id. */
  readonly possibleDuplicate: boolean;
}

export interface Page {
  /** Fewer than the limit, perhaps none, also where a next page follows: a page examines a bounded number of entries. */
  readonly items: readonly PageItem[];
  /** Null on the last page. */
  readonly next: Position | null;
  readonly asOf: AsOf;
  /** What the further pages keep to. */
  readonly walkAsOf: AsOf;
}

interface Sort {
  /** What the page is sorted by, before the host id of the table that it is read from. */
  readonly column: string | null;
  readonly inOrder: (filters: readonly FilterCondition[]) => Start;
  /** Tables besides entry, lease and health. */
  readonly tables: readonly Alias[];
  /** Which part of the order the walk goes through; its index covers it. */
  readonly range: (first: AsOf, filter: FleetFilter) => Fragment[];
  /** What else the walk keeps to. */
  readonly bound: (first: AsOf) => Fragment[];
}

const SORTS: Record<SortKey, Sort> = {
  hostId: { column: null, inOrder: byHostId, tables: [], range: () => [], bound: () => [] },
  friendlyName: {
    column: 'n.name',
    inOrder: () => inOrderOf('n', 'by_name'),
    tables: ['n'],
    // A walk through the names with a prefix begins there; an entry that has just been given such a name is found once that counts.
    range: (_first, { friendlyName }) => (friendlyName === undefined ? [] : [namePrefix('n.name', friendlyName)]),
    bound: ({ at }) => [{ sql: 'n.from_at <= ? AND (n.until_at IS NULL OR n.until_at > ?)', parameters: [at, at] }],
  },
  lastHeartbeat: {
    column: 'l.heard_listened_ms',
    inOrder: () => inOrderOf('l', 'by_heard'),
    tables: [],
    range: ({ listenedMs }) => [{ sql: 'l.heard_listened_ms <= ?', parameters: [listenedMs] }],
    bound: () => [],
  },
};

function afterPosition(column: string | null, id: string, { after, hostId }: Position): Fragment {
  if (column === null) return { sql: `${id} > ?`, parameters: [hostId] };
  return { sql: `(${column} > ? OR (${column} = ? AND ${id} > ?))`, parameters: [after, after, hostId] };
}

function upTo(column: string | null, id: string, { after, hostId }: Position): Fragment {
  if (column === null) return { sql: `${id} <= ?`, parameters: [hostId] };
  return { sql: `(${column} < ? OR (${column} = ? AND ${id} <= ?))`, parameters: [after, after, hostId] };
}

type PageRow = ListedRow & { readonly sort_value: string | number; readonly duplicated: number };

/** How long the way to a page is taken again without a look for a shorter one. */
const SAME_WAY_MS = 5_000;
/** A page that is not read within this by the way of before is read by the shortest: it has become a long one. */
const LONG_WAY_MS = 100;
/** How long the shortest is looked for each time after that: it may be as long itself. */
const LOOKED_FOR_MS = 60_000;

/** Reads of the whole fleet. Every answer is true for its `asOf`. */
export class FleetReader {
  /** By sort and filter. It may be wrong, and costs a page 100 ms then: for each sort and filter at most once a minute, and who asks meanwhile. */
  private readonly ways: Lately<number>;
  private readonly longWays: Lately<true>;

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly version: Version,
    private readonly stamps: StampsInFlight,
    private readonly listening: ListeningClock | null = null,
    private readonly limits: PageLimits = PAGE_LIMITS,
  ) {
    this.ways = new Lately(clock, SAME_WAY_MS);
    this.longWays = new Lately(clock, LOOKED_FOR_MS);
  }

  /** While it is current, this replica's own copy of the listening row says the same as the row. */
  async asOf(): Promise<AsOf> {
    const now = this.clock.now();
    if (this.listening?.isCurrent) return { at: now, listenedMs: this.listening.listenedMsAt(now) };
    const { now: at, listenedMs } = await readMoment(this.database, this.clock);
    return { at, listenedMs };
  }

  async page({ sort, filter, limit, position, walkAsOf }: PageOrder): Promise<Page> {
    const asOf = await this.asOf();
    const settled = { at: asOf.at, listenedMs: this.stamps.settled(asOf.listenedMs) };
    const { inOrder, range, bound } = SORTS[sort];
    const { collectedByHostId, collectedOtherwise } = this.limits;
    const filters = filterConditions(filter, asOf, this.version);
    const ways = new Ways(filters, inOrder(filters), sort === 'hostId' ? collectedByHostId : collectedOtherwise);
    const walk = range(walkAsOf ?? asOf, filter);
    const conditions: Fragment[] = [...filters, ...walk, ...bound(walkAsOf ?? asOf)];
    const tables = lookedUp(filters);
    const stretchOf = async (way: number): Promise<Position | null> =>
      ways.isInOrder(way) && filters.some(({ start }) => start !== ways.start(way))
        ? this.endOfStretch(ways.start(way), SORTS[sort], walk, position)
        : null;
    const statement = (way: number, end: Position | null): Statement =>
      pageStatement(ways.start(way), SORTS[sort], tables, conditions, { position, end }, limit + 1);
    const { rows, end } = await this.readByWay(JSON.stringify([sort, filter]), ways, limit, stretchOf, statement);
    const shown = rows.slice(0, limit);
    const last = shown.at(-1);
    const next = rows.length > limit && last ? { after: last.sort_value, hostId: last.host_id } : end;
    return {
      items: shown.map((row) => Object.assign(listedOf(row), { possibleDuplicate: row.duplicated === 1 })),
      next,
      asOf,
      walkAsOf: walkAsOf ?? settled,
    };
  }

  /** By the way of before, while it is a short one and fills the page. */
  private async readByWay(
    key: string,
    ways: Ways,
    limit: number,
    stretchOf: (way: number) => Promise<Position | null>,
    statement: (way: number, end: Position | null) => Statement,
  ): Promise<{ readonly rows: PageRow[]; readonly end: Position | null }> {
    const isTakenAgain = !ways.isOne && !this.longWays.get(key);
    const before = isTakenAgain ? this.ways.get(key) : undefined;
    let short: { readonly rows: PageRow[]; readonly end: Position | null } | null = null;
    if (before !== undefined) {
      const end = await stretchOf(before);
      const { sql, parameters } = statement(before, end);
      const rows = await this.database.rowsWithin<PageRow>(LONG_WAY_MS, sql, parameters);
      if (rows && (end === null || rows.length > limit)) return { rows, end };
      if (rows) short = { rows, end };
      else this.longWays.set(key, true);
    }
    const shortest = await ways.shortest(this.database);
    if (isTakenAgain) this.ways.set(key, shortest);
    if (short && shortest === before) return short;
    const end = await stretchOf(shortest);
    const { sql, parameters } = statement(shortest, end);
    return { rows: await this.database.rows<PageRow>(sql, parameters), end };
  }

  /** Where a page that walks in its order ends although it may not be full; null when fewer entries are left. */
  private async endOfStretch(
    start: Start,
    { column }: Sort,
    walk: readonly Fragment[],
    position: Position | null,
  ): Promise<Position | null> {
    const id = `${start.alias}.host_id`;
    const { sql, parameters } = start.looks[0] ?? { sql: `FROM ${start.from.sql} WHERE TRUE`, parameters: [] };
    const all = [...walk, ...(position ? [afterPosition(column, id, position)] : [])];
    const [row] = await this.database.rows<{ sort_value: string | number; host_id: string }>(
      `SELECT ${column ?? id} AS sort_value, ${id} AS host_id ${[sql, ...all.map((condition) => condition.sql)].join(' AND ')}
        ORDER BY ${column ? `${column}, ` : ''}${id}
        LIMIT 1 OFFSET ${this.limits.examinedInOrder - 1}`,
      [...parameters, ...all.flatMap((condition) => condition.parameters)],
    );
    return row ? { after: row.sort_value, hostId: row.host_id } : null;
  }
}

/** What a page shows lies after the position and no further than the end. */
interface Stretch {
  readonly position: Position | null;
  readonly end: Position | null;
}

function pageStatement(
  start: Start,
  { column, tables }: Sort,
  first: readonly Alias[],
  conditions: readonly Fragment[],
  { position, end }: Stretch,
  limit: number,
): Statement {
  const from = joinedFrom(start, [...first, ...tables]);
  const id = `${start.alias}.host_id`;
  const all = [
    ...conditions,
    ...(position ? [afterPosition(column, id, position)] : []),
    ...(end ? [upTo(column, id, end)] : []),
  ];
  const where = all.length > 0 ? `WHERE ${all.map(({ sql }) => sql).join(' AND ')}` : '';
  return {
    sql: `SELECT e.*, ${isDuplicatedSql('e')} AS duplicated
         FROM (SELECT ${LISTED_COLUMNS}, p.name_key, p.machine_id, ${column ?? id} AS sort_value
                 ${from.sql}
                 ${where}
                ORDER BY ${column ? `${column}, ` : ''}${id}
                LIMIT ?) AS e
        ORDER BY e.sort_value, e.host_id`,
    parameters: [...from.parameters, ...all.flatMap(({ parameters }) => parameters), limit],
  };
}

import type { Database } from './database.js';
import { fragment, type Fragment } from './fragment.js';

/** What bounds the work for a page. */
export interface PageLimits {
  /** Entries that a page examines at most when it walks in its order. */
  readonly examinedInOrder: number;
  /** Matches of one condition up to which a page by host id collects all: they are sorted, then looked up until the page is full. */
  readonly collectedByHostId: number;
  /** The same for the other orders, in which all are looked up before they are sorted. */
  readonly collectedOtherwise: number;
}

export const PAGE_LIMITS: PageLimits = { examinedInOrder: 3_000, collectedByHostId: 5_000, collectedOtherwise: 3_000 };

const TABLES = {
  p: 'process_server',
  l: 'process_server_lease',
  h: 'process_server_health',
  n: 'process_server_name',
} as const;
export type Alias = keyof typeof TABLES;

/** Where a query begins: what is read first, under the name by which the other tables are joined to it. */
export interface Start {
  readonly alias: Alias | 'c';
  readonly from: Fragment;
  /** Where else to look for how many it may find, `FROM` an index each; empty when it need not be asked. */
  readonly looks: readonly Fragment[];
}

/** A condition of a filter, and what finds those whom it lets through. */
export interface FilterCondition extends Fragment {
  readonly start: Start;
  /** It asks for one value of its index, where entries lie in the order of their host ids: a page by host id begins there. */
  readonly isInKeyOrder: boolean;
}

const indexOf = (alias: Alias, index: string): string => `${TABLES[alias]} AS ${alias} FORCE INDEX (${index})`;

/** A walk along an index, in the order of the page. */
export const inOrderOf = (alias: Alias, index: string): Start => ({
  alias,
  from: fragment(indexOf(alias, index)),
  looks: [],
});

export const byIndex = (
  alias: Alias,
  index: string,
  { sql, parameters }: Fragment,
  isInKeyOrder = false,
): FilterCondition => ({
  sql,
  parameters,
  start: {
    alias,
    from: fragment(indexOf(alias, index)),
    looks: [fragment(`FROM ${indexOf(alias, index)} WHERE ${sql}`, ...parameters)],
  },
  isInKeyOrder,
});

/** All that these find, `FROM` an index of some table `x` each. */
export const candidatesOf = (found: readonly Fragment[]): Fragment => ({
  sql: `(${found.map(({ sql }) => `SELECT x.host_id ${sql}`).join(' UNION ')}) AS c`,
  parameters: found.flatMap(({ parameters }) => parameters),
});

export const byCandidates = (found: readonly Fragment[], condition: Fragment): FilterCondition => ({
  ...condition,
  start: { alias: 'c', from: candidatesOf(found), looks: found },
  isInKeyOrder: false,
});

/** The way in the order of the page itself, which is taken when no condition is found; a condition's way is its number. */
const IN_ORDER = -1;

/**
 * A page is found in one of two ways, and never by reading the whole fleet: from the condition that lets only a few through, by
 * its indexes, sorted then; or along the order of the page, until it is full. The servers' own guess, from statistics that a
 * fleet's heartbeats outrun, took the first way for a million.
 */
export class Ways {
  private readonly starts: readonly Start[];
  private readonly looks: readonly Fragment[];

  constructor(
    conditions: readonly FilterCondition[],
    private readonly inOrder: Start,
    private readonly most = PAGE_LIMITS.collectedByHostId,
  ) {
    this.starts = conditions.map(({ start }) => start).filter((start) => start !== inOrder);
    this.looks = this.starts.flatMap(({ looks }, way) =>
      looks.map(({ sql, parameters }) =>
        fragment(
          `(SELECT ${way} AS way, COUNT(*) AS entries FROM (SELECT 1 ${sql} LIMIT ${most + 1}) AS found)`,
          ...parameters,
        ),
      ),
    );
  }

  /** There is only the page's own order. */
  get isOne(): boolean {
    return this.looks.length === 0;
  }

  /** Whether a way walks in the order of the page: how far is not known. */
  isInOrder(way: number): boolean {
    return this.starts[way] === undefined;
  }

  /** Where a way begins. */
  start(way: number): Start {
    return this.starts[way] ?? this.inOrder;
  }

  /**
   * From the condition with the fewest matches, unless each has too many. Counts no more entries of an index than may be collected,
   * and none for the condition that the page's own order begins with.
   */
  async shortest(database: Pick<Database, 'rows'>): Promise<number> {
    if (this.isOne) return IN_ORDER;
    const { looks } = this;
    const counts = await database.rows<{ way: number; entries: number }>(
      looks.map(({ sql }) => sql).join(' UNION ALL '),
      looks.flatMap(({ parameters }) => parameters),
    );
    const totals = new Map<number, number>();
    for (const { way, entries } of counts) totals.set(way, (totals.get(way) ?? 0) + entries);
    const [fewest] = [...totals].sort(([, a], [, b]) => a - b);
    return fewest && fewest[1] <= this.most ? fewest[0] : IN_ORDER;
  }
}

/** Where a walk by host id begins: at the one value of an index where a condition asks for it, else at the first entry. */
export const byHostId = (conditions: readonly FilterCondition[]): Start =>
  conditions.find(({ isInKeyOrder }) => isInKeyOrder)?.start ?? inOrderOf('p', 'PRIMARY');

const NARROWEST_FIRST: readonly Alias[] = ['l', 'h', 'p'];

/** Entry, lease and health in the order in which they are looked up: those first that a condition can leave an entry out by. */
export function lookedUp(conditions: readonly FilterCondition[]): Alias[] {
  const isAsked = (alias: Alias): boolean => conditions.some(({ start }) => start.alias === alias);
  return [...NARROWEST_FIRST.filter(isAsked), ...NARROWEST_FIRST.filter((alias) => !isAsked(alias))];
}

/** The tables of a query, in the order and by the index that its start says; each further one by its primary key. */
export function joinedFrom({ alias: first, from }: Pick<Start, 'alias' | 'from'>, others: readonly Alias[]): Fragment {
  const joins = others
    .filter((alias) => alias !== first)
    .map((alias) => `STRAIGHT_JOIN ${TABLES[alias]} AS ${alias} ON ${alias}.host_id = ${first}.host_id`);
  return { sql: [`FROM ${from.sql}`, ...joins].join('\n    '), parameters: from.parameters };
}

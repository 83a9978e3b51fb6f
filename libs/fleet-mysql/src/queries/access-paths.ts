import type { Database } from '../database.js';
import { sqlFragment, type SqlFragment } from './sql-fragment.js';

/** What bounds the work for a page. */
export interface PageLimits {
  /** Entries that a page examines at most when it walks in its order. */
  readonly maxScanned: number;
  /** Matches of one condition up to which a page by host id collects all: they are sorted, then looked up until the page is full. */
  readonly maxCollectedByHostId: number;
  /** The same for the other orders, in which all are looked up before they are sorted. */
  readonly maxCollectedOtherwise: number;
}

export const PAGE_LIMITS: PageLimits = { maxScanned: 3_000, maxCollectedByHostId: 5_000, maxCollectedOtherwise: 3_000 };

const TABLES = {
  p: 'process_server',
  l: 'process_server_lease',
  h: 'process_server_health',
  n: 'process_server_name_history',
} as const;
export type Alias = keyof typeof TABLES;

/** Where a query begins: what is read first, under the name by which the other tables are joined to it. */
export interface DrivingTable {
  readonly alias: Alias | 'c';
  readonly from: SqlFragment;
  /** Where else to look for how many it may find, `FROM` an index each; empty when it need not be asked. */
  readonly probes: readonly SqlFragment[];
}

/** A condition of a filter, and what finds those whom it lets through. */
export interface FilterCondition extends SqlFragment {
  readonly drivingTable: DrivingTable;
  /** It asks for one value of its index, where entries lie in the order of their host ids: a page by host id begins there. */
  readonly isOrderedByHostId: boolean;
}

const forcedIndex = (alias: Alias, index: string): string => `${TABLES[alias]} AS ${alias} FORCE INDEX (${index})`;

/** A walk along an index, in the order of the page. */
export const orderedScan = (alias: Alias, index: string): DrivingTable => ({
  alias,
  from: sqlFragment(forcedIndex(alias, index)),
  probes: [],
});

export const indexCondition = (
  alias: Alias,
  index: string,
  { sql, parameters }: SqlFragment,
  isOrderedByHostId = false,
): FilterCondition => ({
  sql,
  parameters,
  drivingTable: {
    alias,
    from: sqlFragment(forcedIndex(alias, index)),
    probes: [sqlFragment(`FROM ${forcedIndex(alias, index)} WHERE ${sql}`, ...parameters)],
  },
  isOrderedByHostId,
});

/** All that these find, `FROM` an index of some table `x` each. */
export const candidateUnion = (found: readonly SqlFragment[]): SqlFragment => ({
  sql: `(${found.map(({ sql }) => `SELECT x.host_id ${sql}`).join(' UNION ')}) AS c`,
  parameters: found.flatMap(({ parameters }) => parameters),
});

export const candidateCondition = (found: readonly SqlFragment[], condition: SqlFragment): FilterCondition => ({
  ...condition,
  drivingTable: { alias: 'c', from: candidateUnion(found), probes: found },
  isOrderedByHostId: false,
});

/**
 * Where a page is read from: the condition that lets the fewest entries through, whose matches are collected by its indexes and
 * sorted; or the order of the page when each condition lets through more than `limit`. The servers' own guess, from statistics that a
 * fleet's heartbeats outrun, read a million. The counts are bounded, and asked for in one statement.
 */
export async function chooseStart(
  database: Pick<Database, 'rows'>,
  conditions: readonly FilterCondition[],
  scan: DrivingTable,
  limit = PAGE_LIMITS.maxCollectedByHostId,
): Promise<DrivingTable> {
  const drivingTables = conditions
    .map(({ drivingTable }) => drivingTable)
    .filter((drivingTable) => drivingTable !== scan);
  const probes = drivingTables.flatMap(({ probes }, index) =>
    probes.map(({ sql, parameters }) =>
      sqlFragment(
        `(SELECT ${index} AS start, COUNT(*) AS entries FROM (SELECT 1 ${sql} LIMIT ${limit + 1}) AS found)`,
        ...parameters,
      ),
    ),
  );
  if (probes.length === 0) return scan;
  const counts = await database.rows<{ start: number; entries: number }>(
    probes.map(({ sql }) => sql).join(' UNION ALL '),
    probes.flatMap(({ parameters }) => parameters),
  );
  const totals = new Map<number, number>();
  for (const { start, entries } of counts) totals.set(start, (totals.get(start) ?? 0) + entries);
  const [fewest] = [...totals].sort(([, a], [, b]) => a - b);
  return (fewest && fewest[1] <= limit && drivingTables[fewest[0]]) || scan;
}

/** Where a walk by host id begins: at the one value of an index where a condition asks for it, else at the first entry. */
export const hostIdScan = (conditions: readonly FilterCondition[]): DrivingTable =>
  conditions.find(({ isOrderedByHostId }) => isOrderedByHostId)?.drivingTable ?? orderedScan('p', 'PRIMARY');

const NARROWEST_FIRST: readonly Alias[] = ['l', 'h', 'p'];

/** Entry, lease and health in the order in which they are looked up: those first that a condition can leave an entry out by. */
export function joinOrder(conditions: readonly FilterCondition[]): Alias[] {
  const hasCondition = (alias: Alias): boolean => conditions.some(({ drivingTable }) => drivingTable.alias === alias);
  return [...NARROWEST_FIRST.filter(hasCondition), ...NARROWEST_FIRST.filter((alias) => !hasCondition(alias))];
}

/** The tables of a query, in the order and by the index that its start says; each further one by its primary key. */
export function fromClause(
  { alias: first, from }: Pick<DrivingTable, 'alias' | 'from'>,
  others: readonly Alias[],
): SqlFragment {
  const joins = others
    .filter((alias) => alias !== first)
    .map((alias) => `STRAIGHT_JOIN ${TABLES[alias]} AS ${alias} ON ${alias}.host_id = ${first}.host_id`);
  return { sql: [`FROM ${from.sql}`, ...joins].join('\n    '), parameters: from.parameters };
}

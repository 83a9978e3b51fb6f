import type { Database } from '../database.js';
import { sqlFragment, type SqlFragment } from './sql-fragment.js';

/** Limits of the work for one page. */
export interface PageLimits {
  /** Maximum number of entries that a page examines in its sort order. */
  readonly maxScanned: number;
  /** Maximum matches of one condition that a page by host id collects: it sorts them, then looks them up until the page is full. */
  readonly maxCollectedByHostId: number;
  /** The same for the other sort orders, which look all matches up before they sort them. */
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

/** The table that a query reads first, with its alias, to which the other tables are joined. */
export interface DrivingTable {
  readonly alias: Alias | 'c';
  readonly from: SqlFragment;
  /** `FROM` clauses, each on one index, that count the matches; empty when no count is needed. */
  readonly probes: readonly SqlFragment[];
}

/** A condition of a filter, and the table that finds its matches. */
export interface FilterCondition extends SqlFragment {
  readonly drivingTable: DrivingTable;
  /** Whether it compares an index with one value, so that its matches are in order of host id and a page by host id can start there. */
  readonly isOrderedByHostId: boolean;
}

const forcedIndex = (alias: Alias, index: string): string => `${TABLES[alias]} AS ${alias} FORCE INDEX (${index})`;

/** A scan of an index in the sort order of the page. */
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

/** The union of the matches of these `FROM` clauses, each on an index of a table `x`. */
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
 * Chooses the driving table of a page: the condition with the fewest matches, which are collected by index and sorted; or the sort
 * order of the page when every condition has more than `limit` matches. The optimizer's choice, based on statistics that heartbeats
 * make stale, read a million rows. The counts are bounded and read in one statement.
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

/** The scan of a page by host id: the index of a condition with one value if there is one, otherwise the primary key. */
export const hostIdScan = (conditions: readonly FilterCondition[]): DrivingTable =>
  conditions.find(({ isOrderedByHostId }) => isOrderedByHostId)?.drivingTable ?? orderedScan('p', 'PRIMARY');

const NARROWEST_FIRST: readonly Alias[] = ['l', 'h', 'p'];

/** The join order of entry, lease and health: tables with a condition come first. */
export function joinOrder(conditions: readonly FilterCondition[]): Alias[] {
  const hasCondition = (alias: Alias): boolean => conditions.some(({ drivingTable }) => drivingTable.alias === alias);
  return [...NARROWEST_FIRST.filter(hasCondition), ...NARROWEST_FIRST.filter((alias) => !hasCondition(alias))];
}

/** The `FROM` clause: the driving table by its index, then the other tables by primary key. */
export function fromClause(
  { alias: first, from }: Pick<DrivingTable, 'alias' | 'from'>,
  others: readonly Alias[],
): SqlFragment {
  const joins = others
    .filter((alias) => alias !== first)
    .map((alias) => `STRAIGHT_JOIN ${TABLES[alias]} AS ${alias} ON ${alias}.host_id = ${first}.host_id`);
  return { sql: [`FROM ${from.sql}`, ...joins].join('\n    '), parameters: from.parameters };
}

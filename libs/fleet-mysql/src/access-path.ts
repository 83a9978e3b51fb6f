import type { Database } from './database.js';
import type { FilterCondition } from './filters.js';

/** From here on a condition lets so many through that to walk in the order of the page finds a page sooner than to collect and sort. */
const FEW = 2_000;

/** Indexes that conditions only ask for one value of: what has it lies there in the order of the host ids. */
const ASKED_FOR_ONE_VALUE: readonly string[] = ['by_address'];

const TABLES = { p: 'process_server', l: 'process_server_lease', h: 'process_server_health', n: 'process_server_name' } as const;
export type Alias = keyof typeof TABLES;

/** Where a query begins: a table, and the one index of it that is read. */
export interface Start {
  readonly table: Alias;
  readonly index: string;
}

/**
 * A page is found in one of two ways, and never by reading the whole fleet: from the condition that lets only a few through, by
 * its index, sorted then; or along the order of the page, until it is full. The servers' own guess, from statistics that a
 * fleet's heartbeats outrun, took the first way for a million. Looks at no more than 2,001 entries of an index for each condition,
 * and at none for the one that `inOrder` begins with.
 */
export async function startOf(database: Pick<Database, 'rows'>, conditions: readonly FilterCondition[], inOrder: Start): Promise<Start> {
  const indexed = conditions.flatMap(({ sql, parameters, served }) => (served && served !== inOrder ? [{ sql, parameters, served }] : []));
  if (indexed.length === 0) return inOrder;
  const looks = indexed.map(
    ({ sql, served: { table, index } }, number) => `(SELECT ${number} AS number FROM ${TABLES[table]} AS ${table} FORCE INDEX (${index}) WHERE ${sql} LIMIT 1 OFFSET ${FEW})`,
  );
  const many = await database.rows<{ number: number }>(looks.join(' UNION ALL '), indexed.flatMap(({ parameters }) => parameters));
  const few = indexed.find((_, number) => !many.some((row) => row.number === number));
  return few?.served ?? inOrder;
}

/** Where a walk by host id begins: at the one value of such an index where a condition asks for it, else at the first entry. */
export function byHostId(conditions: readonly FilterCondition[]): Start {
  return conditions.find(({ served }) => served && ASKED_FOR_ONE_VALUE.includes(served.index))?.served ?? { table: 'p', index: 'PRIMARY' };
}

/** The tables of a query, in the order and by the index that its start says; each further one by its primary key. */
export function joinedFrom({ table, index }: Start, others: readonly Alias[]): string {
  const joins = others.filter((alias) => alias !== table).map((alias) => `STRAIGHT_JOIN ${TABLES[alias]} AS ${alias} ON ${alias}.host_id = ${table}.host_id`);
  return [`FROM ${TABLES[table]} AS ${table} FORCE INDEX (${index})`, ...joins].join('\n    ');
}

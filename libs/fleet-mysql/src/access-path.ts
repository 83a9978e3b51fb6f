import type { Database } from './database.js';
import type { FilterCondition } from './filters.js';

/** From here on a condition lets so many through that to walk in the order of the page finds a page sooner than to collect and sort. */
const FEW = 2_000;

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
 * fleet's heartbeats outrun, took the first way for a million. Looks at no more than 2,001 entries of an index for each condition.
 */
export async function startOf(database: Pick<Database, 'rows'>, conditions: readonly FilterCondition[], inOrder: Start): Promise<Start> {
  for (const { sql, parameters, served } of conditions) {
    if (!served) continue;
    const { table, index } = served;
    const [row] = await database.rows<{ count: number }>(
      `SELECT COUNT(*) AS count FROM (SELECT 1 FROM ${TABLES[table]} AS ${table} FORCE INDEX (${index}) WHERE ${sql} LIMIT ${FEW + 1}) AS few`,
      parameters,
    );
    if (row && row.count <= FEW) return served;
  }
  return inOrder;
}

/** The tables of a query, in the order and by the index that its start says; each further one by its primary key. */
export function joinedFrom({ table, index }: Start, others: readonly Alias[]): string {
  const joins = others.filter((alias) => alias !== table).map((alias) => `STRAIGHT_JOIN ${TABLES[alias]} AS ${alias} ON ${alias}.host_id = ${table}.host_id`);
  return [`FROM ${TABLES[table]} AS ${table} FORCE INDEX (${index})`, ...joins].join('\n    ');
}

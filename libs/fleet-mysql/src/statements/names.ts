import { nameKey } from '@app/fleet';
import type { Statement, Transaction } from '../database.js';

/** A new name counts for the order only this much later: by then the transaction that brought it is committed or given up. */
const SETTLE_MS = 10_000;
/** Names that nobody sorts by any more are kept for the walks that still do. A cursor of a walk by name is good for as long. */
export const NAME_WALK_MS = 3_600_000;

const ALWAYS = new Date('1970-01-02T00:00:00.000Z');
const INSERT_NAMES = 'INSERT INTO process_server_name (host_id, from_at, name) VALUES ?';
/** Param: host ids. */
const READ_LAST_NAMES =
  'SELECT n.host_id, n.from_at FROM process_server_name AS n WHERE n.host_id IN (?) AND n.until_at IS NULL';
const END_LAST_NAME = 'UPDATE process_server_name AS n SET n.until_at = ? WHERE n.host_id = ? AND n.until_at IS NULL';
/** Params: host ids that are held. With the key's own columns alone MySQL reads the whole table even so, hence the name, which is never null. */
export const DELETE_NAMES_OF =
  'DELETE n FROM process_server_name AS n FORCE INDEX (PRIMARY) WHERE n.host_id IN (?) AND n.name IS NOT NULL';
/** Params: before, limit. */
export const DELETE_OLD_NAMES = 'DELETE FROM process_server_name WHERE until_at < ? ORDER BY until_at LIMIT ?';

interface Named {
  readonly hostId: string;
  readonly name: string;
}

/** The names of entries that are new: they were never sorted under another one. */
export const insertFirstNames = (entries: readonly Named[]): Statement => ({
  sql: INSERT_NAMES,
  parameters: [entries.map(({ hostId, name }) => [hostId, ALWAYS, nameKey(name)])],
});

/** Renames of entries that are held. The names of a host follow each other without a gap. */
export async function nextNames(
  transaction: Pick<Transaction, 'rows'>,
  renamed: readonly Named[],
  now: Date,
): Promise<Statement[]> {
  if (renamed.length === 0) return [];
  const rows = await transaction.rows<{ host_id: string; from_at: Date }>(READ_LAST_NAMES, [
    renamed.map(({ hostId }) => hostId),
  ]);
  const lastFrom = new Map(rows.map(({ host_id, from_at }) => [host_id, from_at.getTime()]));
  const next = renamed.map(({ hostId, name }) => ({
    hostId,
    name,
    from: new Date(Math.max(now.getTime() + SETTLE_MS, (lastFrom.get(hostId) ?? 0) + 1)),
  }));
  return [
    ...next.map(({ hostId, from }) => ({ sql: END_LAST_NAME, parameters: [from, hostId] })),
    { sql: INSERT_NAMES, parameters: [next.map(({ hostId, from, name }) => [hostId, from, nameKey(name)])] },
  ];
}

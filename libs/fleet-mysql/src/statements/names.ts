import type { Transaction } from '../database.js';

/** A new name counts for the order only this much later: by then the transaction that brought it is committed or given up. */
const SETTLE_MS = 10_000;
/** Names that nobody sorts by any more are kept for the walks that still do. A cursor of a walk by name is good for as long. */
export const NAME_WALK_MS = 3_600_000;

const ALWAYS = new Date('1970-01-02T00:00:00.000Z');
const INSERT_NAME = 'INSERT INTO process_server_name (host_id, from_at, name) VALUES (?, ?, ?)';
const READ_LAST_NAME = 'SELECT n.from_at FROM process_server_name AS n WHERE n.host_id = ? AND n.until_at IS NULL';
const END_LAST_NAME = 'UPDATE process_server_name AS n SET n.until_at = ? WHERE n.host_id = ? AND n.until_at IS NULL';
/** Params: host ids that are held. With the key's own columns alone MySQL reads the whole table even so, hence the name, which is never null. */
export const DELETE_NAMES_OF = 'DELETE n FROM process_server_name AS n FORCE INDEX (PRIMARY) WHERE n.host_id IN (?) AND n.name IS NOT NULL';
/** Params: before, limit. */
export const DELETE_OLD_NAMES = 'DELETE FROM process_server_name WHERE until_at < ? ORDER BY until_at LIMIT ?';

/** The name of an entry that is new: it was never sorted under another one. */
export async function writeFirstName(transaction: Transaction, hostId: string, name: string): Promise<void> {
  await transaction.write(INSERT_NAME, [hostId, ALWAYS, name]);
}

/** A rename of an entry that is held. The names of a host follow each other without a gap. */
export async function writeNextName(transaction: Transaction, hostId: string, name: string, now: Date): Promise<void> {
  const [last] = await transaction.rows<{ from_at: Date }>(READ_LAST_NAME, [hostId]);
  const from = new Date(Math.max(now.getTime() + SETTLE_MS, (last?.from_at.getTime() ?? 0) + 1));
  await transaction.write(END_LAST_NAME, [from, hostId]);
  await transaction.write(INSERT_NAME, [hostId, from, name]);
}

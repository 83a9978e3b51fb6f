import { nameKey } from '@app/fleet';
import type { GuardedStatement, Statement, Transaction } from '../database.js';
import { NAME_HISTORY } from '../entities/process-server.js';
import type { RowOf } from '../entities/table.js';

/** A new name becomes valid in the sort order after this delay: its transaction has ended by then. */
const VISIBILITY_DELAY_MS = 10_000;
/** Lifetime of a cursor by name. Former names are kept for as long as cursors may need them. */
export const NAME_CURSOR_TTL_MS = 3_600_000;

const EPOCH = new Date('1970-01-02T00:00:00.000Z');
/** Param: host ids. */
const READ_CURRENT_NAMES =
  'SELECT n.host_id, n.valid_from FROM process_server_name_history AS n WHERE n.host_id IN (?) AND n.valid_until IS NULL';
const CLOSE_CURRENT_NAME =
  'UPDATE process_server_name_history AS n SET n.valid_until = ? WHERE n.host_id = ? AND n.valid_until IS NULL';
/** Param: locked host ids. MySQL scans the whole table if only key columns are compared, so the name, which is never null, is too. */
export const DELETE_NAMES_OF =
  'DELETE n FROM process_server_name_history AS n FORCE INDEX (PRIMARY) WHERE n.host_id IN (?) AND n.name_key IS NOT NULL';
/** Params: before, limit. */
export const DELETE_OLD_NAMES =
  'DELETE FROM process_server_name_history WHERE valid_until < ? ORDER BY valid_until LIMIT ?';

interface Named {
  readonly hostId: string;
  readonly name: string;
}

/** The names of new entries, valid since the epoch. */
export const insertInitialNames = (entries: readonly Named[]): GuardedStatement =>
  NAME_HISTORY.insert(
    entries.map(({ hostId, name }) => ({ host_id: hostId, valid_from: EPOCH, name_key: nameKey(name) })),
  );

/** Renames locked entries. The periods of a host's names have no gaps. */
export async function renameStatements(
  transaction: Pick<Transaction, 'rows'>,
  renamed: readonly Named[],
  now: Date,
): Promise<Statement[]> {
  if (renamed.length === 0) return [];
  const rows = await transaction.rows<Pick<RowOf<typeof NAME_HISTORY>, 'host_id' | 'valid_from'>>(READ_CURRENT_NAMES, [
    renamed.map(({ hostId }) => hostId),
  ]);
  const currentFrom = new Map(rows.map(({ host_id, valid_from }) => [host_id, valid_from.getTime()]));
  const next = renamed.map(({ hostId, name }) => ({
    hostId,
    name,
    from: new Date(Math.max(now.getTime() + VISIBILITY_DELAY_MS, (currentFrom.get(hostId) ?? 0) + 1)),
  }));
  return [
    ...next.map(({ hostId, from }) => ({ sql: CLOSE_CURRENT_NAME, parameters: [from, hostId] })),
    NAME_HISTORY.insert(
      next.map(({ hostId, from, name }) => ({ host_id: hostId, valid_from: from, name_key: nameKey(name) })),
    ),
  ];
}

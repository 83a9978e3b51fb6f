import {
  systemAuthor,
  type CleanUpBatch,
  type CleanUpRun,
  type Clock,
  type Due,
  type CleanUpCursor,
  type FleetEvent,
  type Identifiers,
  type RetentionLimits,
  type RemovalRecorder,
  type Removals,
  type Tombstone,
} from '@app/fleet';
import type { Database, Transaction } from '../database.js';
import { type CLEAN_UP_RUN } from '../entities/fleet-tables.js';
import type { RowOf } from '../entities/table.js';
import { insertTombstones } from '../statements/entry.js';
import { insertEvents } from '../statements/events.js';
import { DELETE_NAMES_OF, DELETE_OLD_NAMES, NAME_CURSOR_TTL_MS } from '../statements/name-history.js';
import { DELETE_COUNTER_ROWS, LOCK_COUNTER_ROWS, CounterDelta, type CounterRow } from '../statements/counters.js';
import {
  DELETE_DUE_ENTRIES,
  DELETE_HEALTH_OF,
  DELETE_LEASES_OF,
  DELETE_OLD_EVENTS,
  DELETE_OLD_PLANS,
  dueParameters,
  LOCK_DUE_LEASES,
  FIND_DUE_ENTRIES,
  READ_LAST_RUN,
  READ_OLDEST_DECOMMISSION,
  LOCK_DUE_ENTRIES,
  RECORD_RUN,
  type DueRow,
} from '../statements/removals.js';

const ACTOR = 'clean-up';

/** Removes due entries, and deletes expired events, plans and names. */
export class RemovalStore implements Removals {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly identifiers: Identifiers,
    private readonly recorder?: RemovalRecorder,
  ) {}

  async removeDue(due: Due, limit: number, after: CleanUpCursor | null): Promise<CleanUpBatch> {
    const from = after ?? { decommissionedAt: new Date(0), hostId: '' };
    const rows = await this.database.rows<Pick<DueRow, 'host_id' | 'decommissioned_at'>>(FIND_DUE_ENTRIES, [
      ...dueParameters(due),
      from.decommissionedAt,
      from.decommissionedAt,
      from.hostId,
      limit,
    ]);
    const last = rows.at(-1);
    if (!last) return { removed: 0, next: null };
    const now = this.clock.now();
    const eventIds = new Map(rows.map(({ host_id }) => [host_id, this.identifiers.newId(now)]));
    const hostIds = [...eventIds.keys()].sort();
    // Idempotent, so a commit of unknown outcome is repeated: removed entries are not found again.
    const removed = await this.database.transaction((transaction) =>
      this.removeLocked(transaction, hostIds, due, now, eventIds),
    );
    if (removed.length > 0) await this.recorder?.recordRemovals(removed);
    return {
      removed: removed.length,
      next: rows.length === limit ? { decommissionedAt: last.decommissioned_at, hostId: last.host_id } : null,
    };
  }

  private async removeLocked(
    transaction: Transaction,
    hostIds: string[],
    due: Due,
    now: Date,
    eventIds: Map<string, string>,
  ): Promise<Tombstone[]> {
    const locked = await transaction.rows<{ host_id: string }>(LOCK_DUE_LEASES, [hostIds]);
    if (locked.length === 0) return [];
    const rows = await transaction.rows<DueRow>(LOCK_DUE_ENTRIES, [
      locked.map(({ host_id }) => host_id),
      ...dueParameters(due),
    ]);
    if (rows.length === 0) return [];
    const removedHostIds = rows.map(({ host_id }) => host_id);
    await transaction.write(DELETE_HEALTH_OF, [removedHostIds]);
    await transaction.write(DELETE_LEASES_OF, [removedHostIds]);
    await transaction.write(DELETE_NAMES_OF, [removedHostIds]);
    await transaction.write(DELETE_DUE_ENTRIES, [
      rows.map((row) => [row.host_id, row.generation]),
      ...dueParameters(due),
    ]);
    const tombstones = rows.map((row) => toTombstone(row, now));
    await transaction.executeAll([insertTombstones(tombstones)]);
    const counters = new CounterDelta();
    for (const { version_key, os_key } of rows) counters.add(version_key, os_key, true, -1);
    await transaction.executeAll(counters.statements());
    await insertEvents(
      transaction,
      rows.map((row) => removedEvent(row, now, eventIds)),
    );
    return tombstones;
  }

  async deleteExpired(old: RetentionLimits | null, limit: number): Promise<boolean> {
    return this.database.transaction(async (transaction) => {
      const deleted = old ? await this.deleteExpiredRows(transaction, old, limit) : 0;
      return Math.max(deleted, await compactCounters(transaction, limit)) === limit;
    });
  }

  private async deleteExpiredRows(
    transaction: Transaction,
    { eventsBefore, plansExpiredBefore, now }: RetentionLimits,
    limit: number,
  ): Promise<number> {
    const events = await transaction.write(DELETE_OLD_EVENTS, [eventsBefore, limit]);
    const plans = await transaction.write(DELETE_OLD_PLANS, [plansExpiredBefore, limit]);
    const names = await transaction.write(DELETE_OLD_NAMES, [new Date(now.getTime() - 2 * NAME_CURSOR_TTL_MS), limit]);
    return Math.max(events, plans, names);
  }

  async recordRun({ at, by, removed, error }: CleanUpRun): Promise<void> {
    await this.database.transaction((transaction) =>
      transaction.write(RECORD_RUN, [at, by, removed, error?.slice(0, 500) ?? null]),
    );
  }

  async lastRun(): Promise<CleanUpRun | null> {
    const [row] = await this.database.rows<RowOf<typeof CLEAN_UP_RUN>>(READ_LAST_RUN);
    return row ? { at: row.at, by: row.replica, removed: row.removed, error: row.error } : null;
  }

  async oldestDecommission(): Promise<{ at: Date; removeBy: Date } | null> {
    const [row] = await this.database.rows<{ decommissioned_at: Date; remove_by: Date }>(READ_OLDEST_DECOMMISSION);
    return row ? { at: row.decommissioned_at, removeBy: row.remove_by } : null;
  }
}

const toTombstone = (row: DueRow, removedAt: Date): Tombstone => ({
  hostId: row.host_id,
  generation: row.generation,
  friendlyName: row.friendly_name,
  ipAddress: row.ip_address,
  removedAt,
  removedBy: ACTOR,
  reason: row.decommission_reason,
  removal: 'clean_up',
  planId: null,
});

/** Merges up to `limit` counter rows into one for each version, operating system and lifecycle. Returns the number of merged rows. */
async function compactCounters(transaction: Transaction, limit: number): Promise<number> {
  const rows = await transaction.rows<CounterRow & { id: number }>(LOCK_COUNTER_ROWS, [limit]);
  const sums = new CounterDelta();
  for (const { version_key, os_key, decommissioned, entries } of rows)
    sums.add(version_key, os_key, decommissioned === 1, entries);
  if (sums.rows.length === rows.length) return 0;
  await transaction.executeAll([
    { sql: DELETE_COUNTER_ROWS, parameters: [rows.map(({ id }) => id)], expectedRows: rows.length },
    ...sums.statements(),
  ]);
  return rows.length;
}

function removedEvent(row: DueRow, at: Date, eventIds: Map<string, string>): FleetEvent {
  return {
    id: eventIds.get(row.host_id) ?? '',
    at,
    kind: 'removed',
    hostId: row.host_id,
    generation: row.generation,
    ...systemAuthor(ACTOR),
    detail: {
      friendlyName: row.friendly_name,
      ipAddress: row.ip_address,
      decommissionedAt: row.decommissioned_at.toISOString(),
      decommissionedBy: row.decommissioned_by,
    },
  };
}

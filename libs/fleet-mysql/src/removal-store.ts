import {
  ownDoing,
  type CleanUpBatch,
  type CleanUpPass,
  type Clock,
  type Due,
  type DuePosition,
  type FleetEvent,
  type Identifiers,
  type Old,
  type RemovalRecorder,
  type Removals,
  type Tombstone,
} from '@app/fleet';
import type { Database, Transaction } from './database.js';
import { insertEvents } from './statements/events.js';
import { DELETE_NAMES_OF, DELETE_OLD_NAMES, NAME_WALK_MS } from './statements/names.js';
import { DELETE_TALLY_ROWS, LOCK_TALLY_ROWS, TallyChange, type TallyRow } from './statements/tally.js';
import {
  DELETE_DUE_ENTRIES,
  DELETE_HEALTH_OF,
  DELETE_LEASES_OF,
  DELETE_OLD_EVENTS,
  DELETE_OLD_PLANS,
  dueParameters,
  INSERT_TOMBSTONES,
  LOCK_DUE_LEASES,
  READ_DUE,
  READ_LAST_PASS,
  READ_OLDEST_DECOMMISSION,
  RECHECK_DUE,
  RECORD_PASS,
} from './statements/removals.js';

interface DueRow {
  host_id: string;
  generation: number;
  friendly_name: string;
  ip_address: string;
  version_key: string;
  decommissioned_at: Date;
  decommissioned_by: string | null;
  decommission_reason: string | null;
}

const ACTOR = 'clean-up';

export class RemovalStore implements Removals {
  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly identifiers: Identifiers,
    private readonly recorder?: RemovalRecorder,
  ) {}

  async removeDue(due: Due, limit: number, after: DuePosition | null): Promise<CleanUpBatch> {
    const from = after ?? { decommissionedAt: new Date(0), hostId: '' };
    const rows = await this.database.rows<{ host_id: string; decommissioned_at: Date }>(READ_DUE, [
      ...dueParameters(due),
      from.decommissionedAt,
      from.decommissionedAt,
      from.hostId,
      limit,
    ]);
    const last = rows.at(-1);
    if (!last) return { removed: 0, next: null };
    const now = this.clock.now();
    const eventIds = new Map(rows.map(({ host_id }) => [host_id, this.identifiers.at(now)]));
    const hostIds = [...eventIds.keys()].sort();
    // A commit whose outcome is unknown is done again: what was removed is not found a second time.
    const removed = await this.database.transaction((transaction) =>
      this.remove(transaction, hostIds, due, now, eventIds),
    );
    if (removed.length > 0) await this.recorder?.recordRemovals(removed);
    return {
      removed: removed.length,
      next: rows.length === limit ? { decommissionedAt: last.decommissioned_at, hostId: last.host_id } : null,
    };
  }

  private async remove(
    transaction: Transaction,
    hostIds: string[],
    due: Due,
    now: Date,
    eventIds: Map<string, string>,
  ): Promise<Tombstone[]> {
    const held = await transaction.rows<{ host_id: string }>(LOCK_DUE_LEASES, [hostIds]);
    if (held.length === 0) return [];
    const rows = await transaction.rows<DueRow>(RECHECK_DUE, [
      held.map(({ host_id }) => host_id),
      ...dueParameters(due),
    ]);
    if (rows.length === 0) return [];
    const gone = rows.map(({ host_id }) => host_id);
    await transaction.write(DELETE_HEALTH_OF, [gone]);
    await transaction.write(DELETE_LEASES_OF, [gone]);
    await transaction.write(DELETE_NAMES_OF, [gone]);
    await transaction.write(DELETE_DUE_ENTRIES, [
      rows.map((row) => [row.host_id, row.generation]),
      ...dueParameters(due),
    ]);
    await transaction.write(INSERT_TOMBSTONES, [
      rows.map((row) => [
        row.host_id,
        row.generation,
        row.friendly_name,
        row.ip_address,
        now,
        ACTOR,
        row.decommission_reason,
        'clean_up',
      ]),
    ]);
    const tally = new TallyChange();
    for (const { version_key } of rows) tally.add(version_key, true, -1);
    await transaction.writeEach(tally.statements());
    await insertEvents(
      transaction,
      rows.map((row) => removedEvent(row, now, eventIds)),
    );
    return rows.map((row) => tombstoneOf(row, now));
  }

  async forgetOld(old: Old | null, limit: number): Promise<boolean> {
    return this.database.transaction(async (transaction) => {
      const forgotten = old ? await this.forget(transaction, old, limit) : 0;
      return Math.max(forgotten, await addUpTally(transaction, limit)) === limit;
    });
  }

  private async forget(
    transaction: Transaction,
    { eventsBefore, plansExpiredBefore, now }: Old,
    limit: number,
  ): Promise<number> {
    const events = await transaction.write(DELETE_OLD_EVENTS, [eventsBefore, limit]);
    const plans = await transaction.write(DELETE_OLD_PLANS, [plansExpiredBefore, limit]);
    const names = await transaction.write(DELETE_OLD_NAMES, [new Date(now.getTime() - 2 * NAME_WALK_MS), limit]);
    return Math.max(events, plans, names);
  }

  async recordPass({ at, by, removed, error }: CleanUpPass): Promise<void> {
    await this.database.transaction((transaction) =>
      transaction.write(RECORD_PASS, [at, by, removed, error?.slice(0, 500) ?? null]),
    );
  }

  async lastPass(): Promise<CleanUpPass | null> {
    const [row] = await this.database.rows<{ at: Date; replica: string; removed: number; error: string | null }>(
      READ_LAST_PASS,
    );
    return row ? { at: row.at, by: row.replica, removed: row.removed, error: row.error } : null;
  }

  async oldestDecommission(): Promise<{ at: Date; removeBy: Date } | null> {
    const [row] = await this.database.rows<{ decommissioned_at: Date; remove_by: Date }>(READ_OLDEST_DECOMMISSION);
    return row ? { at: row.decommissioned_at, removeBy: row.remove_by } : null;
  }
}

const tombstoneOf = (row: DueRow, removedAt: Date): Tombstone => ({
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

/** Puts up to `limit` rows of the tally into one for each version and lifecycle; returns how many were put together. */
async function addUpTally(transaction: Transaction, limit: number): Promise<number> {
  const rows = await transaction.rows<TallyRow & { id: number }>(LOCK_TALLY_ROWS, [limit]);
  const sums = new TallyChange();
  for (const { version_key, decommissioned, entries } of rows) sums.add(version_key, decommissioned === 1, entries);
  if (sums.rows.length === rows.length) return 0;
  await transaction.writeEach([
    { sql: DELETE_TALLY_ROWS, parameters: [rows.map(({ id }) => id)], matches: rows.length },
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
    ...ownDoing(ACTOR),
    detail: {
      friendlyName: row.friendly_name,
      ipAddress: row.ip_address,
      decommissionedAt: row.decommissioned_at.toISOString(),
      decommissionedBy: row.decommissioned_by,
    },
  };
}

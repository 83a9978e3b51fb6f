import { systemAuthor, type FleetEvent } from '@app/fleet';
import type { GuardedStatement, Statement, Transaction } from '../database.js';
import { EVENT } from '../entities/fleet-tables.js';

const PLAIN_EVENT = EVENT.omit('detail');

/** An event of the service itself, about no host. */
export const systemEvent = (actor: string, event: Pick<FleetEvent, 'id' | 'at' | 'kind' | 'detail'>): FleetEvent => ({
  ...event,
  hostId: null,
  generation: null,
  ...systemAuthor(actor),
});

/** Inserts events in the transaction of their change. A known id is an error: an earlier attempt was committed. */
const insertAll = (events: readonly FleetEvent[]): GuardedStatement =>
  EVENT.insert(events.map((event) => PLAIN_EVENT.toRow(event, { detail: JSON.stringify(event.detail) })));

export const eventStatements = (events: readonly FleetEvent[]): Statement[] =>
  events.length > 0 ? [insertAll(events)] : [];

export async function insertEvents(
  transaction: Pick<Transaction, 'executeAll'>,
  events: readonly FleetEvent[],
): Promise<void> {
  await transaction.executeAll(eventStatements(events));
}

/** The same for events with deterministic ids: the first event is kept. */
export function eventOnceStatements(events: readonly FleetEvent[]): Statement[] {
  if (events.length === 0) return [];
  const { sql, parameters } = insertAll(events);
  return [{ sql: `${sql} ON DUPLICATE KEY UPDATE id = event.id`, parameters }];
}

/** Executes them. */
export async function insertEventsOnce(transaction: Transaction, events: readonly FleetEvent[]): Promise<void> {
  for (const { sql, parameters } of eventOnceStatements(events)) await transaction.write(sql, parameters);
}

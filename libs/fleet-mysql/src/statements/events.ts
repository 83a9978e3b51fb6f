import type { FleetEvent } from '@app/fleet';
import type { Statement, Transaction } from '../database.js';

/** Inserts events in the transaction of their change. Param: rows. A known id is an error: an earlier attempt was committed. */
const INSERT_EVENTS =
  'INSERT INTO event (id, at, kind, host_id, generation, actor, source_address, request_id, detail) VALUES ?';
/** The same for events with deterministic ids: the first event is kept. */
const INSERT_EVENTS_ONCE = `${INSERT_EVENTS} ON DUPLICATE KEY UPDATE id = event.id`;

const valuesOf = (events: readonly FleetEvent[]): unknown[] =>
  events.map(({ id, at, kind, hostId, generation, actor, sourceAddress, requestId, detail }) => [
    ...[id, at, kind, hostId, generation, actor, sourceAddress, requestId],
    JSON.stringify(detail),
  ]);

export const eventStatements = (events: readonly FleetEvent[]): Statement[] =>
  events.length > 0 ? [{ sql: INSERT_EVENTS, parameters: [valuesOf(events)] }] : [];

export async function insertEvents(
  transaction: Pick<Transaction, 'executeAll'>,
  events: readonly FleetEvent[],
): Promise<void> {
  await transaction.executeAll(eventStatements(events));
}

export async function insertEventsOnce(transaction: Transaction, events: readonly FleetEvent[]): Promise<void> {
  if (events.length > 0) await transaction.write(INSERT_EVENTS_ONCE, [valuesOf(events)]);
}

import {
  refusalKey,
  type Clock,
  type Decision,
  type FleetEvent,
  type HeldRecord,
  type HostRecord,
  type Identifiers,
  type Neighbour,
  type ProcessServer,
  type RecordWrite,
  type Registry,
  type Tombstone,
} from '@app/fleet';
import type { Database, Transaction } from './database.js';
import { readMoment } from './listening-store.js';
import { entryOf, tombstoneOf, type EntryRow, type TombstoneRow } from './rows.js';
import { LOCK_HOST, READ_ENTRY, READ_NEIGHBOURS, READ_TOMBSTONE, writeDecommission, writeRegistration, writeRemoval } from './statements/entry.js';
import { insertEvents, insertEventsOnce } from './statements/events.js';
import type { StampsInFlight } from './stamps-in-flight.js';

/** Refusals noted lately, so that a sender who goes on costs no more writes; at most this many are remembered. */
const REMEMBERED_REFUSALS = 10_000;

export class RegistryStore implements Registry {
  private readonly notedRefusals = new Set<string>();

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly identifiers: Identifiers,
    private readonly stamps: StampsInFlight,
  ) {}

  async change<A>(hostId: string, decide: (held: HeldRecord) => Decision<A>): Promise<A> {
    const eventId = this.identifiers.at(this.clock.now());
    return this.stamps.during((stamp) =>
      this.database.transaction(
        async (transaction) => {
          await transaction.rows(LOCK_HOST, [hostId]);
          const moment = stamp(await readMoment(transaction, this.clock));
          const held = { ...moment, ...(await readRecord(transaction, hostId)) };
          const { answer, change } = decide(held);
          if (change) {
            await this.write(transaction, held, change.write);
            await insertEvents(transaction, [{ ...change.event, id: eventId, at: held.now, hostId }]);
          }
          return answer;
        },
        { provedByEvent: eventId },
      ),
    );
  }

  async find(hostId: string): Promise<HeldRecord> {
    return { ...(await readMoment(this.database, this.clock)), ...(await readRecord(this.database, hostId)) };
  }

  async neighbours(hostId: string, ipAddress: string, friendlyName: string): Promise<Neighbour[]> {
    const rows = await this.database.rows<{ host_id: string; friendly_name: string; ip_address: string }>(READ_NEIGHBOURS, [
      ipAddress,
      hostId,
      friendlyName,
      hostId,
    ]);
    return rows.map((row) => ({ hostId: row.host_id, friendlyName: row.friendly_name, ipAddress: row.ip_address }));
  }

  async noteRefusal(refusal: Omit<FleetEvent, 'id' | 'at'> & { readonly hostId: string }): Promise<void> {
    const at = this.clock.now();
    const id = this.identifiers.forKey(refusalKey(refusal.hostId, refusal.kind, at));
    if (this.notedRefusals.has(id)) return;
    await this.database.transaction((transaction) => insertEventsOnce(transaction, [{ ...refusal, id, at }]));
    if (this.notedRefusals.size >= REMEMBERED_REFUSALS) this.notedRefusals.clear();
    this.notedRefusals.add(id);
  }

  private async write(transaction: Transaction, held: HeldRecord, write: RecordWrite): Promise<void> {
    switch (write.to) {
      case 'registered':
        return writeRegistration(transaction, held.entry, held.tombstone, write.entry);
      case 'decommissioned':
        return write.entry.decommission ? writeDecommission(transaction, write.entry, write.entry.decommission) : undefined;
      case 'removed':
        return writeRemoval(transaction, write.tombstone, held.listenedMs, write.evenIfConnected);
    }
  }
}

/** Each statement sees what is committed by then, so a host that registers over its tombstone meanwhile is looked for a second time. */
async function readRecord(reader: Pick<Transaction, 'rows'>, hostId: string): Promise<HostRecord> {
  const entry = await readEntry(reader, hostId);
  const tombstone = entry ? null : await readTombstone(reader, hostId);
  return { entry: entry || tombstone ? entry : await readEntry(reader, hostId), tombstone };
}

async function readEntry(reader: Pick<Transaction, 'rows'>, hostId: string): Promise<ProcessServer | null> {
  const [row] = await reader.rows<EntryRow>(READ_ENTRY, [hostId]);
  return row ? entryOf(row) : null;
}

async function readTombstone(reader: Pick<Transaction, 'rows'>, hostId: string): Promise<Tombstone | null> {
  const [row] = await reader.rows<TombstoneRow>(READ_TOMBSTONE, [hostId]);
  return row ? tombstoneOf(row) : null;
}

import {
  FleetError,
  PlanAlreadyApplied,
  refusalKey,
  isRetired,
  type Clock,
  type Decision,
  type FleetEvent,
  type HeldRecord,
  type HostRecord,
  type IdentityFacts,
  type Identifiers,
  type Moment,
  type Neighbour,
  nameKey,
  type ProcessServer,
  type RecordWrite,
  type Registry,
} from '@app/fleet';
import { RecordChanged, type Database, type GuardedStatement, type Transaction } from './database.js';
import { DEADLOCK, DUPLICATE_KEY, LOCK_WAIT_TIMEOUT, ROW_CHANGED } from './database-errors.js';
import { readMomentAndFloor } from './listening-store.js';
import { readRecords } from './host-records.js';
import {
  COUNT_PURGE_OF_PLAN,
  deleteEntry,
  insertEntries,
  LOCK_FREE_HOSTS,
  LOCK_HOSTS,
  markDecommissioned,
  markRevoked,
  READ_NEIGHBOURS,
  updateEntry,
  writeTombstone,
  type Registration,
} from './statements/entry.js';
import { eventStatements, insertEventsOnce } from './statements/events.js';
import { LOCK_ENTRIES } from './statements/hosts.js';
import { HOLD_PASSPHRASES } from './statements/keys.js';
import { nextNames } from './statements/names.js';
import { repairStatements } from './statements/repair.js';
import { TallyChange, versionKeyOf } from './statements/tally.js';
import type { StampsInFlight } from './stamps-in-flight.js';
import { fulfilled, rejected, Together, type Outcome } from './together.js';

/** Refusals noted lately, so that a sender who goes on costs no more writes; at most this many are remembered. */
const REMEMBERED_REFUSALS = 10_000;
/** Changes written in one transaction: a hundred hosts are held for as long as that takes. While the database writes one group, the next is decided. */
const CHANGES_TOGETHER = { most: 100, groups: 2 };
/** Errors that one host of a group causes: its group is not tried again as a whole. */
const CAUSED_BY_ONE_HOST = [LOCK_WAIT_TIMEOUT, ROW_CHANGED, DEADLOCK, DUPLICATE_KEY];

/** What somebody wants to become of a host's record. */
interface Wish {
  readonly hostId: string;
  readonly decide: (held: HeldRecord) => Decision<unknown>;
  /** For the end of a silence: sorts before the event of the change. */
  readonly silenceEventId: string;
  readonly eventId: string;
}

/** A wish that was decided, and is to be written. */
interface Change {
  readonly wish: Wish;
  readonly held: HeldRecord;
  readonly write: RecordWrite;
  readonly events: readonly FleetEvent[];
}

interface Whereabouts {
  readonly hostId: string;
  readonly facts: IdentityFacts;
}

const NOTHING_KNOWN: HostRecord = { entry: null, tombstone: null };

const byHostId = (a: Wish, b: Wish): number => (a.hostId < b.hostId ? -1 : 1);

/**
 * Changes that are asked for while others are being written go together: one transaction, one flush to disk. What concerns
 * only one of them never harms the others: a refusal is its own answer, a host that somebody else holds is waited for alone,
 * and a group that cannot be written whole is halved.
 */
export class RegistryStore implements Registry {
  private readonly notedRefusals = new Set<string>();
  private readonly changes = new Together<Wish, unknown>(
    (wishes, giveUpAt) => this.changeFree(wishes, giveUpAt),
    CHANGES_TOGETHER,
    ({ hostId }) => hostId,
  );
  private readonly looks = new Together<Whereabouts, Neighbour[]>(
    (asked) => this.readNeighbours(asked),
    CHANGES_TOGETHER,
  );

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly identifiers: Identifiers,
    private readonly stamps: StampsInFlight,
  ) {}

  change<A>(hostId: string, decide: (held: HeldRecord) => Decision<A>): Promise<A> {
    const now = this.clock.now();
    return this.changes.ask({
      hostId,
      decide,
      silenceEventId: this.identifiers.at(now),
      eventId: this.identifiers.at(now),
    }) as Promise<A>;
  }

  async find(hostId: string): Promise<HeldRecord> {
    const { generationFloor, ...moment } = await readMomentAndFloor(this.database, this.clock);
    const records = await readRecords(this.database, [hostId]);
    return { ...moment, generationFloor, ...(records.get(hostId) ?? NOTHING_KNOWN) };
  }

  neighbours(hostId: string, facts: IdentityFacts): Promise<Neighbour[]> {
    return this.looks.ask({ hostId, facts });
  }

  async noteRefusal(refusal: Omit<FleetEvent, 'id' | 'at'>, caller: string | null = null): Promise<void> {
    const at = this.clock.now();
    const id = this.identifiers.forKey(refusalKey(refusal.hostId, refusal.kind, at, caller));
    if (this.notedRefusals.has(id)) return;
    if (this.notedRefusals.size >= REMEMBERED_REFUSALS) this.notedRefusals.clear();
    this.notedRefusals.add(id); // before it is written: others of the same refusal need not wait for the database
    try {
      await this.database.transaction((transaction) => insertEventsOnce(transaction, [{ ...refusal, id, at }]));
    } catch (error) {
      this.notedRefusals.delete(id);
      throw error;
    }
  }

  /**
   * Of a group, those whose record no other transaction holds; the others are left to be done alone. A group that cannot be written whole
   * is halved, until the one that keeps it from being written is alone.
   */
  private async changeFree(wishes: readonly Wish[], giveUpAt: number): Promise<Outcome<unknown>[]> {
    const outcomes = await this.write(wishes, LOCK_FREE_HOSTS, giveUpAt).catch((error: unknown) => {
      if (error instanceof FleetError) throw error;
      return null;
    });
    if (outcomes || wishes.length === 1)
      return wishes.map((wish) => outcomes?.get(wish) ?? this.changeLater(wish, giveUpAt));
    const middle = Math.ceil(wishes.length / 2);
    const halves = [wishes.slice(0, middle), wishes.slice(middle)].map((half) =>
      this.changeFree(half, giveUpAt).catch((error: unknown) => half.map((): Outcome<unknown> => rejected(error))),
    );
    return (await Promise.all(halves)).flat();
  }

  /** A failure is handed to the caller once the whole group is known. */
  private changeLater(wish: Wish, giveUpAt: number): Promise<unknown> {
    const change = this.changeAlone(wish, giveUpAt);
    change.catch(() => undefined);
    return change;
  }

  private async changeAlone(wish: Wish, giveUpAt: number): Promise<unknown> {
    const outcome = (await this.write([wish], LOCK_HOSTS, giveUpAt)).get(wish);
    if (outcome?.status !== 'fulfilled') throw outcome?.reason;
    return outcome.value;
  }

  /** Decides and writes in one transaction, in key order. Those whose record could not be locked have no outcome. */
  private async write(
    wishes: readonly Wish[],
    locks: typeof LOCK_HOSTS | typeof LOCK_FREE_HOSTS,
    giveUpAt: number,
  ): Promise<Map<Wish, PromiseSettledResult<unknown>>> {
    const inKeyOrder = [...wishes].sort(byHostId);
    const hostIds = inKeyOrder.map(({ hostId }) => hostId);
    const decide = async (
      transaction: Transaction,
      lock: string,
      stamp: (moment: Moment) => Moment,
    ): Promise<Map<Wish, PromiseSettledResult<unknown>>> => {
      const locked = new Set(
        (await transaction.rows<{ host_id: string }>(lock, [hostIds])).map(({ host_id }) => host_id),
      );
      const { generationFloor, ...read } = await readMomentAndFloor(transaction, this.clock);
      const moment = stamp(read);
      let records = await readRecords(transaction, hostIds);
      const withoutLease = hostIds.filter((hostId) => records.get(hostId)?.damage?.kinds.includes('lease_missing'));
      if (lock === LOCK_HOSTS && withoutLease.length > 0) {
        for (const { host_id } of await transaction.rows<{ host_id: string }>(LOCK_ENTRIES, [withoutLease]))
          locked.add(host_id);
        records = await readRecords(transaction, hostIds);
      }
      const outcomes = new Map<Wish, PromiseSettledResult<unknown>>();
      const changes: Change[] = [];
      for (const wish of inKeyOrder) {
        const record = records.get(wish.hostId) ?? NOTHING_KNOWN;
        if (record.entry === null || locked.has(wish.hostId))
          outcomes.set(wish, decided(wish, { ...moment, generationFloor, ...record }, changes));
        else if (lock === LOCK_HOSTS) throw new RecordChanged(); // it registered after the look for its lock
      }
      const late = await withRetiredPassphrase(transaction, changes, this.clock);
      for (const { wish } of late) outcomes.set(wish, rejected(new FleetError({ code: 'passphrase_rejected' })));
      await writeChanges(
        transaction,
        changes.filter((change) => !late.includes(change)),
        moment,
      );
      return outcomes;
    };
    // While a COMMIT before may still be under way, everybody's lock is waited for: then that attempt is dead, or its event is found.
    return this.stamps.during((stamp) =>
      this.database.transaction(
        (transaction, mayBeUnderWay) => decide(transaction, mayBeUnderWay ? LOCK_HOSTS : locks, stamp),
        {
          provedByEvents: wishes.map(({ eventId }) => eventId),
          final: wishes.length > 1 ? CAUSED_BY_ONE_HOST : [],
          giveUpAt,
        },
      ),
    );
  }

  private async readNeighbours(asked: readonly Whereabouts[]): Promise<PromiseSettledResult<Neighbour[]>[]> {
    const found = asked.map((): Neighbour[] => []);
    const rows = await this.database.rows<{
      place: number;
      host_id: string;
      friendly_name: string;
      ip_address: string;
      machine_id: string;
    }>(
      asked.map(() => READ_NEIGHBOURS).join(' UNION ALL '),
      asked.flatMap(({ hostId, facts }, place) =>
        [facts.ipAddress, nameKey(facts.friendlyName), facts.machineId].flatMap((value) => [place, value, hostId]),
      ),
    );
    for (const row of rows)
      found[row.place]?.push({
        hostId: row.host_id,
        friendlyName: row.friendly_name,
        ipAddress: row.ip_address,
        machineId: row.machine_id,
      });
    return found.map(fulfilled);
  }
}

/** The answer to a wish, or its refusal; a change that follows from it is added to `changes`. */
function decided(wish: Wish, held: HeldRecord, changes: Change[]): PromiseSettledResult<unknown> {
  const { hostId, decide, silenceEventId, eventId } = wish;
  try {
    const { answer, change } = decide(held);
    if (change) {
      const at = { at: held.now, hostId };
      const silence = change.endedSilence ? [{ ...change.endedSilence, ...at, id: silenceEventId }] : [];
      changes.push({ wish, held, write: change.write, events: [...silence, { ...change.event, ...at, id: eventId }] });
    }
    return fulfilled(answer);
  } catch (error) {
    return rejected(error);
  }
}

/** Registrations whose passphrase was retired while they waited in line: whoever rotates it is told that it lets nobody in any more. */
async function withRetiredPassphrase(
  transaction: Transaction,
  changes: readonly Change[],
  clock: Clock,
): Promise<readonly Change[]> {
  const passphraseOf = ({ write }: Change): string | null =>
    write.to === 'registered' ? write.entry.passphraseId : null;
  const asked = new Set(changes.map(passphraseOf).filter((id) => id !== null));
  if (asked.size === 0) return [];
  const passphrases = await transaction.rows<{ id: string; retires_at: Date | null }>(HOLD_PASSPHRASES, [[...asked]]);
  const now = clock.now(); // not as it was before it waited for a rotation
  const retired = new Set<string | null>(
    passphrases.filter(({ retires_at }) => isRetired({ retiresAt: retires_at }, now)).map(({ id }) => id),
  );
  return retired.size === 0 ? [] : changes.filter((change) => retired.has(passphraseOf(change)));
}

/** Writes what was decided, each change with its event. */
async function writeChanges(
  transaction: Transaction,
  changes: readonly Change[],
  { now, listenedMs }: Moment,
): Promise<void> {
  const registrations: Registration[] = [];
  const statements: GuardedStatement[] = [];
  const tally = new TallyChange();
  for (const { wish, held, write } of changes) {
    const { entry, damage } = held;
    if (damage) statements.push(...repairStatements(wish.hostId, entry, damage, listenedMs));
    if (entry)
      tally.add(
        versionKeyOf(entry.facts.agentVersion),
        damage?.rows.entry?.isDecommissioned ?? entry.decommission !== null,
        -1,
      );
    if ('entry' in write && write.entry) tally.addEntry(write.entry, 1);
    if (write.to === 'repaired') continue;
    if (write.to === 'registered')
      registrations.push({ before: held.entry, tombstone: held.tombstone, entry: write.entry });
    else if (write.to === 'remembered') statements.push(...writeTombstone(write.tombstone));
    else if (write.to === 'removed') statements.push(...(await removal(transaction, write, listenedMs)));
    else if (write.to === 'revoked') statements.push(...markRevoked(write.entry));
    else if (write.entry.decommission)
      statements.push(...markDecommissioned(write.entry, write.entry.decommission, listenedMs));
  }
  statements.push(...insertEntries(registrations.filter(({ before }) => before === null)));
  const renamed: ProcessServer[] = [];
  for (const { before, entry } of registrations) {
    if (!before) continue;
    statements.push(...updateEntry(before, entry));
    if (nameKey(before.facts.friendlyName) !== nameKey(entry.facts.friendlyName)) renamed.push(entry);
  }
  statements.push(
    ...(await nextNames(
      transaction,
      renamed.map(({ hostId, facts }) => ({ hostId, name: facts.friendlyName })),
      now,
    )),
  );
  await transaction.writeEach([
    ...statements,
    ...tally.statements(),
    ...eventStatements(changes.flatMap(({ events }) => events)),
  ]);
}

async function removal(
  transaction: Transaction,
  { tombstone, evenIfConnected, entryGeneration }: Extract<RecordWrite, { to: 'removed' }>,
  listenedMs: number,
): Promise<GuardedStatement[]> {
  const { planId } = tombstone;
  if (planId && (await transaction.write(COUNT_PURGE_OF_PLAN, [planId])) === 0) throw new PlanAlreadyApplied(planId);
  return deleteEntry(tombstone, listenedMs, evenIfConnected, entryGeneration);
}

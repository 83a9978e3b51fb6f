import {
  Batcher,
  FleetError,
  fulfilled,
  PlanAlreadyApplied,
  rejectionKey,
  rejected,
  isRetired,
  type BatchOutcome,
  type Clock,
  type Decision,
  type FleetEvent,
  type LockedRecord,
  type HostRecord,
  type IdentityFacts,
  type Identifiers,
  type Moment,
  type PossibleDuplicate,
  nameKey,
  type ProcessServer,
  type RecordWrite,
  type Registry,
} from '@app/fleet';
import {
  DATABASE_BATCHES,
  TRANSACTION_TIMEOUT_MS,
  OptimisticLockError,
  type Database,
  type GuardedStatement,
  type Transaction,
} from '../database.js';
import { ER_LOCK_DEADLOCK, ER_DUP_ENTRY, ER_LOCK_WAIT_TIMEOUT, ER_CHECKREAD } from '../database-errors.js';
import { readMomentAndFloor } from './availability-clock-store.js';
import { readRecords } from './host-records.js';
import {
  COUNT_PURGES_OF_PLAN,
  deleteEntry,
  insertEntries,
  LOCK_HOSTS_SKIP_LOCKED,
  LOCK_HOSTS,
  markDecommissioned,
  markRevoked,
  FIND_POSSIBLE_DUPLICATES,
  updateEntry,
  writeTombstone,
  type Registration,
} from '../statements/entry.js';
import { eventStatements, insertEventsOnce } from '../statements/events.js';
import { LOCK_ENTRIES } from '../statements/hosts.js';
import { LOCK_PASSPHRASES } from '../statements/keys.js';
import { renameStatements } from '../statements/name-history.js';
import { repairStatements } from '../statements/repair.js';
import { CounterDelta, versionKeyOf } from '../statements/counters.js';
import type { PendingWrites } from '../pending-writes.js';

/** Maximum number of recently recorded rejections that are cached, so that a repeated rejection causes no further write. */
const MAX_CACHED_REJECTIONS = 10_000;
/** Up to a hundred hosts are locked for the time of one transaction. While one batch is written, the next one is decided. */
const CHANGE_BATCHING = { ...DATABASE_BATCHES, maxBatchSize: 100, maxConcurrentBatches: 2 };
/** Errors that one host of a batch can cause: the batch is not retried as a whole. */
const SINGLE_HOST_ERRORS = [ER_LOCK_WAIT_TIMEOUT, ER_CHECKREAD, ER_LOCK_DEADLOCK, ER_DUP_ENTRY];

/** A requested change of a host's record. */
interface PendingChange {
  readonly hostId: string;
  readonly decide: (locked: LockedRecord) => Decision<unknown>;
  /** Event id of the end of a silence; sorts before the event of the change. */
  readonly silenceEventId: string;
  readonly eventId: string;
}

/** A decided change that is to be written. */
interface Change {
  readonly pendingChange: PendingChange;
  readonly locked: LockedRecord;
  readonly write: RecordWrite;
  readonly events: readonly FleetEvent[];
}

interface DuplicateQuery {
  readonly hostId: string;
  readonly facts: IdentityFacts;
}

const EMPTY_RECORD: HostRecord = { entry: null, tombstone: null };

const byHostId = (a: PendingChange, b: PendingChange): number => (a.hostId < b.hostId ? -1 : 1);

/**
 * Changes that are requested while a batch is written form the next batch: one transaction, one flush to disk. A problem of one
 * change does not affect the others: a rejection concerns only its change, a host that another transaction has locked is changed in
 * a separate transaction, and a batch that fails is halved.
 */
export class RegistryStore implements Registry {
  private readonly recordedRejections = new Set<string>();
  private readonly changes = new Batcher<PendingChange, unknown>({
    ...CHANGE_BATCHING,
    keyOf: ({ hostId }) => hostId,
    halvesFailedBatches: true,
    write: ({ items, oldestMs }) => this.changeUnlocked(items, oldestMs + TRANSACTION_TIMEOUT_MS),
  });
  private readonly duplicateLookups = new Batcher<DuplicateQuery, PossibleDuplicate[]>({
    ...CHANGE_BATCHING,
    write: ({ items }) => this.readPossibleDuplicates(items),
  });

  constructor(
    private readonly database: Database,
    private readonly clock: Clock,
    private readonly identifiers: Identifiers,
    private readonly pendingWrites: PendingWrites,
  ) {}

  change<A>(hostId: string, decide: (locked: LockedRecord) => Decision<A>): Promise<A> {
    const now = this.clock.now();
    return this.changes.submit({
      hostId,
      decide,
      silenceEventId: this.identifiers.newId(now),
      eventId: this.identifiers.newId(now),
    }) as Promise<A>;
  }

  async find(hostId: string): Promise<LockedRecord> {
    const { generationFloor, ...moment } = await readMomentAndFloor(this.database, this.clock);
    const records = await readRecords(this.database, [hostId]);
    return { ...moment, generationFloor, ...(records.get(hostId) ?? EMPTY_RECORD) };
  }

  findPossibleDuplicates(hostId: string, facts: IdentityFacts): Promise<PossibleDuplicate[]> {
    return this.duplicateLookups.submit({ hostId, facts });
  }

  async recordRejection(rejection: Omit<FleetEvent, 'id' | 'at'>, caller: string | null = null): Promise<void> {
    const at = this.clock.now();
    const id = this.identifiers.deterministicId(rejectionKey(rejection.hostId, rejection.kind, at, caller));
    if (this.recordedRejections.has(id)) return;
    if (this.recordedRejections.size >= MAX_CACHED_REJECTIONS) this.recordedRejections.clear();
    this.recordedRejections.add(id); // before the write, so that an equal rejection does not wait for the database
    try {
      await this.database.transaction((transaction) => insertEventsOnce(transaction, [{ ...rejection, id, at }]));
    } catch (error) {
      this.recordedRejections.delete(id);
      throw error;
    }
  }

  /** Writes the changes whose record is not locked. Each other change, and a single change that failed, is written separately. */
  private async changeUnlocked(
    pendingChanges: readonly PendingChange[],
    deadline: number,
  ): Promise<BatchOutcome<PendingChange, unknown>[]> {
    const outcomes = await this.write(pendingChanges, LOCK_HOSTS_SKIP_LOCKED, deadline).catch((error: unknown) => {
      if (error instanceof FleetError || pendingChanges.length > 1) throw error;
      return null;
    });
    return pendingChanges.map(
      (pendingChange) => outcomes?.get(pendingChange) ?? this.startIndividually(pendingChange, deadline),
    );
  }

  /** An early failure is not unhandled: its caller gets it with the outcomes of the batch. */
  private startIndividually(pendingChange: PendingChange, deadline: number): Promise<unknown> {
    const change = this.changeIndividually(pendingChange, deadline);
    change.catch(() => undefined);
    return change;
  }

  private async changeIndividually(pendingChange: PendingChange, deadline: number): Promise<unknown> {
    const outcome = (await this.write([pendingChange], LOCK_HOSTS, deadline)).get(pendingChange);
    if (outcome?.status !== 'fulfilled') throw outcome?.reason;
    return outcome.value;
  }

  /** Decides and writes changes in one transaction, in key order. A change whose record could not be locked has no outcome. */
  private async write(
    pendingChanges: readonly PendingChange[],
    locks: typeof LOCK_HOSTS | typeof LOCK_HOSTS_SKIP_LOCKED,
    deadline: number,
  ): Promise<Map<PendingChange, PromiseSettledResult<unknown>>> {
    const inKeyOrder = [...pendingChanges].sort(byHostId);
    const hostIds = inKeyOrder.map(({ hostId }) => hostId);
    const decide = async (
      transaction: Transaction,
      lock: string,
      markAt: (moment: Moment) => Moment,
    ): Promise<Map<PendingChange, PromiseSettledResult<unknown>>> => {
      const locked = new Set(
        (await transaction.rows<{ host_id: string }>(lock, [hostIds])).map(({ host_id }) => host_id),
      );
      const { generationFloor, ...read } = await readMomentAndFloor(transaction, this.clock);
      const moment = markAt(read);
      let records = await readRecords(transaction, hostIds);
      const withoutLease = hostIds.filter((hostId) => records.get(hostId)?.damage?.kinds.includes('lease_missing'));
      if (lock === LOCK_HOSTS && withoutLease.length > 0) {
        for (const { host_id } of await transaction.rows<{ host_id: string }>(LOCK_ENTRIES, [withoutLease]))
          locked.add(host_id);
        records = await readRecords(transaction, hostIds);
      }
      const outcomes = new Map<PendingChange, PromiseSettledResult<unknown>>();
      const changes: Change[] = [];
      for (const pendingChange of inKeyOrder) {
        const record = records.get(pendingChange.hostId) ?? EMPTY_RECORD;
        if (record.entry === null || locked.has(pendingChange.hostId))
          outcomes.set(pendingChange, evaluate(pendingChange, { ...moment, generationFloor, ...record }, changes));
        else if (lock === LOCK_HOSTS) throw new OptimisticLockError(); // the host registered after the lock was tried
      }
      const expired = await changesWithExpiredPassphrase(transaction, changes, this.clock);
      for (const { pendingChange } of expired)
        outcomes.set(pendingChange, rejected(new FleetError({ code: 'passphrase_rejected' })));
      const ofAppliedPlans = await countPurges(transaction, changes);
      for (const { pendingChange } of ofAppliedPlans) outcomes.set(pendingChange, rejected(new PlanAlreadyApplied()));
      await writeChanges(
        transaction,
        changes.filter((change) => !expired.includes(change) && !ofAppliedPlans.includes(change)),
        moment,
      );
      return outcomes;
    };
    // While an earlier COMMIT may be pending, all locks are waited for: afterwards that attempt is rolled back, or its event is found.
    return this.pendingWrites.track((markAt) =>
      this.database.transaction(
        (transaction, previousCommitMayBePending) =>
          decide(transaction, previousCommitMayBePending ? LOCK_HOSTS : locks, markAt),
        {
          commitProofEventIds: pendingChanges.map(({ eventId }) => eventId),
          nonRetryable: pendingChanges.length > 1 ? SINGLE_HOST_ERRORS : [],
          deadline,
        },
      ),
    );
  }

  private async readPossibleDuplicates(
    queries: readonly DuplicateQuery[],
  ): Promise<PromiseSettledResult<PossibleDuplicate[]>[]> {
    const found = queries.map((): PossibleDuplicate[] => []);
    const rows = await this.database.rows<{
      place: number;
      host_id: string;
      friendly_name: string;
      ip_address: string;
      machine_id: string;
    }>(
      queries.map(() => FIND_POSSIBLE_DUPLICATES).join(' UNION ALL '),
      queries.flatMap(({ hostId, facts }, place) =>
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

/** Decides a pending change. Returns the result or the rejection; a change to write is added to `changes`. */
function evaluate(
  pendingChange: PendingChange,
  locked: LockedRecord,
  changes: Change[],
): PromiseSettledResult<unknown> {
  const { hostId, decide, silenceEventId, eventId } = pendingChange;
  try {
    const { result, change } = decide(locked);
    if (change) {
      const at = { at: locked.at, hostId };
      const silence = change.endedSilence ? [{ ...change.endedSilence, ...at, id: silenceEventId }] : [];
      changes.push({
        pendingChange,
        locked,
        write: change.write,
        events: [...silence, { ...change.event, ...at, id: eventId }],
      });
    }
    return fulfilled(result);
  } catch (error) {
    return rejected(error);
  }
}

/** Registrations whose passphrase was retired while they were queued: a rotation promises that the old passphrase is not accepted. */
async function changesWithExpiredPassphrase(
  transaction: Transaction,
  changes: readonly Change[],
  clock: Clock,
): Promise<readonly Change[]> {
  const passphraseOf = ({ write }: Change): string | null =>
    write.to === 'registered' ? write.entry.passphraseId : null;
  const passphraseIds = new Set(changes.map(passphraseOf).filter((id) => id !== null));
  if (passphraseIds.size === 0) return [];
  const passphrases = await transaction.rows<{ id: string; expires_at: Date | null }>(LOCK_PASSPHRASES, [
    [...passphraseIds],
  ]);
  const now = clock.now(); // read after the lock, which may have waited for a rotation
  const expiredIds = new Set<string | null>(
    passphrases.filter(({ expires_at }) => isRetired({ retiresAt: expires_at }, now)).map(({ id }) => id),
  );
  return expiredIds.size === 0 ? [] : changes.filter((change) => expiredIds.has(passphraseOf(change)));
}

/** Writes the decided changes with their events. */
async function writeChanges(
  transaction: Transaction,
  changes: readonly Change[],
  { at: now, availableMs }: Moment,
): Promise<void> {
  const registrations: Registration[] = [];
  const statements: GuardedStatement[] = [];
  const counters = new CounterDelta();
  for (const { pendingChange, locked, write } of changes) {
    const { entry, damage } = locked;
    if (damage) statements.push(...repairStatements(pendingChange.hostId, entry, damage, availableMs));
    if (entry)
      counters.add(
        versionKeyOf(entry.facts.agentVersion),
        damage?.rows.entry?.isDecommissioned ?? entry.decommission !== null,
        -1,
      );
    if ('entry' in write && write.entry) counters.addEntry(write.entry, 1);
    if (write.to === 'repaired') continue;
    if (write.to === 'registered')
      registrations.push({ before: locked.entry, tombstone: locked.tombstone, entry: write.entry });
    else if (write.to === 'remembered') statements.push(...writeTombstone(write.tombstone));
    else if (write.to === 'removed') statements.push(...deleteEntry(write, availableMs));
    else if (write.to === 'revoked') statements.push(...markRevoked(write.entry));
    else if (write.entry.decommission)
      statements.push(...markDecommissioned(write.entry, write.entry.decommission, availableMs));
  }
  statements.push(...insertEntries(registrations.filter(({ before }) => before === null)));
  const renamed: ProcessServer[] = [];
  for (const { before, entry } of registrations) {
    if (!before) continue;
    statements.push(...updateEntry(before, entry));
    if (nameKey(before.facts.friendlyName) !== nameKey(entry.facts.friendlyName)) renamed.push(entry);
  }
  statements.push(
    ...(await renameStatements(
      transaction,
      renamed.map(({ hostId, facts }) => ({ hostId, name: facts.friendlyName })),
      now,
    )),
  );
  await transaction.executeAll([
    ...statements,
    ...counters.statements(),
    ...eventStatements(changes.flatMap(({ events }) => events)),
  ]);
}

const planIdOf = ({ write }: Change): string | null => (write.to === 'removed' ? write.tombstone.planId : null);

/** Counts the purges of each plan and locks the plan until they are committed. Returns the purges of plans whose result is stored. */
async function countPurges(transaction: Transaction, changes: readonly Change[]): Promise<readonly Change[]> {
  const ofAppliedPlans: Change[] = [];
  const planIds = new Set(changes.map(planIdOf).filter((planId) => planId !== null));
  for (const planId of [...planIds].sort()) {
    const purges = changes.filter((change) => planIdOf(change) === planId);
    if ((await transaction.write(COUNT_PURGES_OF_PLAN, [purges.length, planId])) === 0) ofAppliedPlans.push(...purges);
  }
  return ofAppliedPlans;
}

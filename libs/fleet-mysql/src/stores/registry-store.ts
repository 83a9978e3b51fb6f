import {
  Batcher,
  FleetError,
  fulfilled,
  rejectionKey,
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
  type Registry,
} from '@app/fleet';
import {
  DATABASE_BATCHES,
  TRANSACTION_TIMEOUT_MS,
  OptimisticLockError,
  type Database,
  type Transaction,
} from '../database.js';
import { ER_LOCK_DEADLOCK, ER_DUP_ENTRY, ER_LOCK_WAIT_TIMEOUT, ER_CHECKREAD } from '../database-errors.js';
import { readMomentAndFloor } from './availability-clock-store.js';
import { readRecords } from './host-records.js';
import { decideAndWrite, type PendingChange } from './registry-change.js';
import {
  FIND_POSSIBLE_DUPLICATES,
  LOCK_HOSTS,
  LOCK_HOSTS_SKIP_LOCKED,
  toPossibleDuplicate,
  type DuplicateRow,
} from '../statements/entry.js';
import { insertEventsOnce } from '../statements/events.js';
import { LOCK_ENTRIES } from '../statements/hosts.js';
import type { PendingWrites } from '../pending-writes.js';

/** Maximum number of recently recorded rejections that are cached, so that a repeated rejection causes no further write. */
const MAX_CACHED_REJECTIONS = 10_000;
/** Up to a hundred hosts are locked for the time of one transaction. While one batch is written, the next one is decided. */
const CHANGE_BATCHING = { ...DATABASE_BATCHES, maxBatchSize: 100, maxConcurrentBatches: 2 };
/** Errors that one host of a batch can cause: the batch is not retried as a whole. */
const SINGLE_HOST_ERRORS = [ER_LOCK_WAIT_TIMEOUT, ER_CHECKREAD, ER_LOCK_DEADLOCK, ER_DUP_ENTRY];

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
      reconnectedEventId: this.identifiers.newId(now),
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
      const lockedRecords = new Map<PendingChange, LockedRecord>();
      for (const pendingChange of inKeyOrder) {
        const record = records.get(pendingChange.hostId) ?? EMPTY_RECORD;
        if (record.entry === null || locked.has(pendingChange.hostId))
          lockedRecords.set(pendingChange, { ...moment, generationFloor, ...record });
        else if (lock === LOCK_HOSTS) throw new OptimisticLockError(); // the host registered after the lock was tried
      }
      return decideAndWrite(transaction, lockedRecords, moment, this.clock, this.identifiers);
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
    const rows = await this.database.rows<DuplicateRow>(
      queries.map(() => FIND_POSSIBLE_DUPLICATES).join(' UNION ALL '),
      queries.flatMap(({ hostId, facts }, place) =>
        [facts.ipAddress, nameKey(facts.friendlyName), facts.machineId].flatMap((value) => [place, value, hostId]),
      ),
    );
    for (const row of rows) found[row.place]?.push(toPossibleDuplicate(row));
    return found.map(fulfilled);
  }
}

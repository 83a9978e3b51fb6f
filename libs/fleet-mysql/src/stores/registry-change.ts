import {
  FleetError,
  fulfilled,
  isRetired,
  nameKey,
  osKeyOf,
  PlanAlreadyApplied,
  rejected,
  silenceEvents,
  type Clock,
  type Decision,
  type EndedLease,
  type FleetEvent,
  type Identifiers,
  type LockedRecord,
  type Moment,
  type ProcessServer,
  type RecordWrite,
} from '@app/fleet';
import type { GuardedStatement, Transaction } from '../database.js';
import { useEnrolments, type EnrolmentUse } from './enrolment-uses.js';
import {
  COUNT_PURGES_OF_PLAN,
  deleteEntry,
  insertEntries,
  markDecommissioned,
  markRevoked,
  updateEntry,
  writeTombstone,
  type Registration,
} from '../statements/entry.js';
import { CounterDelta, versionKeyOf } from '../statements/counters.js';
import { eventOnceStatements, eventStatements } from '../statements/events.js';
import { LOCK_PASSPHRASES } from '../statements/keys.js';
import { renameStatements } from '../statements/name-history.js';
import { repairStatements } from '../statements/repair.js';

/** A requested change of a host's record. */
export interface PendingChange {
  readonly hostId: string;
  readonly decide: (locked: LockedRecord) => Decision<unknown>;
  /** Event id of the end of a silence; sorts before the event of the change. */
  readonly silenceEventId: string;
  readonly reconnectedEventId: string;
  readonly eventId: string;
}

/** A decided change that is to be written. */
interface Change {
  readonly pendingChange: PendingChange;
  readonly locked: LockedRecord;
  readonly write: RecordWrite;
  readonly events: readonly FleetEvent[];
  /** Written unless the monitor has written it; null when the change ends no silence. */
  readonly disconnected: FleetEvent | null;
}

/** Decides the pending changes of locked records, and writes them with their events. Returns the outcome of each. */
export async function decideAndWrite(
  transaction: Transaction,
  lockedRecords: ReadonlyMap<PendingChange, LockedRecord>,
  moment: Moment,
  clock: Clock,
  identifiers: Identifiers,
): Promise<Map<PendingChange, PromiseSettledResult<unknown>>> {
  const outcomes = new Map<PendingChange, PromiseSettledResult<unknown>>();
  const changes: Change[] = [];
  for (const [pendingChange, locked] of lockedRecords)
    outcomes.set(pendingChange, evaluate(pendingChange, locked, changes, identifiers));
  const expired = await changesWithExpiredPassphrase(transaction, changes, clock);
  for (const { pendingChange } of expired)
    outcomes.set(pendingChange, rejected(new FleetError({ code: 'passphrase_rejected' })));
  const ofAppliedPlans = await countPurges(transaction, changes);
  for (const { pendingChange } of ofAppliedPlans) outcomes.set(pendingChange, rejected(new PlanAlreadyApplied()));
  const accepted = changes.filter((change) => !expired.includes(change) && !ofAppliedPlans.includes(change));
  const { errors, statements } = await useEnrolments(transaction, accepted.flatMap(enrolmentUse), () => clock.now());
  for (const [{ change }, error] of errors) outcomes.set(change.pendingChange, rejected(error));
  const unenrolled = new Set([...errors.keys()].map(({ change }) => change));
  await writeChanges(
    transaction,
    accepted.filter((change) => !unenrolled.has(change)),
    statements,
    moment,
  );
  return outcomes;
}

/** The enrolment that a registration uses, if any. */
function enrolmentUse(change: Change): (EnrolmentUse & { readonly change: Change })[] {
  const { write, locked, pendingChange } = change;
  if (write.to !== 'registered' || write.entry.enrolmentId === null) return [];
  const { enrolmentId, facts } = write.entry;
  return [{ change, hostId: pendingChange.hostId, enrolmentId, machineId: facts.machineId, before: locked.entry }];
}

/** Decides a pending change. Returns the result or the rejection; a change to write is added to `changes`. */
function evaluate(
  pendingChange: PendingChange,
  locked: LockedRecord,
  changes: Change[],
  identifiers: Identifiers,
): PromiseSettledResult<unknown> {
  const { hostId, decide, silenceEventId, reconnectedEventId, eventId } = pendingChange;
  try {
    const { result, change } = decide(locked);
    if (change) {
      const at = { at: locked.at, hostId };
      const ended = change.endedSilence && { ...change.endedSilence, ...at, id: silenceEventId };
      const pair =
        ended && locked.entry
          ? silenceEvents(ended, endedLeaseOf(locked.entry), locked.availableMs, reconnectedEventId, identifiers)
          : null;
      changes.push({
        pendingChange,
        locked,
        write: change.write,
        events: [
          ...(ended ? [ended] : []),
          ...(pair ? [pair.reconnected] : []),
          { ...change.event, ...at, id: eventId },
        ],
        disconnected: pair?.disconnected ?? null,
      });
    }
    return fulfilled(result);
  } catch (error) {
    return rejected(error);
  }
}

const endedLeaseOf = ({ hostId, generation, registeredAt, lease }: ProcessServer): EndedLease => ({
  hostId,
  generation,
  expiresAvailableMs: lease.expiresAvailableMs,
  lastSeenAt: lease.lastHeartbeatAt ?? registeredAt,
  sourceAddress: lease.sourceAddress,
});

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

/** Writes the decided changes with their events, after the `first` statements. */
async function writeChanges(
  transaction: Transaction,
  changes: readonly Change[],
  first: readonly GuardedStatement[],
  { at: now, availableMs }: Moment,
): Promise<void> {
  const registrations: Registration[] = [];
  const statements: GuardedStatement[] = [...first];
  const counters = new CounterDelta();
  for (const { pendingChange, locked, write } of changes) {
    const { entry, damage } = locked;
    if (damage) statements.push(...repairStatements(pendingChange.hostId, entry, damage, availableMs));
    if (entry)
      counters.add(
        versionKeyOf(entry.facts.agentVersion),
        osKeyOf(entry.facts.osType),
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
    ...eventOnceStatements(changes.flatMap(({ disconnected }) => disconnected ?? [])),
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

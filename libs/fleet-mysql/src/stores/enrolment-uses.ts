import { enrolmentError, FleetError, isRepetition, type ProcessServer } from '@app/fleet';
import { OptimisticLockError, type GuardedStatement, type Transaction } from '../database.js';
import { countRegistrations, LOCK_ENROLMENTS, toEnrolment, type EnrolmentRow } from '../statements/enrolments.js';
import { FIND_ENTRIES } from '../statements/hosts.js';

/** A decided registration that uses an enrolment, with the entry that it replaces. */
export interface EnrolmentUse {
  readonly hostId: string;
  readonly enrolmentId: string;
  readonly machineId: string;
  readonly before: ProcessServer | null;
}

/**
 * Locks the enrolments of these registrations until the end of the transaction, and decides in the given order which
 * registrations they still permit. Returns the error of each one that they do not, and the statements that count the others.
 */
export async function useEnrolments<Use extends EnrolmentUse>(
  transaction: Transaction,
  uses: readonly Use[],
  now: () => Date,
): Promise<{ readonly errors: ReadonlyMap<Use, FleetError>; readonly statements: readonly GuardedStatement[] }> {
  const errors = new Map<Use, FleetError>();
  if (uses.length === 0) return { errors, statements: [] };
  const ids = [...new Set(uses.map(({ enrolmentId }) => enrolmentId))];
  const rows = await transaction.rows<EnrolmentRow>(LOCK_ENROLMENTS, [ids]);
  const lockedAt = now(); // read after the lock, which may have waited for a revocation
  const enrolments = new Map(rows.map((row) => [row.id, toEnrolment(row)]));
  const counted = new Map<string, number>();
  for (const use of uses) {
    const { enrolmentId, before } = use;
    const stored = enrolments.get(enrolmentId);
    const taken = counted.get(enrolmentId) ?? 0;
    const error = stored
      ? enrolmentError(lockedAt, { ...stored, registrations: stored.registrations + taken })
      : ({ code: 'enrolment_rejected' } as const);
    const isRepeated = isRepetition(before, use);
    if (error && !(isRepeated && error.code === 'enrolment_used_up')) errors.set(use, new FleetError(error));
    else if (!isRepeated) counted.set(enrolmentId, taken + 1);
  }
  await assertStillNew(transaction, errors);
  return { errors, statements: [...counted].map(([enrolmentId, taken]) => countRegistrations(enrolmentId, taken)) };
}

/**
 * While a registration without an entry waited for its enrolment, the same registration may have been committed at another replica. Then
 * it is decided again, as a repetition.
 * @throws OptimisticLockError
 */
async function assertStillNew(transaction: Transaction, errors: ReadonlyMap<EnrolmentUse, FleetError>): Promise<void> {
  const newHostIds = [...errors]
    .filter(([{ before }, { details }]) => before === null && details.code === 'enrolment_used_up')
    .map(([{ hostId }]) => hostId);
  if (newHostIds.length > 0 && (await transaction.rows(FIND_ENTRIES, [newHostIds])).length > 0)
    throw new OptimisticLockError();
}

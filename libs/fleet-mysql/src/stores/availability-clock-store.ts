import {
  disagrees,
  initialAvailability,
  FleetError,
  availableMsAt,
  advanceAvailability,
  type AvailabilityAttempt,
  type AvailabilityRecord,
  type AvailabilityTiming,
  type Clock,
  type ClockDisagreement,
  type FleetEvent,
  type Identifiers,
  type AvailabilityState,
  type AvailabilityStore,
  type Moment,
} from '@app/fleet';
import { OptimisticLockError, type Database, type Transaction } from '../database.js';
import { ER_LOCK_WAIT_TIMEOUT } from '../database-errors.js';
import { AVAILABILITY_CLOCK } from '../entities/fleet-tables.js';
import {
  COUNT_WITNESSES,
  heartbeatProbe,
  LOCK_WITNESSES_SKIP_LOCKED,
  ADVANCE_AVAILABILITY,
  READ_AVAILABILITY,
  READ_AVAILABILITY_AND_FLOOR,
  type AvailabilityAndFloorRow,
  type AvailabilityRow,
} from '../statements/availability.js';
import { eventStatements, systemEvent } from '../statements/events.js';

/** About the time limit of a heartbeat: a slower probe proves nothing. */
const HEARTBEAT_PROBE_TIMEOUT_MS = 2_000;

const toAvailabilityState = (row: AvailabilityRow): AvailabilityState => ({
  availableMs: row.available_ms,
  recordedAt: row.recorded_at,
  runAheadMs: row.run_ahead_ms,
  unsteadyAtAvailableMs: row.unsteady_available_ms,
  steppedAtAvailableMs: row.stepped_available_ms,
  steppedBack: row.stepped_back_to && { availableMs: row.stepped_back_available_ms ?? 0, to: row.stepped_back_to },
});

const toAvailabilityRow = ({ steppedBack, ...state }: AvailabilityState): AvailabilityRow => ({
  available_ms: state.availableMs,
  recorded_at: state.recordedAt,
  run_ahead_ms: state.runAheadMs,
  unsteady_available_ms: state.unsteadyAtAvailableMs,
  stepped_available_ms: state.steppedAtAvailableMs,
  stepped_back_available_ms: steppedBack?.availableMs ?? null,
  stepped_back_to: steppedBack?.to ?? null,
});

/** The committed availability clock; zero before the first record. */
export async function readAvailability(reader: Pick<Transaction, 'rows'>, now: Date): Promise<AvailabilityState> {
  const [row] = await reader.rows<AvailabilityRow>(READ_AVAILABILITY);
  return row ? toAvailabilityState(row) : initialAvailability(now, { runAheadMs: 0 });
}

/** The current moment by the committed availability clock. The wall clock is read last, so that no wait makes it stale. */
export async function readMoment(reader: Pick<Transaction, 'rows'>, clock: Clock): Promise<Moment> {
  const [row] = await reader.rows<AvailabilityRow>(READ_AVAILABILITY);
  const at = clock.now();
  return { at, availableMs: row ? availableMsAt(toAvailabilityState(row), at) : 0 };
}

/** The same with the site's generation floor, for decisions on a host's record. */
export async function readMomentAndFloor(
  reader: Pick<Transaction, 'rows'>,
  clock: Clock,
): Promise<Moment & { readonly generationFloor: number }> {
  const [row] = await reader.rows<AvailabilityAndFloorRow>(READ_AVAILABILITY_AND_FLOOR);
  const at = clock.now();
  const isRecorded = row !== undefined && row.recorded_at !== null;
  return {
    at,
    availableMs: isRecorded ? availableMsAt(toAvailabilityState(row as AvailabilityRow), at) : 0,
    generationFloor: row?.generation_floor ?? 0,
  };
}

/** While heartbeats fail, their rows may be locked: the rows of at least one witness must be unlocked, if any witness still exists. */
async function assertUnlockedRows(transaction: Transaction, witnesses: readonly string[]): Promise<void> {
  if (witnesses.length === 0) return;
  const unlocked = await transaction.rows(LOCK_WITNESSES_SKIP_LOCKED, [witnesses]);
  if (unlocked.length > 0) return;
  const [count] = await transaction.rows<{ known: number }>(COUNT_WITNESSES, [witnesses]);
  if (count && count.known > 0) throw new FleetError({ code: 'database_unavailable' });
}

/** Time limit of the readiness probe. */
const READINESS_PROBE_TIMEOUT_MS = 1_000;

/** Whether the writes of a heartbeat commit within a second, whatever they change. */
export function canCommitHeartbeats(database: Database, now: Date): Promise<boolean> {
  const options = { nonRetryable: [ER_LOCK_WAIT_TIMEOUT], deadline: performance.now() + READINESS_PROBE_TIMEOUT_MS };
  return database
    .transaction((transaction) => transaction.executeAll(heartbeatProbe(now)), options)
    .then(
      () => true,
      () => false,
    );
}

/** Uses the database connections of heartbeats: the availability clock stops exactly when heartbeats cannot be written. */
export class AvailabilityClockStore implements AvailabilityStore {
  constructor(
    private readonly database: Database,
    private readonly identifiers: Identifiers,
    private readonly replica: string,
    private readonly timing: AvailabilityTiming,
  ) {}

  async record(now: Date, attempt: AvailabilityAttempt): Promise<AvailabilityRecord | ClockDisagreement> {
    const eventId = this.identifiers.newId(now);
    return this.database.transaction(
      async (transaction) => {
        await assertUnlockedRows(transaction, attempt.witnesses);
        await transaction.executeAll(heartbeatProbe(now));
        const [row] = await transaction.rows<AvailabilityRow>(READ_AVAILABILITY);
        if (!row) {
          const availability = initialAvailability(now, this.timing);
          await transaction.executeAll([AVAILABILITY_CLOCK.insert([{ id: 1, ...toAvailabilityRow(availability) }])]);
          return { availability, outage: null, step: null };
        }
        const previous = toAvailabilityState(row);
        if (!attempt.isConfirmed && disagrees(previous, now, attempt)) return { disagreesWith: previous };
        const record = advanceAvailability(previous, now, attempt, this.timing);
        if (record.availability === previous) return record;
        const advance = {
          sql: ADVANCE_AVAILABILITY,
          parameters: [toAvailabilityRow(record.availability), row.recorded_at],
        };
        // Locked only by the last statement: a replica that stalls with the lock would block the others.
        if (
          (await transaction.executeAndCommitIfExact(
            advance,
            1,
            eventStatements(this.eventsOf(record, eventId, now)),
          )) !== 1
        )
          throw new OptimisticLockError();
        return record;
      },
      {
        commitProofEventIds: [eventId],
        nonRetryable: [ER_LOCK_WAIT_TIMEOUT],
        deadline: performance.now() + HEARTBEAT_PROBE_TIMEOUT_MS,
      },
    );
  }

  private eventsOf({ outage, step }: AvailabilityRecord, id: string, at: Date): FleetEvent[] {
    const found = outage ?? step;
    if (!found) return [];
    const detail = { from: found.from.toISOString(), to: found.to.toISOString() };
    return [systemEvent(this.replica, { id, at, kind: outage ? 'service_outage' : 'clock_stepped', detail })];
  }
}

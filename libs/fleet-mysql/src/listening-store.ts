import {
  disagrees,
  firstListening,
  FleetError,
  listenedMsAt,
  noteListening,
  ownDoing,
  type AvailabilityAttempt,
  type AvailabilityRecord,
  type AvailabilityTiming,
  type Clock,
  type ClockDisagreement,
  type FleetEvent,
  type Identifiers,
  type Listening,
  type ListeningNotes,
  type Moment,
} from '@app/fleet';
import { RecordChanged, type Database, type Transaction } from './database.js';
import { LOCK_WAIT_TIMEOUT } from './database-errors.js';
import {
  BEGIN_LISTENING,
  COUNT_WITNESSES,
  heartbeatProof,
  LOCK_FREE_WITNESSES,
  MOVE_LISTENING,
  READ_LISTENING,
  READ_LISTENING_AND_FLOOR,
} from './statements/availability.js';
import { eventStatements } from './statements/events.js';

interface ListeningRow {
  listened_ms: number;
  noted_at: Date;
  run_ahead_ms: number;
  unsteady_listened_ms: number;
  stepped_listened_ms: number | null;
  stepped_back_listened_ms: number | null;
  stepped_back_to: Date | null;
}

/** The time that a heartbeat has, about: what takes longer proves nothing. */
const PROVE_WITHIN_MS = 2_000;

const listeningOf = ({
  listened_ms,
  noted_at,
  run_ahead_ms,
  unsteady_listened_ms,
  stepped_listened_ms,
  stepped_back_listened_ms,
  stepped_back_to,
}: ListeningRow): Listening => ({
  listenedMs: listened_ms,
  notedAt: noted_at,
  runAheadMs: run_ahead_ms,
  unsteadyAtListenedMs: unsteady_listened_ms,
  steppedAtListenedMs: stepped_listened_ms,
  steppedBack: stepped_back_to && { listenedMs: stepped_back_listened_ms ?? 0, to: stepped_back_to },
});

const valuesOf = ({
  listenedMs,
  notedAt,
  runAheadMs,
  unsteadyAtListenedMs,
  steppedAtListenedMs,
  steppedBack,
}: Listening): unknown[] => [
  ...[listenedMs, notedAt, runAheadMs, unsteadyAtListenedMs, steppedAtListenedMs],
  ...[steppedBack?.listenedMs ?? null, steppedBack?.to ?? null],
];

/** The row as committed; before the first note, L is zero. */
export async function readListening(reader: Pick<Transaction, 'rows'>, now: Date): Promise<Listening> {
  const [row] = await reader.rows<ListeningRow>(READ_LISTENING);
  return row ? listeningOf(row) : firstListening(now, { runAheadMs: 0 });
}

/** This moment by the row as committed; before the first note, L is zero. The instant is read last, so that nothing is awaited after it. */
export async function readMoment(reader: Pick<Transaction, 'rows'>, clock: Clock): Promise<Moment> {
  const [row] = await reader.rows<ListeningRow>(READ_LISTENING);
  const now = clock.now();
  return { now, listenedMs: row ? listenedMsAt(listeningOf(row), now) : 0 };
}

/** The same, with the site's generation floor: what a change of a host's record is decided by. */
export async function readMomentAndFloor(
  reader: Pick<Transaction, 'rows'>,
  clock: Clock,
): Promise<Moment & { readonly generationFloor: number }> {
  type Row = { [Column in keyof ListeningRow]: ListeningRow[Column] | null } & { readonly generation_floor: number };
  const [row] = await reader.rows<Row>(READ_LISTENING_AND_FLOOR);
  const now = clock.now();
  const isRecorded = row !== undefined && row.noted_at !== null;
  return {
    now,
    listenedMs: isRecorded ? listenedMsAt(listeningOf(row as ListeningRow), now) : 0,
    generationFloor: row?.generation_floor ?? 0,
  };
}

/** While heartbeats fail, rows may be locked from outside: the rows of one witness must be free, unless none of them is there any more. */
async function mustFindFreeRows(transaction: Transaction, witnesses: readonly string[]): Promise<void> {
  if (witnesses.length === 0) return;
  const free = await transaction.rows(LOCK_FREE_WITNESSES, [witnesses]);
  if (free.length > 0) return;
  const [count] = await transaction.rows<{ known: number }>(COUNT_WITNESSES, [witnesses]);
  if (count && count.known > 0) throw new FleetError({ code: 'database_unavailable' });
}

/** Long enough for a server that answers; for health checks. */
const PROVE_READY_WITHIN_MS = 1_000;

/** Whether the writes of a heartbeat commit within a second, whatever they change. */
export function commitsHeartbeats(database: Database, now: Date): Promise<boolean> {
  const options = { final: [LOCK_WAIT_TIMEOUT], giveUpAt: performance.now() + PROVE_READY_WITHIN_MS };
  return database
    .transaction((transaction) => transaction.writeEach(heartbeatProof(now)), options)
    .then(
      () => true,
      () => false,
    );
}

/** Its database is the heartbeats' own: what keeps them from being written keeps L from moving on, and nothing else does. */
export class ListeningStore implements ListeningNotes {
  constructor(
    private readonly database: Database,
    private readonly identifiers: Identifiers,
    private readonly replica: string,
    private readonly timing: AvailabilityTiming,
  ) {}

  async note(now: Date, attempt: AvailabilityAttempt): Promise<AvailabilityRecord | ClockDisagreement> {
    const eventId = this.identifiers.at(now);
    return this.database.transaction(
      async (transaction) => {
        await mustFindFreeRows(transaction, attempt.witnesses);
        await transaction.writeEach(heartbeatProof(now));
        const [row] = await transaction.rows<ListeningRow>(READ_LISTENING);
        if (!row) {
          await transaction.write(BEGIN_LISTENING, [now, this.timing.runAheadMs]);
          return { listening: firstListening(now, this.timing), outage: null, step: null };
        }
        const before = listeningOf(row);
        if (!attempt.isConfirmed && disagrees(before, now, attempt)) return { disagreesWith: before };
        const record = noteListening(before, now, attempt, this.timing);
        if (record.listening === before) return record;
        const move = { sql: MOVE_LISTENING, parameters: [...valuesOf(record.listening), row.noted_at] };
        // Locked no longer than it takes to write: a replica that stops meanwhile would hold up the others.
        if ((await transaction.writeWhole(move, 1, eventStatements(this.eventsOf(record, eventId, now)))) !== 1)
          throw new RecordChanged();
        return record;
      },
      { provedByEvents: [eventId], final: [LOCK_WAIT_TIMEOUT], giveUpAt: performance.now() + PROVE_WITHIN_MS },
    );
  }

  private eventsOf({ outage, step }: AvailabilityRecord, id: string, at: Date): FleetEvent[] {
    const found = outage ?? step;
    if (!found) return [];
    const detail = { from: found.from.toISOString(), to: found.to.toISOString() };
    return [
      {
        id,
        at,
        kind: outage ? 'listening_outage' : 'clock_stepped',
        hostId: null,
        generation: null,
        ...ownDoing(this.replica),
        detail,
      },
    ];
  }
}

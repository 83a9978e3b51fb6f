import { listenedMsAt, noteListening, ownDoing, type Clock, type Identifiers, type Listening, type ListeningNotes, type ListeningOutage, type Moment } from '@app/fleet';
import type { Database, Transaction } from './database.js';
import { insertEvents } from './statements/events.js';

interface ListeningRow {
  listened_ms: number;
  noted_at: Date;
}

/** The clock's one row. No row: nobody has ever listened on this database. */
const READ_LISTENING = 'SELECT g.listened_ms, g.noted_at FROM listening AS g WHERE g.id = 1';
const LOCK_LISTENING = `${READ_LISTENING} FOR UPDATE`;
const BEGIN_LISTENING = 'INSERT INTO listening (id, listened_ms, noted_at) VALUES (1, 0, ?)';
/** Moves the clock on. Params: L, noted at, the note that was read. Matches nothing when somebody was faster. */
const MOVE_LISTENING = 'UPDATE listening AS g SET g.listened_ms = ?, g.noted_at = ? WHERE g.id = 1 AND g.noted_at = ?';

/** Matches nothing: it only proves that leases can be written at this moment, or waits and fails as a heartbeat would. */
const TOUCH_LEASES = `UPDATE process_server_lease AS l SET l.skew_ms = l.skew_ms WHERE l.host_id = ''`;

const listeningOf = ({ listened_ms, noted_at }: ListeningRow): Listening => ({ listenedMs: listened_ms, notedAt: noted_at });

/** The row as committed; before the first note, L is zero. */
export async function readListening(reader: Pick<Transaction, 'rows'>, now: Date): Promise<Listening> {
  const [row] = await reader.rows<ListeningRow>(READ_LISTENING);
  return row ? listeningOf(row) : { listenedMs: 0, notedAt: now };
}

/** This moment by the row as committed; before the first note, L is zero. The instant is read last, so that nothing is awaited after it. */
export async function readMoment(reader: Pick<Transaction, 'rows'>, clock: Clock): Promise<Moment> {
  const [row] = await reader.rows<ListeningRow>(READ_LISTENING);
  const now = clock.now();
  return { now, listenedMs: row ? listenedMsAt(listeningOf(row), now) : 0 };
}

/** Its database is the heartbeats' own: what keeps them from being written keeps L from moving on, and nothing else does. */
export class ListeningStore implements ListeningNotes {
  constructor(
    private readonly database: Database,
    private readonly identifiers: Identifiers,
    private readonly replica: string,
  ) {}

  async note(now: Date): Promise<{ listening: Listening; outage: ListeningOutage | null }> {
    const eventId = this.identifiers.at(now);
    return this.database.transaction(
      async (transaction) => {
        await transaction.write(TOUCH_LEASES);
        const [row] = await transaction.rows<ListeningRow>(LOCK_LISTENING);
        if (!row) {
          await transaction.write(BEGIN_LISTENING, [now]);
          return { listening: { listenedMs: 0, notedAt: now }, outage: null };
        }
        const { next, outage } = noteListening(listeningOf(row), now);
        if (next.notedAt > row.noted_at) await transaction.write(MOVE_LISTENING, [next.listenedMs, next.notedAt, row.noted_at]);
        if (outage) {
          const detail = { from: outage.from.toISOString(), to: outage.to.toISOString() };
          await insertEvents(transaction, [
            { id: eventId, at: now, kind: 'listening_outage', hostId: null, generation: null, ...ownDoing(this.replica), detail },
          ]);
        }
        return { listening: next, outage };
      },
      { provedByEvents: [eventId] },
    );
  }
}

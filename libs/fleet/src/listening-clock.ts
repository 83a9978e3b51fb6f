import { LONGEST_COUNTED_GAP_MS, listenedMsAt, type Listening, type ListeningOutage } from './listening.js';
import type { Clock, ListeningNotes } from './ports.js';

/** This replica's copy of the listening row. The heartbeat path reads L from here, never from the table. */
export class ListeningClock {
  private copy: Listening | null = null;
  private notedAt: Date | null = null;

  constructor(
    private readonly notes: ListeningNotes,
    private readonly clock: Clock,
  ) {}

  /** Says that this replica could accept heartbeats until now. Returns the outage that this ends. */
  async note(): Promise<ListeningOutage | null> {
    const now = this.clock.now();
    const { listening, outage } = await this.notes.note(now);
    this.copy = listening;
    this.notedAt = now;
    return outage;
  }

  /** A replica that has not noted for 15 s no longer knows L, and answers 503 until it has. */
  isListening(now: Date): boolean {
    return this.notedAt !== null && now.getTime() - this.notedAt.getTime() < LONGEST_COUNTED_GAP_MS;
  }

  listenedMsAt(now: Date): number {
    if (!this.copy) throw new Error('the listening clock was read before its first note');
    return listenedMsAt(this.copy, now);
  }
}

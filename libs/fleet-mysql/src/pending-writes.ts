import type { Moment } from '@app/fleet';

/**
 * The moments of the heartbeats that this replica is writing and has not committed. Pagination by last heartbeat ends below
 * them: otherwise an entry could appear again at the position that a commit in flight gives it.
 */
export class PendingWrites {
  private readonly pending = new Map<symbol, number>();

  /** Runs `work`. It calls `markAt` with its moment before it writes; the last call counts. */
  async track<A>(work: (markAt: (moment: Moment) => Moment) => Promise<A>): Promise<A> {
    const key = Symbol();
    try {
      return await work((moment) => {
        this.pending.set(key, moment.availableMs);
        return moment;
      });
    } finally {
      this.pending.delete(key);
    }
  }

  /** The latest time on the availability clock, up to the given one, that no pending write will use. */
  safeUpperBound(availableMs: number): number {
    let safeUpperBound = availableMs;
    for (const markedAtMs of this.pending.values()) safeUpperBound = Math.min(safeUpperBound, markedAtMs - 1);
    return safeUpperBound;
  }
}

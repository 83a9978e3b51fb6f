import type { Moment } from '@app/fleet';

/**
 * The moments at which this replica is writing signs of life and has not committed yet. A walk by last heartbeat that ends
 * below them does not meet an entry for a second time, at a place that this replica gave it before the walk began.
 */
export class PendingWrites {
  private readonly pending = new Map<symbol, number>();

  /** Runs `work`, which says at which moment it writes before it does; the last one that it says counts. */
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

  /** The latest L, at most the one given, that nobody will write any more. */
  safeUpperBound(availableMs: number): number {
    let safeUpperBound = availableMs;
    for (const markedAtMs of this.pending.values()) safeUpperBound = Math.min(safeUpperBound, markedAtMs - 1);
    return safeUpperBound;
  }
}

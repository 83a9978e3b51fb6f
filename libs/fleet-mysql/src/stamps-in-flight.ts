import type { Moment } from '@app/fleet';

/**
 * The moments at which this replica is writing signs of life and has not committed yet. A walk by last heartbeat that ends
 * below them does not meet an entry for a second time, at a place that this replica gave it before the walk began.
 */
export class StampsInFlight {
  private readonly open = new Map<symbol, number>();

  /** Runs `work`, which says at which moment it writes before it does; the last one that it says counts. */
  async during<A>(work: (stamp: (moment: Moment) => Moment) => Promise<A>): Promise<A> {
    const key = Symbol();
    try {
      return await work((moment) => {
        this.open.set(key, moment.listenedMs);
        return moment;
      });
    } finally {
      this.open.delete(key);
    }
  }

  /** The latest L, at most the one given, that nobody will write any more. */
  settled(listenedMs: number): number {
    let settled = listenedMs;
    for (const stamped of this.open.values()) settled = Math.min(settled, stamped - 1);
    return settled;
  }
}

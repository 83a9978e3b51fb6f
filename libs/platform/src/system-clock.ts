import { performance } from 'node:perf_hooks';
import { Clock, MAX_CLOCK_DISAGREEMENT_MS } from '@app/fleet';

const SAMPLE_COUNT = 5;
/** A larger difference is a step of the database's clock, or the clock of another database node. */
const MAX_SLEW_MS = 1_000;

/** A reading of the database's clock, with the server that returned it. */
export interface DatabaseClockReading {
  readonly at: Date;
  /** Host and port of the server itself, also behind a proxy. */
  readonly server: string;
}

interface Measurement {
  readonly offsetMs: number;
  readonly server: string;
}

/**
 * The monotonic clock of the system plus its measured offset from the database, so that replicas agree whatever their
 * hosts' clocks. It goes back only for a step of the database's clock. The clock of another database node that differs
 * from the site's is measured but not followed.
 */
export class SystemClock extends Clock {
  private offsetMs = Date.now() - performance.now();
  private lastReturnedMs = -Infinity;
  /** The server whose clock the site follows; null before the first. */
  private reference: string | null = null;
  private differenceMs = 0;
  /** Whether this replica's clock has agreed with the site's since the start. */
  private hasAgreed = false;

  constructor(private readonly readDatabaseClock: () => Promise<DatabaseClockReading>) {
    super();
  }

  now(): Date {
    this.lastReturnedMs = Math.max(this.lastReturnedMs, performance.now() + this.offsetMs);
    return new Date(this.lastReturnedMs);
  }

  monotonicMs(): number {
    return performance.now();
  }

  /** The lead of the current database node's clock over the site's, in ms; 0 while it is followed. */
  get databaseDifferenceMs(): number {
    return this.differenceMs;
  }

  /** Measures the offset with the shortest round trip of several samples, and returns its change in milliseconds. */
  async synchronise(): Promise<number> {
    const { offsetMs, server } = await this.measure();
    const changeMs = offsetMs - this.offsetMs;
    const isFollowed =
      server === this.reference || (this.reference === null && !this.hasAgreed) || Math.abs(changeMs) <= MAX_SLEW_MS;
    this.differenceMs = isFollowed ? 0 : changeMs;
    if (!isFollowed) return 0;
    this.reference = server;
    this.setOffset(offsetMs);
    return changeMs;
  }

  /**
   * Resolves a record that disagrees with the site's clock: the database's clock has stepped, and is followed. Before
   * the first agreement, while other replicas advance the site's clock, the node's clock is wrong, and the site's is
   * followed.
   */
  async reconcile(siteTime: Date, isMoving: boolean): Promise<void> {
    await this.synchronise();
    const offsetMs = siteTime.getTime() - performance.now();
    const differenceMs = this.offsetMs - offsetMs;
    if (this.hasAgreed || !isMoving || Math.abs(differenceMs) <= MAX_CLOCK_DISAGREEMENT_MS) return;
    this.reference = null;
    this.hasAgreed = true;
    this.differenceMs = differenceMs;
    this.setOffset(offsetMs);
  }

  /** Marks that a record agreed with the site's clock. */
  agreed(): void {
    this.hasAgreed = true;
  }

  /** Marks that a record was a step; if other replicas contradict it, their clock is the site's. */
  disagreed(): void {
    this.hasAgreed = false;
  }

  private setOffset(offsetMs: number): void {
    if (Math.abs(offsetMs - this.offsetMs) > MAX_SLEW_MS) this.lastReturnedMs = -Infinity;
    this.offsetMs = offsetMs;
  }

  private async measure(): Promise<Measurement> {
    let best = { roundTripMs: Infinity, offsetMs: this.offsetMs, server: '' };
    for (let sample = 0; sample < SAMPLE_COUNT; sample += 1) {
      const sent = performance.now();
      const { at, server } = await this.readDatabaseClock();
      const roundTripMs = performance.now() - sent;
      if (roundTripMs < best.roundTripMs)
        best = { roundTripMs, offsetMs: at.getTime() - (sent + roundTripMs / 2), server };
    }
    return best;
  }
}

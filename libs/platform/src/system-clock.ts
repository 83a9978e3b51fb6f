import { performance } from 'node:perf_hooks';
import { Clock } from '@app/fleet';

const PROBES = 5;
/** A difference above this is a step of the database's clock and is followed at once, also backwards. */
const LARGEST_SLEW_MS = 1_000;

/**
 * The system's monotonic clock plus its measured offset from the database's, so that replicas agree whatever their hosts'
 * clocks say. Never goes back, but for a step of the database's own clock.
 */
export class SystemClock extends Clock {
  private offsetMs = Date.now() - performance.now();
  private latestMs = -Infinity;

  constructor(private readonly readDatabaseClock: () => Promise<Date>) {
    super();
  }

  now(): Date {
    this.latestMs = Math.max(this.latestMs, performance.now() + this.offsetMs);
    return new Date(this.latestMs);
  }

  /** Measures the offset anew: the probe with the shortest round trip counts. Returns the change, in milliseconds. */
  async synchronise(): Promise<number> {
    let best = { roundTripMs: Infinity, offsetMs: this.offsetMs };
    for (let probe = 0; probe < PROBES; probe += 1) {
      const sent = performance.now();
      const database = await this.readDatabaseClock();
      const roundTripMs = performance.now() - sent;
      if (roundTripMs < best.roundTripMs) best = { roundTripMs, offsetMs: database.getTime() - (sent + roundTripMs / 2) };
    }
    const changeMs = best.offsetMs - this.offsetMs;
    this.offsetMs = best.offsetMs;
    if (Math.abs(changeMs) > LARGEST_SLEW_MS) this.latestMs = -Infinity;
    return changeMs;
  }
}

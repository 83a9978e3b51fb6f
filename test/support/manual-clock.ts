import { Clock, type Randomness } from '@app/fleet';

/** A clock that advances only when a test advances it. */
export class ManualClock extends Clock {
  private elapsedMs = 1_000_000;

  constructor(private at = new Date('2026-11-23T09:00:00.000Z')) {
    super();
  }

  now(): Date {
    return new Date(this.at);
  }

  monotonicMs(): number {
    return this.elapsedMs;
  }

  advanceMs(ms: number): void {
    this.elapsedMs += ms;
    this.stepMs(ms);
  }

  /** Steps the wall clock only. */
  stepMs(ms: number): void {
    this.at = new Date(this.at.getTime() + ms);
  }

  advanceSeconds(seconds: number): void {
    this.advanceMs(seconds * 1000);
  }
}

/** Randomness with a fixed result. */
export const fixedFraction = (fraction: number): Randomness => ({ random: () => fraction });

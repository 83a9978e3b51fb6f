import type { Clock } from '@app/fleet';

/** Minimum time for which a result is reused. */
const MIN_TTL_MS = 5_000;
/** A slow result is reused for this multiple of its duration, which bounds its share of the database's work. */
const TTL_COST_FACTOR = 10;

/** The result of an expensive read, at most one read in five seconds; a failure is not reused. */
export class CostBoundedCache<Result> {
  private cached: { freshUntil: number; readonly result: Promise<Result> } | null = null;

  constructor(
    private readonly load: () => Promise<Result>,
    private readonly clock: Clock,
  ) {}

  current(): Promise<Result> {
    const now = this.clock.monotonicMs();
    if (this.cached && now < this.cached.freshUntil) return this.cached.result;
    const inFlight = { freshUntil: Infinity, result: this.load() };
    inFlight.result.then(
      () => (inFlight.freshUntil = now + Math.max(MIN_TTL_MS, TTL_COST_FACTOR * (this.clock.monotonicMs() - now))),
      () => (inFlight.freshUntil = 0),
    );
    this.cached = inFlight;
    return inFlight.result;
  }
}

import type { Clock, Removals } from '@app/fleet';
import type { FleetSummaryQuery } from '@app/fleet-mysql';
import type { FleetResponse } from '@app/api-contract';

/** Minimum time for which a result is reused. */
const MIN_TTL_MS = 5_000;
/** A slow count is reused for this multiple of its duration, which bounds its share of the database's work. */
const TTL_COST_FACTOR = 10;

/** Counts of the fleet, at most one count in five seconds. */
export class FleetSummaryCache {
  /** The last complete count; null before the first. */
  lastCounted: FleetResponse | null = null;
  private cached: { freshUntil: number; readonly summary: Promise<FleetResponse> } | null = null;

  constructor(
    private readonly counter: FleetSummaryQuery,
    private readonly removals: Removals,
    private readonly clock: Clock,
  ) {}

  current(): Promise<FleetResponse> {
    const now = this.clock.monotonicMs();
    if (this.cached && now < this.cached.freshUntil) return this.cached.summary;
    const inFlight = { freshUntil: Infinity, summary: this.count() };
    inFlight.summary.then(
      (counted) => {
        this.lastCounted = counted;
        inFlight.freshUntil = now + Math.max(MIN_TTL_MS, TTL_COST_FACTOR * (this.clock.monotonicMs() - now));
      },
      () => (inFlight.freshUntil = 0),
    );
    this.cached = inFlight;
    return inFlight.summary;
  }

  private async count(): Promise<FleetResponse> {
    const { numbers, asOf } = await this.counter.count();
    const oldest = await this.removals.oldestDecommission();
    return {
      ...numbers,
      versionStatus: { ...numbers.versionStatus, Deprecated: 0, UpdateRequired: 0, SecurityUpdateRequired: 0 },
      oldestDecommissionedAgeSeconds:
        oldest && Math.max(0, Math.floor((asOf.at.getTime() - oldest.at.getTime()) / 1000)),
      asOf: asOf.at.toISOString(),
    };
  }
}

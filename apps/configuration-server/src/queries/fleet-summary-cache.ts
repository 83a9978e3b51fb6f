import type { Clock, Removals } from '@app/fleet';
import type { FleetSummaryQuery } from '@app/fleet-mysql';
import type { FleetResponse } from '@app/api-contract';
import { CostBoundedCache } from './cost-bounded-cache.js';

/** Counts of the fleet, at most one count in five seconds. */
export class FleetSummaryCache {
  /** The last complete count; null before the first. */
  lastCounted: FleetResponse | null = null;
  private readonly cache: CostBoundedCache<FleetResponse>;

  constructor(
    private readonly counter: FleetSummaryQuery,
    private readonly removals: Removals,
    clock: Clock,
  ) {
    this.cache = new CostBoundedCache(async () => (this.lastCounted = await this.count()), clock);
  }

  current(): Promise<FleetResponse> {
    return this.cache.current();
  }

  private async count(): Promise<FleetResponse> {
    const { numbers, asOf } = await this.counter.count();
    const oldest = await this.removals.oldestDecommission();
    return {
      ...numbers,
      oldestDecommissionedAgeSeconds:
        oldest && Math.max(0, Math.floor((asOf.at.getTime() - oldest.at.getTime()) / 1000)),
      asOf: asOf.at.toISOString(),
    };
  }
}

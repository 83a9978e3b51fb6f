import type { Clock, Removals } from '@app/fleet';
import type { FleetCounter } from '@app/fleet-mysql';
import type { FleetResponse } from '@app/wire';

/** So long an answer is kept at least. */
const FRESH_MS = 5_000;
/** One that took long is kept for so many times as long: counting is never more than a small part of the database's work. */
const KEPT_FOR_TIMES_ITS_COST = 10;

/** The fleet in numbers, counted at most once in five seconds. */
export class FleetCounts {
  private latest: { freshUntil: number; readonly answer: Promise<FleetResponse> } | null = null;

  constructor(
    private readonly counter: FleetCounter,
    private readonly removals: Removals,
    private readonly clock: Clock,
  ) {}

  current(): Promise<FleetResponse> {
    const now = this.clock.monotonicMs();
    if (this.latest && now < this.latest.freshUntil) return this.latest.answer;
    const counting = { freshUntil: Infinity, answer: this.count() };
    counting.answer.then(
      () =>
        (counting.freshUntil = now + Math.max(FRESH_MS, KEPT_FOR_TIMES_ITS_COST * (this.clock.monotonicMs() - now))),
      () => (counting.freshUntil = 0),
    );
    this.latest = counting;
    return counting.answer;
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

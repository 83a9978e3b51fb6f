import { FleetError, type FleetFault } from './fleet-fault.js';
import type { FleetFilter } from './fleet-filter.js';
import type { Clock, Identifiers, PurgePlans, Registry } from './ports.js';
import { purge, type PurgeAnswer } from './purge.js';
import {
  applyFault,
  LARGEST_PLAN,
  MOST_REMAINING,
  PlanAlreadyApplied,
  PLAN_LIFETIME_MS,
  type ApplyOrder,
  type PlanCandidate,
  type PlanResult,
  type PurgePlan,
} from './purge-plan.js';

/** Asked for at once, so that the store writes them together: a large plan is applied within the time of a call. */
const PURGED_AT_ONCE = 100;

/** Purges by plan: a filter becomes a list that a person can read, and each entry on it is judged again when it is applied. */
export class PurgePlanner {
  constructor(
    private readonly plans: PurgePlans,
    private readonly registry: Registry,
    private readonly clock: Clock,
    private readonly identifiers: Identifiers,
  ) {}

  /** The first that match, and how many more do. @throws FleetError `empty_filter`. */
  async plan(
    filter: FleetFilter,
    createdBy: string,
  ): Promise<{ readonly plan: PurgePlan; readonly remaining: number }> {
    if (Object.keys(filter).length === 0) throw new FleetError({ code: 'empty_filter' });
    const candidates = await this.plans.candidates(filter, LARGEST_PLAN);
    const last = candidates[LARGEST_PLAN - 1];
    const remaining = last ? await this.plans.remaining(filter, last.hostId, MOST_REMAINING) : 0;
    const fleetSize = await this.plans.fleetSize();
    const createdAt = this.clock.now();
    const plan: PurgePlan = {
      planId: this.identifiers.at(createdAt),
      filter,
      candidates,
      fleetSize,
      createdAt,
      createdBy,
      expiresAt: new Date(createdAt.getTime() + PLAN_LIFETIME_MS),
    };
    await this.plans.save(plan);
    return { plan, remaining };
  }

  /**
   * Applied again, by whichever replica, it answers the stored result; applied twice at once, both answers are the one that was stored.
   * @throws FleetError `plan_not_found` or what `applyFault` says.
   */
  async apply(planId: string, order: ApplyOrder): Promise<PlanResult> {
    const found = await this.plans.find(planId);
    if (!found) throw new FleetError({ code: 'plan_not_found' });
    if (found.result) return found.result;
    const fault = applyFault(found.plan, order, this.clock.now());
    if (fault) throw new FleetError(fault);
    const purged: PurgeAnswer[] = [];
    const skipped: { hostId: string; code: FleetFault['code'] }[] = [];
    const purgeOne = ({ hostId, generation }: PlanCandidate): Promise<PurgeAnswer> => {
      const purgeOrder = { generation, reason: order.reason, force: order.force, actor: order.actor, planId };
      return this.registry.change(hostId, (held) => purge(hostId, purgeOrder, held));
    };
    const { candidates } = found.plan;
    let isApplied = false;
    for (let from = 0; from < candidates.length && !isApplied; from += PURGED_AT_ONCE) {
      const slice = candidates.slice(from, from + PURGED_AT_ONCE);
      const outcomes = await Promise.allSettled(slice.map(purgeOne));
      for (const [index, outcome] of outcomes.entries()) {
        if (outcome.status === 'fulfilled') purged.push(outcome.value);
        else if (outcome.reason instanceof PlanAlreadyApplied) isApplied = true;
        else if (!(outcome.reason instanceof FleetError) || outcome.reason.fault.code === 'database_unavailable')
          throw outcome.reason;
        else skipped.push({ hostId: slice[index]?.hostId ?? '', code: outcome.reason.fault.code });
      }
    }
    const result: PlanResult = {
      purged: purged.map((one) => ({ ...one, purgedAt: one.purgedAt.toISOString() })),
      skipped,
    };
    return this.plans.saveResult(planId, result);
  }
}

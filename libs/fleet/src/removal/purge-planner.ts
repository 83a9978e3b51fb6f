import { FleetError, type FleetErrorDetails } from '../fleet-error.js';
import type { FleetFilter } from '../fleet-filter.js';
import type { Clock, Identifiers, PurgePlans, Registry } from '../ports.js';
import { purge, type PurgeResult } from './purge.js';
import {
  checkPlanApplicable,
  MAX_PLAN_SIZE,
  MAX_REMAINING,
  PlanAlreadyApplied,
  PLAN_LIFETIME_MS,
  type ApplyPlanCommand,
  type PlanCandidate,
  type PlanResult,
  type PurgePlan,
} from './purge-plan.js';

/** The number of purges submitted at once, so that the store writes them in batches and a large plan completes within one call. */
const PURGE_CONCURRENCY = 200;

/** Purges by plan: a filter selects a list of candidates that a person can review; each is checked again when the plan is applied. */
export class PurgePlanner {
  constructor(
    private readonly plans: PurgePlans,
    private readonly registry: Registry,
    private readonly clock: Clock,
    private readonly identifiers: Identifiers,
  ) {}

  /** Creates a plan of the first matches, with the number of further matches. @throws FleetError `empty_filter`. */
  async plan(
    filter: FleetFilter,
    createdBy: string,
  ): Promise<{ readonly plan: PurgePlan; readonly remaining: number }> {
    if (Object.keys(filter).length === 0) throw new FleetError({ code: 'empty_filter' });
    const candidates = await this.plans.candidates(filter, MAX_PLAN_SIZE);
    const last = candidates[MAX_PLAN_SIZE - 1];
    const remaining = last ? await this.plans.remaining(filter, last.hostId, MAX_REMAINING) : 0;
    const fleetSize = await this.plans.fleetSize();
    const createdAt = this.clock.now();
    const plan: PurgePlan = {
      planId: this.identifiers.newId(createdAt),
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
   * Applies a plan. A repeated call returns the stored result, at any replica; concurrent calls return the same stored
   * result.
   * @throws FleetError `plan_not_found` or a rejection of `checkPlanApplicable`.
   */
  async apply(planId: string, command: ApplyPlanCommand): Promise<PlanResult> {
    const found = await this.plans.find(planId);
    if (!found) throw new FleetError({ code: 'plan_not_found' });
    if (found.result) return found.result;
    const rejection = checkPlanApplicable(found.plan, command, this.clock.now());
    if (rejection) throw new FleetError(rejection);
    const purged: PurgeResult[] = [];
    const skipped: { hostId: string; code: FleetErrorDetails['code'] }[] = [];
    const purgeOne = ({ hostId, generation }: PlanCandidate): Promise<PurgeResult> => {
      const purgeCommand = { generation, reason: command.reason, force: command.force, actor: command.actor, planId };
      return this.registry.change(hostId, (locked) => purge(hostId, purgeCommand, locked));
    };
    const { candidates } = found.plan;
    let isApplied = false;
    for (let from = 0; from < candidates.length && !isApplied; from += PURGE_CONCURRENCY) {
      const slice = candidates.slice(from, from + PURGE_CONCURRENCY);
      const outcomes = await Promise.allSettled(slice.map(purgeOne));
      for (const [index, outcome] of outcomes.entries()) {
        if (outcome.status === 'fulfilled') purged.push(outcome.value);
        else if (outcome.reason instanceof PlanAlreadyApplied) isApplied = true;
        else if (!(outcome.reason instanceof FleetError) || outcome.reason.details.code === 'database_unavailable')
          throw outcome.reason;
        else skipped.push({ hostId: slice[index]?.hostId ?? '', code: outcome.reason.details.code });
      }
    }
    const result: PlanResult = {
      purged: purged.map((one) => ({ ...one, purgedAt: one.purgedAt.toISOString() })),
      skipped,
    };
    return this.plans.saveResult(planId, result);
  }
}

import { FleetError, type FleetFault } from './fleet-fault.js';
import type { Clock, FleetFilter, Identifiers, PurgePlans, Registry } from './ports.js';
import { purge, type PurgeAnswer } from './purge.js';
import type { Actor } from './process-server.js';

export const LARGEST_PLAN = 1_000;
export const PLAN_LIFETIME_MS = 15 * 60_000;
/** Above this share of the fleet, and more than this many, the operator says so a second time. */
const LARGEST_QUIET_SHARE = 0.15;
const LARGEST_QUIET_COUNT = 10;

export interface PlanCandidate {
  readonly hostId: string;
  readonly generation: number;
  readonly friendlyName: string;
  readonly ipAddress: string;
  readonly lastHeartbeatAt: string | null;
}

export interface PurgePlan {
  readonly planId: string;
  readonly filter: FleetFilter;
  readonly candidates: readonly PlanCandidate[];
  readonly createdAt: Date;
  readonly createdBy: string;
  readonly expiresAt: Date;
}

export interface PlanResult {
  readonly purged: readonly { readonly hostId: string; readonly friendlyName: string; readonly ipAddress: string; readonly purgedAt: string }[];
  readonly skipped: readonly { readonly hostId: string; readonly why: FleetFault['code'] }[];
}

export interface ApplyOrder {
  readonly expectedCount: number;
  readonly reason: string;
  readonly acknowledgeShare: boolean;
  readonly actor: Actor;
}

/** Whether a plan may be applied as ordered. */
export function applyFault({ candidates, expiresAt }: PurgePlan, order: ApplyOrder, fleetSize: number, now: Date): FleetFault | null {
  if (now >= expiresAt) return { code: 'plan_expired', expiredAt: expiresAt };
  if (!order.reason.trim()) return { code: 'reason_required' };
  if (order.expectedCount !== candidates.length) {
    return { code: 'plan_count_mismatch', expected: order.expectedCount, planned: candidates.length };
  }
  const large = candidates.length > LARGEST_QUIET_COUNT && candidates.length > LARGEST_QUIET_SHARE * fleetSize;
  return large && !order.acknowledgeShare ? { code: 'share_not_acknowledged', candidates: candidates.length, fleetSize } : null;
}

/** Purges by plan: a filter becomes a list that a person can read, and each entry on it is judged again when it is applied. */
export class PurgePlanner {
  constructor(
    private readonly plans: PurgePlans,
    private readonly registry: Registry,
    private readonly clock: Clock,
    private readonly identifiers: Identifiers,
  ) {}

  /** @throws FleetError `empty_filter`, `plan_too_large`. */
  async plan(filter: FleetFilter, createdBy: string): Promise<PurgePlan> {
    if (Object.keys(filter).length === 0) throw new FleetError({ code: 'empty_filter' });
    const candidates = await this.plans.candidates(filter, LARGEST_PLAN + 1);
    if (candidates.length > LARGEST_PLAN) throw new FleetError({ code: 'plan_too_large', limit: LARGEST_PLAN });
    const createdAt = this.clock.now();
    const plan: PurgePlan = {
      planId: this.identifiers.at(createdAt),
      filter,
      candidates,
      createdAt,
      createdBy,
      expiresAt: new Date(createdAt.getTime() + PLAN_LIFETIME_MS),
    };
    await this.plans.save(plan);
    return plan;
  }

  /**
   * Applied again, by whichever replica, it answers the stored result; applied twice at once, both answers are the one that was stored.
   * @throws FleetError `plan_not_found` or what `applyFault` says.
   */
  async apply(planId: string, order: ApplyOrder): Promise<PlanResult> {
    const found = await this.plans.find(planId);
    if (!found) throw new FleetError({ code: 'plan_not_found' });
    if (found.result) return found.result;
    const fault = applyFault(found.plan, order, await this.plans.fleetSize(), this.clock.now());
    if (fault) throw new FleetError(fault);
    const purged: PurgeAnswer[] = [];
    const skipped: { hostId: string; why: FleetFault['code'] }[] = [];
    for (const { hostId, generation } of found.plan.candidates) {
      const purgeOrder = { generation, reason: order.reason, force: false, actor: order.actor, planId };
      try {
        purged.push(await this.registry.change(hostId, (held) => purge(hostId, purgeOrder, held)));
      } catch (error) {
        if (!(error instanceof FleetError) || error.fault.code === 'database_unavailable') throw error;
        skipped.push({ hostId, why: error.fault.code });
      }
    }
    const result: PlanResult = { purged: purged.map((one) => ({ ...one, purgedAt: one.purgedAt.toISOString() })), skipped };
    return this.plans.saveResult(planId, result);
  }
}

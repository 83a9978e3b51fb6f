import type { FleetErrorDetails } from '../fleet-error.js';
import type { FleetFilter } from '../fleet-filter.js';
import type { Actor } from '../process-server.js';

export const MAX_PLAN_SIZE = 1_000;
/** The maximum number of counted matches beyond a plan. */
export const MAX_REMAINING = 10_000;
/** The maximum number of unapplied plans of one caller; a new plan replaces the oldest. */
export const MAX_PLANS_PER_CALLER = 10;
export const PLAN_LIFETIME_MS = 15 * 60_000;
/** The share of the fleet, and the number of entries, above which the operator must confirm a second time. */
const SHARE_REQUIRING_ACK = 0.15;
const COUNT_REQUIRING_ACK = 10;

export interface PlanCandidate {
  readonly hostId: string;
  readonly generation: number;
  readonly friendlyName: string;
  readonly ipAddress: string;
  readonly lastHeartbeatAt: string | null;
  /** The reason that prevents a purge without force; null when none does. */
  readonly blockedBy: FleetErrorDetails['code'] | null;
}

export interface PurgePlan {
  readonly planId: string;
  readonly filter: FleetFilter;
  readonly candidates: readonly PlanCandidate[];
  /** The fleet size when the plan was created, so that the purges of the plan do not change its share. */
  readonly fleetSize: number;
  readonly createdAt: Date;
  readonly createdBy: string;
  readonly expiresAt: Date;
}

export interface PlanResult {
  readonly purged: readonly {
    readonly hostId: string;
    readonly friendlyName: string;
    readonly ipAddress: string;
    readonly purgedAt: string;
  }[];
  readonly skipped: readonly { readonly hostId: string; readonly code: FleetErrorDetails['code'] }[];
}

/** A concurrent call has stored the result of the plan; nothing more is purged for it. */
export class PlanAlreadyApplied extends Error {}

export interface ApplyPlanCommand {
  readonly expectedCount: number;
  readonly reason: string;
  readonly acknowledgeShare: boolean;
  /** Also purges entries with protected machines, but no Connected one. */
  readonly force: boolean;
  readonly actor: Actor;
}

/** The reason why a plan cannot be applied, or null. */
export function checkPlanApplicable(
  { candidates, fleetSize, expiresAt }: PurgePlan,
  command: ApplyPlanCommand,
  now: Date,
): FleetErrorDetails | null {
  if (now >= expiresAt) return { code: 'plan_expired', expiredAt: expiresAt };
  if (!command.reason.trim()) return { code: 'reason_required' };
  if (command.expectedCount !== candidates.length) {
    return { code: 'plan_count_mismatch', expected: command.expectedCount, planned: candidates.length };
  }
  const large = candidates.length > COUNT_REQUIRING_ACK && candidates.length > SHARE_REQUIRING_ACK * fleetSize;
  return large && !command.acknowledgeShare
    ? { code: 'share_not_acknowledged', candidates: candidates.length, fleetSize }
    : null;
}

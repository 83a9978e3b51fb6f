import type { FleetErrorDetails } from '../fleet-error.js';
import type { FleetFilter } from '../fleet-filter.js';
import type { Actor } from '../process-server.js';

export const MAX_PLAN_SIZE = 1_000;
/** Matches that are counted beyond those of a plan. */
export const MAX_REMAINING = 10_000;
/** Plans of one caller that are neither applied nor forgotten: the oldest makes room for the next. */
export const MAX_PLANS_PER_CALLER = 10;
export const PLAN_LIFETIME_MS = 15 * 60_000;
/** Above this share of the fleet, and more than this many, the operator says so a second time. */
const SHARE_REQUIRING_ACK = 0.15;
const COUNT_REQUIRING_ACK = 10;

export interface PlanCandidate {
  readonly hostId: string;
  readonly generation: number;
  readonly friendlyName: string;
  readonly ipAddress: string;
  readonly lastHeartbeatAt: string | null;
  /** What would keep it from being purged, unless that is forced; null when nothing would. */
  readonly blockedBy: FleetErrorDetails['code'] | null;
}

export interface PurgePlan {
  readonly planId: string;
  readonly filter: FleetFilter;
  readonly candidates: readonly PlanCandidate[];
  /** Entries there were when it was planned: what is purged in its name makes its share no larger. */
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

/** Another apply of the same plan has stored the result: nothing more is purged in the plan's name. */
export class PlanAlreadyApplied extends Error {}

export interface ApplyPlanCommand {
  readonly expectedCount: number;
  readonly reason: string;
  readonly acknowledgeShare: boolean;
  /** Purges also those with protected machines, and none that is Connected. */
  readonly force: boolean;
  readonly actor: Actor;
}

/** Whether a plan may be applied as ordered. */
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

import type { Clock, FleetErrorDetails } from '@app/fleet';
import { WindowCounter } from '../window-counter.js';

/** What a caller may still ask for, at this replica. */
export interface Quota {
  readonly policy: 'api-key' | 'address' | 'process-server' | 'registrations' | 'wrong-secrets';
  /** In a window. */
  readonly limit: number;
  readonly windowSeconds: number;
  /** Until the window ends. */
  readonly remaining: number;
  readonly resetSeconds: number;
}

/** As draft-ietf-httpapi-ratelimit-headers-10 writes them. */
export const rateLimitHeaders = ({
  policy,
  limit,
  windowSeconds,
  remaining,
  resetSeconds,
}: Quota): Record<'ratelimit-policy' | 'ratelimit', string> => ({
  'ratelimit-policy': `"${policy}";q=${limit};w=${windowSeconds}`,
  ratelimit: `"${policy}";r=${remaining};t=${resetSeconds}`,
});

/** Of a caller that a rule of the fleet limits; null for any other fault. */
export function exceededQuota(details: FleetErrorDetails): Quota | null {
  if (details.code === 'heartbeat_rate_exceeded')
    return { policy: 'process-server', limit: details.perSecond, windowSeconds: 1, remaining: 0, resetSeconds: 1 };
  if (details.code !== 'registration_rate_exceeded') return null;
  return {
    policy: 'registrations',
    limit: details.limit,
    windowSeconds: details.windowSeconds,
    remaining: 0,
    resetSeconds: details.retryAfterSeconds,
  };
}

/** The calls of each caller in one second, at this replica. */
export class RateLimit {
  private readonly calls: WindowCounter;

  constructor(
    private readonly perSecond: number,
    clock: Clock,
  ) {
    this.calls = new WindowCounter(1_000, clock);
  }

  /** Counts one more. True when it is one too many. */
  isExceeded(caller: string): boolean {
    return this.calls.add(caller) > this.perSecond;
  }

  /** After its last call was counted. */
  quotaOf(caller: string, policy: Quota['policy']): Quota {
    const remaining = Math.max(0, this.perSecond - this.calls.countOf(caller));
    return { policy, limit: this.perSecond, windowSeconds: 1, remaining, resetSeconds: 1 };
  }
}

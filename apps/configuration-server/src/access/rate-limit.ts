import { WindowCounter, type Clock, type FleetErrorDetails } from '@app/fleet';

/** The remaining quota of a caller, at this replica. */
export interface Quota {
  readonly policy: 'api-key' | 'address' | 'process-server' | 'registrations' | 'wrong-secrets';
  /** Calls in a window. */
  readonly limit: number;
  readonly windowSeconds: number;
  /** Until the window ends. */
  readonly remaining: number;
  readonly resetSeconds: number;
}

/** The header values of draft-ietf-httpapi-ratelimit-headers-10. */
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

/** The quota of a caller that exceeded a limit of the domain rules; null for any other error. */
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

/** Counts the calls of each caller in one second, at this replica. */
export class RateLimit {
  private readonly calls: WindowCounter;

  constructor(
    private readonly perSecond: number,
    clock: Clock,
  ) {
    this.calls = new WindowCounter(1_000, clock);
  }

  /** Returns true if the call exceeds the limit. */
  isExceeded(caller: string): boolean {
    return this.calls.add(caller) > this.perSecond;
  }

  /** The quota after the last counted call. */
  quotaOf(caller: string, policy: Quota['policy']): Quota {
    const remaining = Math.max(0, this.perSecond - this.calls.countOf(caller));
    return { policy, limit: this.perSecond, windowSeconds: 1, remaining, resetSeconds: 1 };
  }
}

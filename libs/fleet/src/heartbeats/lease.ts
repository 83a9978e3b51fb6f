/** How often a fleet is to speak and how long its silence is borne. All in seconds, all read from the settings. */
export interface LeaseTiming {
  /** The interval of a small fleet. */
  readonly heartbeatIntervalSeconds: number;
  /** The shortest lease that is ever granted. */
  readonly leaseSeconds: number;
  /** The heartbeats a second above which the interval grows with the fleet. */
  readonly maxHeartbeatsPerSecond: number;
}

const INTERVALS_PER_LEASE = 6;
const MAX_JITTER = 0.2;

/** The interval to tell one process server: grown with the fleet, then up to a fifth longer, so that nobody comes back in step. */
export function assignInterval(fleetSize: number, timing: LeaseTiming, fraction: number): number {
  const capped = Math.max(timing.heartbeatIntervalSeconds, Math.ceil(fleetSize / timing.maxHeartbeatsPerSecond));
  return Math.floor(capped * (1 + MAX_JITTER * fraction));
}

/** The lease that goes with a told interval: six of them, never less than the setting. It is derived from what was told, so a changed interval makes nobody silent. */
export function leaseSecondsFor(assignedIntervalSeconds: number, { leaseSeconds }: LeaseTiming): number {
  return Math.max(leaseSeconds, INTERVALS_PER_LEASE * assignedIntervalSeconds);
}

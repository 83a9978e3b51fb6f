/** The timing of heartbeats and leases, in seconds, from the settings. */
export interface LeaseTiming {
  /** The interval of a small fleet. */
  readonly heartbeatIntervalSeconds: number;
  /** The shortest lease. */
  readonly leaseSeconds: number;
  /** The heartbeat rate above which the interval grows with the fleet. */
  readonly maxHeartbeatsPerSecond: number;
}

const INTERVALS_PER_LEASE = 6;
const MAX_JITTER = 0.2;

/**
 * Assigns the interval of a process server: grown with the fleet, then up to a fifth longer, so that process servers do
 * not synchronise.
 */
export function assignInterval(fleetSize: number, timing: LeaseTiming, fraction: number): number {
  const capped = Math.max(timing.heartbeatIntervalSeconds, Math.ceil(fleetSize / timing.maxHeartbeatsPerSecond));
  return Math.floor(capped * (1 + MAX_JITTER * fraction));
}

/**
 * The lease for an assigned interval: six intervals, never less than the setting. It follows from the assigned
 * interval, so a changed interval disconnects no process server.
 */
export function leaseSecondsFor(assignedIntervalSeconds: number, { leaseSeconds }: LeaseTiming): number {
  return Math.max(leaseSeconds, INTERVALS_PER_LEASE * assignedIntervalSeconds);
}

/** How often a fleet is to speak and how long its silence is borne. All in seconds, all read from the settings. */
export interface LeaseTiming {
  /** The interval of a small fleet. */
  readonly heartbeatIntervalSeconds: number;
  /** The shortest lease that is ever granted. */
  readonly leaseSeconds: number;
  /** The heartbeats a second above which the interval grows with the fleet. */
  readonly heartbeatsPerSecondCeiling: number;
}

const LEASE_IN_INTERVALS = 6;
const LARGEST_JITTER = 0.2;

/** The interval to tell one process server: grown with the fleet, then up to a fifth longer, so that nobody comes back in step. */
export function intervalToTell(fleetSize: number, timing: LeaseTiming, fraction: number): number {
  const capped = Math.max(timing.heartbeatIntervalSeconds, Math.ceil(fleetSize / timing.heartbeatsPerSecondCeiling));
  return Math.floor(capped * (1 + LARGEST_JITTER * fraction));
}

/** The lease that goes with a told interval: six of them, never less than the setting. It is derived from what was told, so a changed interval makes nobody silent. */
export function leaseSecondsFor(toldIntervalSeconds: number, { leaseSeconds }: LeaseTiming): number {
  return Math.max(leaseSeconds, LEASE_IN_INTERVALS * toldIntervalSeconds);
}

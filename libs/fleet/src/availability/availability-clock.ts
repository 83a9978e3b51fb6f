/** The difference up to which replicas' clocks agree; a larger one means that a clock has stepped or is wrong. */
export const MAX_CLOCK_DISAGREEMENT_MS = 2_000;
/** After a longer pause the wall clock does not decide about deletion: the machine may have started with a wrong clock. */
const LONG_PAUSE_MS = 3_600_000;
/** The wall clock decides about permanent deletion only after it has been steady for a day. */
export const STEADY_FOR_MS = 24 * 3_600_000;

const MAX_COUNTED_GAP_MS = 15_000;
const MAX_RECORD_INTERVAL_MS = 500;

/** The timing of the availability clock, in milliseconds. */
export interface AvailabilityTiming {
  /** The counted part of a gap between two records is at most this. A replica without a record for this long accepts no heartbeats. */
  readonly maxCountedGapMs: number;
  /** The interval between two records. */
  readonly recordIntervalMs: number;
  /** The time that the clock advances by itself after a record; also the counted part of a gap in which a record failed. */
  readonly runAheadMs: number;
}

/** At most a quarter of a lease counts in one gap, and at least three records fit into that time. */
export function availabilityTiming(leaseSeconds: number): AvailabilityTiming {
  const maxCountedGapMs = Math.min(MAX_COUNTED_GAP_MS, leaseSeconds * 250);
  const recordIntervalMs = Math.min(MAX_RECORD_INTERVAL_MS, Math.floor(maxCountedGapMs / 3));
  return {
    maxCountedGapMs,
    recordIntervalMs,
    runAheadMs: Math.min(maxCountedGapMs, Math.floor(recordIntervalMs * 1.25)),
  };
}

/**
 * The availability clock, stored as one row: the milliseconds up to `recordedAt` in which the service could accept
 * heartbeats. It stands still while no replica can commit a heartbeat, so a service outage never expires a lease.
 */
export interface AvailabilityState {
  readonly availableMs: number;
  readonly recordedAt: Date;
  /**
   * The time that the clock advances by itself after `recordedAt`. It is stored with the record, so that all replicas
   * compute the same value.
   */
  readonly runAheadMs: number;
  /** The availability clock when the wall clock last stepped, or resumed after a long pause. */
  readonly unsteadyAtAvailableMs: number;
  /** The availability clock when the wall clock last stepped; null before the first step. */
  readonly steppedAtAvailableMs: number | null;
  /** The last backward step of the wall clock: the availability clock at that time, and the wall time after it; null before the first. */
  readonly steppedBack: { readonly availableMs: number; readonly to: Date } | null;
}

/** The row before the first record. */
export const initialAvailability = (
  now: Date,
  { runAheadMs }: Pick<AvailabilityTiming, 'runAheadMs'>,
): AvailabilityState => ({
  availableMs: 0,
  recordedAt: now,
  runAheadMs,
  unsteadyAtAvailableMs: 0,
  steppedAtAvailableMs: null,
  steppedBack: null,
});

/** A gap between records that exceeds the counted time. */
export interface ServiceOutage {
  readonly from: Date;
  readonly to: Date;
}

/** A step of the wall clock, from `from` to `to`. */
export interface ClockStep {
  readonly from: Date;
  readonly to: Date;
}

/** The state of a replica since its last record. */
export interface AvailabilityAttempt {
  /** Whether a record has failed, or was not possible, since the last one. */
  readonly failedBefore: boolean;
  /** The time since the last record, on the monotonic clock; null before the first. */
  readonly elapsedMs: number | null;
  /** Hosts of which at least one must have unlocked rows for the proof to succeed; empty while heartbeats are committed. */
  readonly witnesses: readonly string[];
  /** Whether the clock has just been synchronised: a remaining disagreement is a step. */
  readonly isConfirmed: boolean;
}

/** Nothing was recorded: this replica's clock disagrees with the row, and must be synchronised first. */
export interface ClockDisagreement {
  readonly disagreesWith: AvailabilityState;
}

export interface AvailabilityRecord {
  readonly availability: AvailabilityState;
  readonly outage: ServiceOutage | null;
  readonly step: ClockStep | null;
}

/**
 * The availability clock at a wall time. It stops soon after the last record, so that a stale copy never runs ahead and
 * no record moves the clock back.
 */
export function availableMsAt(
  { availableMs, recordedAt, runAheadMs }: Pick<AvailabilityState, 'availableMs' | 'recordedAt' | 'runAheadMs'>,
  at: Date,
): number {
  return availableMs + Math.min(Math.max(0, at.getTime() - recordedAt.getTime()), runAheadMs);
}

/**
 * Whether a record at `now` disagrees with the row by more than clocks may differ: one of them has stepped or is wrong.
 * To the first record of a replica, a pause of all replicas looks like a forward step.
 */
export function disagrees(
  { recordedAt }: Pick<AvailabilityState, 'recordedAt'>,
  now: Date,
  { elapsedMs }: AvailabilityAttempt,
): boolean {
  const gapMs = now.getTime() - recordedAt.getTime();
  return gapMs < -MAX_CLOCK_DISAGREEMENT_MS || (elapsedMs !== null && gapMs - elapsedMs > MAX_CLOCK_DISAGREEMENT_MS);
}

/**
 * Computes the row after a replica has proved that it could commit heartbeats, with the outage or step that the record
 * detects. The availability clock never moves back.
 */
export function advanceAvailability(
  availability: AvailabilityState,
  now: Date,
  attempt: AvailabilityAttempt,
  timing: AvailabilityTiming,
): AvailabilityRecord {
  const gapMs = now.getTime() - availability.recordedAt.getTime();
  const { elapsedMs, failedBefore } = attempt;
  if (disagrees(availability, now, attempt))
    return recordAfterStep(availability, now, gapMs < 0 ? null : elapsedMs, timing);
  if (gapMs <= 0) return { availability, outage: null, step: null };
  const countedMs = failedBefore ? availability.runAheadMs : Math.max(timing.maxCountedGapMs, availability.runAheadMs);
  const availableMs = availability.availableMs + Math.min(gapMs, countedMs);
  const unsteadyAtAvailableMs = gapMs > LONG_PAUSE_MS ? availableMs : availability.unsteadyAtAvailableMs;
  return {
    availability: {
      ...availability,
      availableMs,
      recordedAt: now,
      runAheadMs: timing.runAheadMs,
      unsteadyAtAvailableMs,
    },
    outage: gapMs > timing.maxCountedGapMs ? { from: availability.recordedAt, to: now } : null,
    step: null,
  };
}

/**
 * After a backward step the availability clock continues from its last value; after a forward step the elapsed time
 * counts, up to the limit of any gap.
 */
function recordAfterStep(
  before: AvailabilityState,
  now: Date,
  elapsedMs: number | null,
  { maxCountedGapMs, runAheadMs }: AvailabilityTiming,
): AvailabilityRecord {
  const availableMs = before.availableMs + Math.min(elapsedMs ?? 0, maxCountedGapMs);
  const steppedBack = now < before.recordedAt ? { availableMs, to: now } : before.steppedBack;
  return {
    availability: {
      availableMs,
      recordedAt: now,
      runAheadMs,
      unsteadyAtAvailableMs: availableMs,
      steppedAtAvailableMs: availableMs,
      steppedBack,
    },
    outage: null,
    step: { from: before.recordedAt, to: now },
  };
}

/**
 * The time after a step in which only the availability clock decides about removal; it suffices to remove all entries
 * that were due at the step.
 */
const JUST_STEPPED_MS = 900_000;

export const hasJustStepped = ({ availableMs, steppedAtAvailableMs }: AvailabilityState): boolean =>
  steppedAtAvailableMs !== null && availableMs - steppedAtAvailableMs < JUST_STEPPED_MS;

/** Whether the wall clock may decide about permanent deletion. */
export const isSteady = ({ availableMs, unsteadyAtAvailableMs }: AvailabilityState): boolean =>
  availableMs - unsteadyAtAvailableMs >= STEADY_FOR_MS;

/** The earliest wall time at which the availability clock can reach `availableMs`; an outage only delays it. */
export function toWallClock(availableMs: number, nowAvailableMs: number, now: Date): Date {
  return new Date(now.getTime() + (availableMs - nowAvailableMs));
}

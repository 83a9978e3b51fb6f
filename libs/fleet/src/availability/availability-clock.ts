/** Replicas whose clocks differ by no more than this agree; more is a clock that stepped, or one that is wrong. */
export const MAX_CLOCK_DISAGREEMENT_MS = 2_000;
/** After a pause longer than this, the wall clock is not trusted to decide what is deleted for good: the machine may have started with a wrong one. */
const LONG_PAUSE_MS = 3_600_000;
/** What is deleted for good is decided by the wall clock only after it has been steady for a day. */
export const STEADY_FOR_MS = 24 * 3_600_000;

const MAX_COUNTED_GAP_MS = 15_000;
const MAX_RECORD_INTERVAL_MS = 500;

/** How the availability clock is recorded. All in milliseconds. */
export interface AvailabilityTiming {
  /** Of each gap between two records at most this much counts. A replica that has not recorded for this long accepts no heartbeats. */
  readonly maxCountedGapMs: number;
  /** Between two records. */
  readonly recordIntervalMs: number;
  /** After a record the clock runs on by itself for this long, and a gap in which a record failed counts no more. */
  readonly runAheadMs: number;
}

/** A gap may never be a large part of a lease: at most a quarter of it counts, and at least three records fit into that. */
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
 * The listening clock L, as one row: milliseconds that somebody listened up to `recordedAt`. It stands still while no
 * replica could have committed a heartbeat, so an outage of ours never ends a lease.
 */
export interface AvailabilityState {
  readonly availableMs: number;
  readonly recordedAt: Date;
  /** L runs on by itself for this long after `recordedAt`: as the replica that recorded it is set, so that all replicas give one answer. */
  readonly runAheadMs: number;
  /** L when the wall clock last stepped, or came back after a long pause. */
  readonly unsteadyAtAvailableMs: number;
  /** L when the wall clock last stepped; null when it never did. */
  readonly steppedAtAvailableMs: number | null;
  /** The last step backwards: L then, and the wall time after it. Null when there was none. */
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

/** A gap of ours that was longer than what counts. */
export interface ServiceOutage {
  readonly from: Date;
  readonly to: Date;
}

/** The wall clock showed `from` and went on from `to`. */
export interface ClockStep {
  readonly from: Date;
  readonly to: Date;
}

/** What a replica knows of the time before a record of its own. */
export interface AvailabilityAttempt {
  /** A record failed, or was not possible, since its last one. */
  readonly failedBefore: boolean;
  /** By the monotonic clock, since its last record; null before the first. */
  readonly elapsedMs: number | null;
  /** Hosts of which the rows of one at least must be free for the proof to succeed; none while heartbeats are committed. */
  readonly witnesses: readonly string[];
  /** The clock has just been measured anew: a disagreement that is left is a step. */
  readonly isConfirmed: boolean;
}

/** Nothing was recorded: this replica's clock disagrees with the row, and is measured anew first. */
export interface ClockDisagreement {
  readonly disagreesWith: AvailabilityState;
}

export interface AvailabilityRecord {
  readonly availability: AvailabilityState;
  readonly outage: ServiceOutage | null;
  readonly step: ClockStep | null;
}

/** L at a wall instant. It stops by itself soon after the last record, so a stale copy never runs ahead and no record takes back what was shown. */
export function availableMsAt(
  { availableMs, recordedAt, runAheadMs }: Pick<AvailabilityState, 'availableMs' | 'recordedAt' | 'runAheadMs'>,
  at: Date,
): number {
  return availableMs + Math.min(Math.max(0, at.getTime() - recordedAt.getTime()), runAheadMs);
}

/** Whether a record at `now` disagrees with the row by more than clocks may: one of them has stepped, or is wrong. A pause of all replicas looks the same as a leap to the first record of a replica. */
export function disagrees(
  { recordedAt }: Pick<AvailabilityState, 'recordedAt'>,
  now: Date,
  { elapsedMs }: AvailabilityAttempt,
): boolean {
  const gapMs = now.getTime() - recordedAt.getTime();
  return gapMs < -MAX_CLOCK_DISAGREEMENT_MS || (elapsedMs !== null && gapMs - elapsedMs > MAX_CLOCK_DISAGREEMENT_MS);
}

/** The row after a replica has recorded that it could commit heartbeats, and what this record found. L never moves back. */
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

/** Backwards, L goes on from where it was; ahead, what has really elapsed counts, as far as it counts in any gap. */
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

/** A clock that has just stepped does not say what is due: in this time the availability clock has removed whatever was due when it stepped. */
const JUST_STEPPED_MS = 900_000;

export const hasJustStepped = ({ availableMs, steppedAtAvailableMs }: AvailabilityState): boolean =>
  steppedAtAvailableMs !== null && availableMs - steppedAtAvailableMs < JUST_STEPPED_MS;

/** Whether the wall clock may decide what is deleted for good. */
export const isSteady = ({ availableMs, unsteadyAtAvailableMs }: AvailabilityState): boolean =>
  availableMs - unsteadyAtAvailableMs >= STEADY_FOR_MS;

/** The earliest wall instant at which L can reach `availableMs`: an outage of ours only moves it later. */
export function toWallClock(availableMs: number, nowAvailableMs: number, now: Date): Date {
  return new Date(now.getTime() + (availableMs - nowAvailableMs));
}

const FIRST_PAUSE_MS = 1_000;
/** Before the first response the interval is unknown. */
const DEFAULT_INTERVAL_SECONDS = 30;
/**
 * The longest pause, in intervals. A lease lasts six intervals: an agent that sent up to one interval before an outage and waits
 * four after it sends while its lease still runs. A shorter pause would exceed 1.2 times the steady rate after an outage.
 */
const LONGEST_PAUSE_INTERVALS = 4;
/** Agents that started at the same time do not stay synchronised. */
const INTERVAL_JITTER = 0.1;

export interface RetryCircumstances {
  /** Consecutive failures, from 1. */
  readonly failures: number;
  /** As assigned by the last response; null before the first. */
  readonly intervalSeconds: number | null;
  /** `Retry-After` of the response; null without one. */
  readonly retryAfterSeconds: number | null;
}

/** In milliseconds. */
export const longestPauseMs = (intervalSeconds: number | null): number =>
  LONGEST_PAUSE_INTERVALS * (intervalSeconds ?? DEFAULT_INTERVAL_SECONDS) * 1000;

/**
 * The pause before the next attempt, in milliseconds: exponential, capped, then full jitter, never before `Retry-After`.
 * @param random in [0, 1).
 */
export function retryPauseMs(
  { failures, intervalSeconds, retryAfterSeconds }: RetryCircumstances,
  random: number,
): number {
  const capMs = Math.min(longestPauseMs(intervalSeconds), FIRST_PAUSE_MS * 2 ** (failures - 1));
  return Math.max((retryAfterSeconds ?? 0) * 1000, random * capMs);
}

/**
 * The pause until the next heartbeat after an accepted one, in milliseconds: up to a tenth shorter than assigned.
 * @param random in [0, 1).
 */
export const heartbeatPauseMs = (intervalSeconds: number, random: number): number =>
  intervalSeconds * 1000 * (1 - INTERVAL_JITTER * random);

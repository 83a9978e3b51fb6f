import { describe, expect, it } from '@jest/globals';
import { heartbeatPauseMs, longestPauseMs, retryPauseMs } from './back-off.js';

/** Jest intercepts each access to a global, which would take most of the time of the computation. */
const { floor, max } = Math;

describe('retryPauseMs', () => {
  it.each([
    // failures, interval, Retry-After, random, pause
    [1, 30, null, 0.5, 500],
    [2, 30, null, 0.5, 1_000],
    [5, 30, null, 0.25, 4_000],
    [8, 30, null, 0.5, 60_000],
    [1_000_000, 30, null, 0, 0],
    [1_000_000, 30, null, 0.5, 60_000],
    [1_000_000, null, null, 0.5, 60_000],
    [1_000_000, 300, null, 0.5, 600_000],
    [1, 30, 4, 0.5, 4_000],
    [8, 30, 4, 0.5, 60_000],
    [8, 30, 300, 0.5, 300_000],
  ])(
    'after %d failures, interval %p s, Retry-After %p s, random %d: %d ms',
    (failures, interval, after, random, ms) => {
      expect(retryPauseMs({ failures, intervalSeconds: interval, retryAfterSeconds: after }, random)).toBe(ms);
    },
  );

  it('is so short that a lease of six intervals outlives one interval before and one pause after an outage', () => {
    expect(longestPauseMs(30)).toBeLessThanOrEqual((6 - 2) * 30_000);
  });
});

it.each([
  [30, 0, 30_000],
  [30, 0.5, 28_500],
])('the pause between heartbeats at an interval of %d s with random %d is %d ms', (interval, random, ms) => {
  expect(heartbeatPauseMs(interval, random)).toBe(ms);
});

it('a fleet of 100,000 agents never arrives at more than 1.2 times the steady rate after an outage of an hour', () => {
  const AGENTS = 100_000;
  const OUTAGE_MS = 3_600_000;
  const OBSERVED_SECONDS = 400;
  const random = pseudoRandom(7);
  /** The server assigns 30 s and up to a fifth more, in whole seconds. */
  const assigned = (): number => floor(30 * (1 + 0.2 * random()));
  const arrivals = new Array<number>(OBSERVED_SECONDS).fill(0);
  for (let agent = 0; agent < AGENTS; agent += 1) {
    let intervalSeconds = assigned();
    let atMs = random() * intervalSeconds * 1000;
    for (let failures = 1; atMs < OUTAGE_MS; failures += 1) {
      // Half of the attempts find no server, the others get 503 with Retry-After of 1 to 5 s.
      const drawn = random();
      const retryAfterSeconds = drawn < 0.5 ? null : 1 + floor(10 * (drawn - 0.5));
      atMs += retryPauseMs({ failures, intervalSeconds, retryAfterSeconds }, random());
    }
    while (atMs < OUTAGE_MS + OBSERVED_SECONDS * 1000) {
      arrivals[floor((atMs - OUTAGE_MS) / 1000)]! += 1;
      intervalSeconds = assigned();
      atMs += heartbeatPauseMs(intervalSeconds, random());
    }
  }
  // Whole seconds from 30 to 35, of which the jitter takes a twentieth.
  const steady = AGENTS / (32.5 * 0.95);
  expect(max(...arrivals) / steady).toBeLessThanOrEqual(1.2);
  expect(arrivals.slice(-36).reduce((sum, count) => sum + count, 0) / 36 / steady).toBeCloseTo(1, 1);
});

/** A linear congruential generator, so that the computed rates are the same in every run. */
function pseudoRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

import { describe, expect, it } from '@jest/globals';
import {
  ageSecondsAt,
  afterReport,
  clearAfterMs,
  rewriteAfterMs,
  type SignalReport,
  type SignalState,
} from './health-window.js';

const MINUTE_MS = 60_000;
const WINDOW_MS = 15 * MINUTE_MS;
const LEASE_MS = 3 * MINUTE_MS;
const NONE: SignalState = { reportedAvailableMs: null, above: 0, raised: 0, sinceAvailableMs: [null] };
const RAISED: SignalState = { reportedAvailableMs: 0, above: 1, raised: 1, sinceAvailableMs: [0] };

type Value = 'above' | 'below' | 'unknown';
/** Reports of one value at these minutes of the availability clock. */
const reports = (value: Value, ...minutes: readonly number[]): SignalReport[] =>
  minutes.map((minute) => ({
    availableMs: minute * MINUTE_MS,
    leaseMs: LEASE_MS,
    known: value === 'unknown' ? 0 : 1,
    above: value === 'above' ? 1 : 0,
    unchanged: false,
  }));
const from = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, index) => first + index);
const after = (state: SignalState, all: readonly SignalReport[]): SignalState =>
  all.reduce((before, report) => afterReport(before, report, WINDOW_MS), state);

describe('a signal', () => {
  it.each<[string, SignalState, SignalReport[], number]>([
    ['without a report', NONE, [], 0],
    ['above in a single report', NONE, reports('above', 0), 0],
    ['above for less than the window', NONE, reports('above', ...from(0, 14)), 0],
    ['above in every report for the window', NONE, reports('above', ...from(0, 15)), 1],
    ['above for the window, at two reports a lease', NONE, reports('above', 0, 3, 6, 9, 12, 15), 1],
    ['below for the window', NONE, reports('below', ...from(0, 15)), 0],
    [
      'above for the window with one report below',
      NONE,
      [...reports('above', ...from(0, 7)), ...reports('below', 8), ...reports('above', ...from(9, 22))],
      0,
    ],
    ['raised and below for less than a third', RAISED, reports('below', ...from(1, 5)), 1],
    ['raised and below for a third', RAISED, reports('below', ...from(1, 6)), 0],
    [
      'raised and below twice with one report above',
      RAISED,
      [...reports('below', 1, 2, 3, 4), ...reports('above', 5), ...reports('below', 6, 7, 8, 9, 10)],
      1,
    ],
    ['above in reports with a gap', NONE, reports('above', ...from(0, 10), ...from(14, 28)), 0],
    ['above for the window after a gap', NONE, reports('above', ...from(0, 10), ...from(14, 29)), 1],
    ['raised and below in reports with a gap', RAISED, reports('below', 1, 2, 6, 7, 8, 9, 10), 1],
    ['raised, with a gap of days', RAISED, reports('above', 10_000), 1],
    ['raised, then below after a gap of days', RAISED, reports('below', 10_000), 1],
    ['raised and unknown for the window', RAISED, reports('unknown', ...from(1, 20)), 1],
    [
      'raised, unknown, and below for less than a third',
      RAISED,
      [...reports('below', 1, 2, 3), ...reports('unknown', 4), ...reports('below', 5, 6, 7, 8, 9)],
      1,
    ],
    [
      'above for the window with an unknown value',
      NONE,
      [...reports('above', ...from(0, 7)), ...reports('unknown', 8), ...reports('above', ...from(9, 23))],
      0,
    ],
  ])('%s', (_case, state, all, raised) => {
    expect(after(state, all).raised).toBe(raised);
  });

  it('does not age during an outage of the service, when the availability clock stands still', () => {
    const before = after(NONE, reports('above', ...from(0, 10)));
    const again = after(before, reports('above', 10));
    expect(again.sinceAvailableMs).toEqual([0]);
    expect(again.raised).toBe(0);
    expect(after(again, reports('above', ...from(11, 15))).raised).toBe(1);
  });

  it('has no lower level than a raised higher one, since both follow the same reports', () => {
    const both = { ...NONE, sinceAvailableMs: [null, null] };
    const all = from(0, 40).map((minute) => ({
      availableMs: minute * MINUTE_MS,
      leaseMs: LEASE_MS,
      known: 3,
      above: minute < 20 ? 3 : minute < 30 ? 1 : 0,
      unchanged: false,
    }));
    expect([15, 19, 24, 25, 34, 35].map((last) => after(both, all.slice(0, last + 1)).raised)).toEqual([
      3, 3, 3, 1, 1, 0,
    ]);
  });
});

describe('an unchanged report', () => {
  const unchanged = (availableMs: number, above: 0 | 1): SignalReport => ({
    availableMs,
    leaseMs: LEASE_MS,
    known: 1,
    above,
    unchanged: true,
  });

  it('is not written within a fifteenth of the window while nothing is to be decided', () => {
    const quiet = after(NONE, reports('below', 0));
    expect(afterReport(quiet, unchanged(MINUTE_MS - 1, 0), WINDOW_MS)).toBe(quiet);
    expect(afterReport(quiet, unchanged(MINUTE_MS, 0), WINDOW_MS).reportedAvailableMs).toBe(MINUTE_MS);
  });

  it('is written while a signal is about to be raised or cleared', () => {
    const pending = after(NONE, reports('above', 0));
    expect(afterReport(pending, unchanged(1, 1), WINDOW_MS).reportedAvailableMs).toBe(1);
    expect(afterReport({ ...RAISED, above: 0 }, unchanged(1, 0), WINDOW_MS).reportedAvailableMs).toBe(1);
  });
});

it.each([
  [900_000, 300_000, 60_000],
  [6_000, 2_000, 400],
  [1_000, 334, 67],
])('a window of %d ms clears after %d ms and rewrites after %d ms', (windowMs, clearMs, rewriteMs) => {
  expect([clearAfterMs(windowMs), rewriteAfterMs(windowMs)]).toEqual([clearMs, rewriteMs]);
});

describe('the age of a report', () => {
  it.each([
    [null, null],
    [10_000, 0],
    [9_001, 0],
    [9_000, 1],
    [8_001, 1],
    [0, 10],
    [10_001, 0],
  ])('of %p is %p s', (reportedAvailableMs, seconds) => {
    expect(ageSecondsAt({ availableMs: 10_000 }, reportedAvailableMs)).toBe(seconds);
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LocalAvailabilityClock } from './local-availability-clock.js';
import {
  availabilityTiming,
  disagrees,
  toWallClock,
  initialAvailability,
  hasJustStepped,
  isSteady,
  availableMsAt,
  advanceAvailability,
  type AvailabilityAttempt,
  type AvailabilityRecord,
  type ClockDisagreement,
  type AvailabilityState,
} from './availability-clock.js';
import { AvailabilityStore, type Clock } from '../ports.js';
import { msAfter, NOON } from '../testing/examples.js';

const TIMING = availabilityTiming(180);
const recorded: AvailabilityState = {
  availableMs: 500_000,
  recordedAt: NOON,
  runAheadMs: TIMING.runAheadMs,
  unsteadyAtAvailableMs: 0,
  steppedAtAvailableMs: null,
  steppedBack: null,
};
const FIRST: AvailabilityAttempt = { failedBefore: false, elapsedMs: null, witnesses: [], isConfirmed: true };
const DAY_MS = 86_400_000;

describe('availabilityTiming', () => {
  it.each([
    [86_400, { maxCountedGapMs: 15_000, recordIntervalMs: 500, runAheadMs: 625 }],
    [180, { maxCountedGapMs: 15_000, recordIntervalMs: 500, runAheadMs: 625 }],
    [60, { maxCountedGapMs: 15_000, recordIntervalMs: 500, runAheadMs: 625 }],
    [15, { maxCountedGapMs: 3_750, recordIntervalMs: 500, runAheadMs: 625 }],
    [8, { maxCountedGapMs: 2_000, recordIntervalMs: 500, runAheadMs: 625 }],
    [5, { maxCountedGapMs: 1_250, recordIntervalMs: 416, runAheadMs: 520 }],
    [1, { maxCountedGapMs: 250, recordIntervalMs: 83, runAheadMs: 103 }],
  ])('for a lease of %d s counts at most a quarter of it, with three records in that time', (leaseSeconds, timing) => {
    expect(availabilityTiming(leaseSeconds)).toEqual(timing);
  });
});

describe('the availability clock', () => {
  it.each([
    [-60_000, 0],
    [-1, 0],
    [0, 0],
    [1, 1],
    [624, 624],
    [625, 625],
    [626, 625],
    [7_200_000, 625],
  ])('%d ms after a record has advanced by %d ms', (ms, movedMs) => {
    expect(availableMsAt(recorded, msAfter(NOON, ms))).toBe(500_000 + movedMs);
  });

  it.each([
    [1, 1, false],
    [5_000, 5_000, false],
    [15_000, 15_000, false],
    [15_001, 15_000, true],
    [3_600_000, 15_000, true],
    [3_600_001, 15_000, true],
    [7_200_000, 15_000, true],
  ])('recorded %d ms after the previous record counts %d ms; an outage ends: %s', (ms, countedMs, isOutage) => {
    const now = msAfter(NOON, ms);
    const unsteadyAtAvailableMs = ms > 3_600_000 ? 515_000 : 0;
    expect(advanceAvailability(recorded, now, FIRST, TIMING)).toEqual({
      availability: { ...recorded, availableMs: 500_000 + countedMs, recordedAt: now, unsteadyAtAvailableMs },
      outage: isOutage ? { from: NOON, to: now } : null,
      step: null,
    });
  });

  it.each([
    [500, 500],
    [625, 625],
    [626, 625],
    [14_000, 625],
    [7_200_000, 625],
  ])('after a failed record counts %d ms as %d: no more than it has already shown', (ms, countedMs) => {
    const { availability } = advanceAvailability(
      recorded,
      msAfter(NOON, ms),
      { ...FIRST, failedBefore: true, elapsedMs: ms },
      TIMING,
    );
    expect(availability.availableMs).toBe(500_000 + countedMs);
  });

  it.each([0, -1, -1_999, -2_000])('does not change with a record that is %d ms later', (ms) => {
    expect(advanceAvailability(recorded, msAfter(NOON, ms), FIRST, TIMING)).toEqual({
      availability: recorded,
      outage: null,
      step: null,
    });
  });

  it.each([
    [-2_001, null, true],
    [-7_200_000, 1_000, true],
    [-2_000, 1_000, false],
    [1_000, 1_000, false],
    [3_000, 1_000, false],
    [3_001, 1_000, true],
    [500 * DAY_MS, 1_000, true],
    [500 * DAY_MS, null, false],
    [20_000, 20_000, false],
  ])('a record at %d ms, %s ms after the last one of its replica, disagrees: %s', (ms, elapsedMs, isDisagreement) => {
    expect(disagrees(recorded, msAfter(NOON, ms), { ...FIRST, elapsedMs })).toBe(isDisagreement);
  });

  it.each([
    [-7_200_000, 1_000, 0, true],
    [500 * DAY_MS, 1_000, 1_000, false],
    [500 * DAY_MS, 20_000, 15_000, false],
  ])('a wall clock that steps to %d ms, after %d ms, advances it by %d ms', (ms, elapsedMs, countedMs, isBack) => {
    const now = msAfter(NOON, ms);
    const availableMs = 500_000 + countedMs;
    expect(advanceAvailability(recorded, now, { ...FIRST, elapsedMs }, TIMING)).toEqual({
      availability: {
        availableMs,
        recordedAt: now,
        runAheadMs: TIMING.runAheadMs,
        unsteadyAtAvailableMs: availableMs,
        steppedAtAvailableMs: availableMs,
        steppedBack: isBack ? { availableMs, to: now } : null,
      },
      outage: null,
      step: { from: NOON, to: now },
    });
  });

  it.each([
    [0, false],
    [DAY_MS - 1, false],
    [DAY_MS, true],
  ])('is steady %d ms after a step: %s', (ms, steady) => {
    expect(isSteady({ ...recorded, unsteadyAtAvailableMs: 400_000, availableMs: 400_000 + ms })).toBe(steady);
  });

  it.each([
    [0, true],
    [899_999, true],
    [900_000, false],
  ])('has just stepped %d ms after a step: %s', (ms, hasStepped) => {
    expect(hasJustStepped({ ...recorded, steppedAtAvailableMs: 400_000, availableMs: 400_000 + ms })).toBe(hasStepped);
  });

  it('has not just stepped without any step', () => {
    expect(hasJustStepped({ ...recorded, steppedAtAvailableMs: null })).toBe(false);
  });

  it('returns the earliest wall time at which a lease can expire', () => {
    expect(toWallClock(560_000, 500_000, NOON)).toEqual(msAfter(NOON, 60_000));
    expect(toWallClock(440_000, 500_000, NOON)).toEqual(msAfter(NOON, -60_000));
  });

  it('never decreases, never outruns the wall clock or a shown value, and a stale copy never runs ahead', () => {
    const gaps = fc.array(fc.record({ gapMs: fc.integer({ min: -2_000, max: 40_000 }), failedBefore: fc.boolean() }), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(gaps, fc.nat(12), fc.integer({ min: 0, max: 60_000 }), (records, staleAt, aheadMs) => {
        let row = recorded;
        let latest = NOON;
        const rows = [row];
        for (const { gapMs, failedBefore } of records) {
          const now = msAfter(latest, gapMs);
          const { availability } = advanceAvailability(row, now, { ...FIRST, failedBefore }, TIMING);
          expect(availability.availableMs).toBeGreaterThanOrEqual(row.availableMs);
          expect(availability.availableMs - row.availableMs).toBeLessThanOrEqual(
            Math.max(0, availability.recordedAt.getTime() - row.recordedAt.getTime()),
          );
          expect(availability.availableMs).toBeGreaterThanOrEqual(availableMsAt(row, availability.recordedAt));
          row = availability;
          rows.push(row);
          latest = row.recordedAt;
        }
        const stale = rows[Math.min(staleAt, rows.length - 1)] ?? row;
        const at = msAfter(latest, aheadMs);
        expect(availableMsAt(stale, at)).toBeLessThanOrEqual(availableMsAt(row, at));
      }),
    );
  });

  it('with a database that responds less than a second in fifteen a lease of 180 s lasts a quarter of an hour', () => {
    let row = recorded;
    let elapsedMs = 0;
    for (; row.availableMs - recorded.availableMs < 180_000; elapsedMs += 15_000) {
      const now = msAfter(NOON, elapsedMs + 15_000);
      row = advanceAvailability(row, now, { ...FIRST, failedBefore: true, elapsedMs: 15_000 }, TIMING).availability;
    }
    expect(elapsedMs).toBeGreaterThanOrEqual(1_800_000);
  });
});

/** The availability row of all replicas, in memory. */
class AvailabilityRow extends AvailabilityStore {
  row: AvailabilityState | null = null;
  failing = false;
  /** The duration of a record. */
  waitsMs = 0;
  time: TwoClocks | null = null;
  readonly attempts: AvailabilityAttempt[] = [];

  override async record(now: Date, attempt: AvailabilityAttempt): Promise<AvailabilityRecord | ClockDisagreement> {
    this.attempts.push(attempt);
    if (this.failing) throw new Error('the table is locked');
    this.time?.advance(this.waitsMs);
    if (this.row && !attempt.isConfirmed && disagrees(this.row, now, attempt)) return { disagreesWith: this.row };
    const record = this.row
      ? advanceAvailability(this.row, now, attempt, TIMING)
      : { availability: initialAvailability(now, TIMING), outage: null, step: null };
    this.row = record.availability;
    return record;
  }
}

/** Wall time and monotonic time, which a step separates. */
class TwoClocks implements Clock {
  wallMs = NOON.getTime();
  elapsedMs = 0;

  now(): Date {
    return new Date(this.wallMs);
  }

  monotonicMs(): number {
    return this.elapsedMs;
  }

  advance(ms: number): void {
    this.wallMs += ms;
    this.elapsedMs += ms;
  }
}

describe("a replica's copy of the availability clock", () => {
  it('cannot be read before its first record, and is not valid', () => {
    const clock = new LocalAvailabilityClock(new AvailabilityRow(), new TwoClocks(), TIMING);
    expect(clock.isValid).toBe(false);
    expect(() => clock.availableMsAt(NOON)).toThrow('before its first record');
  });

  it.each([
    [0, true],
    [14_999, true],
    [15_000, false],
    [60_000, false],
  ])('is valid %d ms after its own record: %s, whatever the wall clock does', async (ms, isAvailable) => {
    for (const stepMs of [0, -7_200_000, 500 * DAY_MS]) {
      const time = new TwoClocks();
      const clock = new LocalAvailabilityClock(new AvailabilityRow(), time, TIMING);
      await clock.tick();
      time.advance(ms);
      time.wallMs += stepMs;
      expect(clock.isValid).toBe(isAvailable);
    }
  });

  it('adopts the record of another replica, and returns the outage that its own record ends', async () => {
    const row = new AvailabilityRow();
    const time = new TwoClocks();
    const [one, other] = [new LocalAvailabilityClock(row, time, TIMING), new LocalAvailabilityClock(row, time, TIMING)];
    await one.tick();
    await other.tick();
    time.advance(10_000);
    expect((await other.tick()).outage).toBeNull();
    expect(other.availableMsAt(time.now())).toBe(10_000);
    time.advance(30_000);
    expect((await one.tick()).outage).toEqual({ from: msAfter(NOON, 10_000), to: time.now() });
    expect(one.availableMsAt(time.now())).toBe(25_000);
  });

  it('counts at most runAheadMs of the time before its first record', async () => {
    const row = new AvailabilityRow();
    const time = new TwoClocks();
    await new LocalAvailabilityClock(row, time, TIMING).tick();
    time.advance(14_000);
    const restarted = new LocalAvailabilityClock(row, time, TIMING);
    await restarted.tick();
    expect(restarted.availableMsAt(time.now())).toBe(TIMING.runAheadMs);
  });

  it('counts at most runAheadMs of the time in which a record failed', async () => {
    const row = new AvailabilityRow();
    const time = new TwoClocks();
    const clock = new LocalAvailabilityClock(row, time, TIMING);
    await clock.tick();
    row.failing = true;
    time.advance(5_000);
    await expect(clock.tick()).rejects.toThrow('the table is locked');
    row.failing = false;
    time.advance(5_000);
    await clock.tick();
    expect(clock.availableMsAt(time.now())).toBe(TIMING.runAheadMs);
    time.advance(5_000);
    await clock.tick();
    expect(clock.availableMsAt(time.now())).toBe(TIMING.runAheadMs + 5_000);
  });

  it('counts at most runAheadMs of the time in which a record waited for the database', async () => {
    const row = new AvailabilityRow();
    const time = new TwoClocks();
    const clock = new LocalAvailabilityClock(row, time, TIMING);
    await clock.tick();
    time.advance(500);
    row.waitsMs = 1_900;
    row.time = time;
    await clock.tick();
    row.waitsMs = 0;
    time.advance(500);
    await clock.tick();
    expect(clock.availableMsAt(time.now())).toBe(500 + TIMING.runAheadMs);
  });

  it('synchronises the clock when a record disagrees, and only then records a step', async () => {
    const row = new AvailabilityRow();
    const time = new TwoClocks();
    const reconciled: boolean[] = [];
    const clock = new LocalAvailabilityClock(
      row,
      time,
      TIMING,
      async (_row, isMoving) => void reconciled.push(isMoving),
    );
    await clock.tick();
    time.advance(1_000);
    time.wallMs -= 7_200_000;
    const { step } = await clock.tick();
    expect(step).toEqual({ from: NOON, to: time.now() });
    expect(reconciled).toEqual([false]);
    expect(clock.steppedBack).toEqual({ availableMs: 0, to: time.now() });
    expect(clock.cleanUpMoment).toEqual({ at: time.now(), availableMs: 0, hasJustStepped: true, isSteady: false });
    for (let passedMs = 0; passedMs < 900_000; passedMs += 15_000) {
      expect(clock.cleanUpMoment.hasJustStepped).toBe(true);
      time.advance(15_000);
      await clock.tick();
    }
    expect(clock.cleanUpMoment.hasJustStepped).toBe(false);
  });

  it('records no step when the synchronised clock agrees with the record of another replica', async () => {
    const row = new AvailabilityRow();
    const [time, late] = [new TwoClocks(), new TwoClocks()];
    const [one, other] = [
      new LocalAvailabilityClock(row, time, TIMING),
      new LocalAvailabilityClock(row, late, TIMING, async () => void (late.wallMs = time.wallMs)),
    ];
    await one.tick();
    await other.tick();
    time.wallMs -= 7_200_000;
    await one.tick();
    late.advance(1_000);
    time.advance(1_000);
    expect((await other.tick()).step).toBeNull();
    expect(row.attempts.map(({ isConfirmed }) => isConfirmed)).toEqual([false, false, false, true, false, true]);
  });

  it.each([
    [500 * DAY_MS, 1_000],
    [-7_200_000, -7_200_000],
  ])('makes nothing due after an undetected wall clock step of %d ms', async (stepMs, nowMs) => {
    const time = new TwoClocks();
    const clock = new LocalAvailabilityClock(new AvailabilityRow(), time, TIMING);
    await clock.tick();
    time.wallMs += stepMs;
    time.elapsedMs += 1_000;
    expect(clock.cleanUpMoment).toMatchObject({ at: msAfter(NOON, nowMs), hasJustStepped: false });
    await clock.tick();
    expect(clock.cleanUpMoment).toMatchObject({ hasJustStepped: true, isSteady: false });
  });
});

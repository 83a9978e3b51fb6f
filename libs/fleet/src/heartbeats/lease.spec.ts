import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { assignInterval, leaseSecondsFor } from './lease.js';
import { TIMING } from '../testing/examples.js';

const MAX_FRACTION = 1 - 2 ** -48;

describe('assignInterval', () => {
  it.each([
    [0, 30],
    [30_000, 30],
    [30_001, 31],
    [100_000, 100],
    [1_000_000, 1_000],
  ])('grows with a fleet of %d to %d s', (fleetSize, seconds) => {
    expect(assignInterval(fleetSize, TIMING, 0)).toBe(seconds);
  });

  it.each([
    [0, 0.5, 33],
    [0, MAX_FRACTION, 35],
    [100_000, 0.5, 110],
    [100_000, MAX_FRACTION, 119],
  ])('with a fleet of %d and random number %d is %d s', (fleetSize, fraction, seconds) => {
    expect(assignInterval(fleetSize, TIMING, fraction)).toBe(seconds);
  });

  it('is at least the setting, at most a fifth longer than needed, and keeps the fleet below its maximum rate', () => {
    const fractions = fc.double({ min: 0, max: MAX_FRACTION, noNaN: true });
    fc.assert(
      fc.property(fc.nat(2_000_000), fractions, (fleetSize, fraction) => {
        const assigned = assignInterval(fleetSize, TIMING, fraction);
        const shortest = assignInterval(fleetSize, TIMING, 0);
        expect(assigned).toBeGreaterThanOrEqual(shortest);
        expect(assigned).toBeLessThanOrEqual(1.2 * shortest);
        expect(fleetSize / assigned).toBeLessThanOrEqual(TIMING.maxHeartbeatsPerSecond);
      }),
    );
  });
});

describe('leaseSecondsFor', () => {
  it.each([
    [1, 180],
    [30, 180],
    [31, 186],
    [100, 600],
  ])('for an interval of %d s is %d s: six intervals, at least the setting', (assigned, seconds) => {
    expect(leaseSecondsFor(assigned, TIMING)).toBe(seconds);
  });

  it('is never below six intervals, even with a small setting', () => {
    expect(leaseSecondsFor(1, { ...TIMING, leaseSeconds: 2 })).toBe(6);
  });
});

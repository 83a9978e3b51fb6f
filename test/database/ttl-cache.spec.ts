import { describe, expect, it } from '@jest/globals';
import { TtlCache } from '../../libs/fleet-mysql/src/ttl-cache.js';
import { ManualClock } from '../support/manual-clock.js';

const AGO_MS = 1_000;

describe('what was found lately', () => {
  it.each([
    [0, 'found'],
    [999, 'found'],
    [1_000, undefined],
  ])('is known %d ms later as %s, whatever the wall clock does', (laterMs, known) => {
    const clock = new ManualClock();
    const cache = new TtlCache<string>(clock, AGO_MS);
    cache.set('key', 'found');
    clock.advanceMs(laterMs);
    for (const stepMs of [0, -7_200_000, 14_400_000]) {
      clock.stepMs(stepMs);
      expect(cache.get('key')).toBe(known);
    }
  });

  it('is forgotten by its key', () => {
    const cache = new TtlCache<number>(new ManualClock(), AGO_MS);
    cache.set('a', 1);
    cache.set('b', 2);
    cache.delete('a');
    expect([cache.get('a'), cache.get('b')]).toEqual([undefined, 2]);
  });

  it('is forgotten rather than let grow', () => {
    const cache = new TtlCache<number>(new ManualClock(), AGO_MS);
    for (let key = 0; key < 5_000; key += 1) cache.set(String(key), key);
    expect([cache.get('0'), cache.get('4999')]).toEqual([undefined, 4_999]);
  });
});

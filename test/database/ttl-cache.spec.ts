import { describe, expect, it } from '@jest/globals';
import { TtlCache } from '../../libs/fleet-mysql/src/ttl-cache.js';
import { ManualClock } from '../support/manual-clock.js';

const TTL_MS = 1_000;

describe('the TTL cache', () => {
  it.each([
    [0, 'found'],
    [999, 'found'],
    [1_000, undefined],
  ])('returns after %d ms %s, whatever the wall clock', (laterMs, expected) => {
    const clock = new ManualClock();
    const cache = new TtlCache<string>(clock, TTL_MS);
    cache.set('key', 'found');
    clock.advanceMs(laterMs);
    for (const stepMs of [0, -7_200_000, 14_400_000]) {
      clock.stepMs(stepMs);
      expect(cache.get('key')).toBe(expected);
    }
  });

  it('deletes an entry by key', () => {
    const cache = new TtlCache<number>(new ManualClock(), TTL_MS);
    cache.set('a', 1);
    cache.set('b', 2);
    cache.delete('a');
    expect([cache.get('a'), cache.get('b')]).toEqual([undefined, 2]);
  });

  it('is cleared at its maximum size', () => {
    const cache = new TtlCache<number>(new ManualClock(), TTL_MS);
    for (let key = 0; key < 5_000; key += 1) cache.set(String(key), key);
    expect([cache.get('0'), cache.get('4999')]).toEqual([undefined, 4_999]);
  });
});

import { beforeEach, describe, expect, it } from '@jest/globals';
import { CachedResult } from './cached-result.js';

const TTL_MS = 1_000;

let nowMs: number;
let calls: { resolve(result: string): void; reject(error: Error): void }[];
let cached: CachedResult<string>;
beforeEach(() => {
  nowMs = 0;
  calls = [];
  cached = new CachedResult(
    () => new Promise((resolve, reject) => calls.push({ resolve, reject })),
    TTL_MS,
    () => nowMs,
  );
});

describe('CachedResult', () => {
  it('shares the call in flight, however long it takes', async () => {
    const first = cached.get();
    nowMs = 10 * TTL_MS;
    const second = cached.get();
    calls[0]?.resolve('yes');
    expect([await first, await second, calls.length]).toEqual(['yes', 'yes', 1]);
  });

  it.each([
    [TTL_MS - 1, 1],
    [TTL_MS, 2],
  ])('makes, with a result %d ms old, a total of %d calls', async (ageMs, count) => {
    const first = cached.get();
    calls[0]?.resolve('yes');
    await first;
    nowMs = ageMs;
    void cached.get();
    expect(calls).toHaveLength(count);
  });

  it('caches a failure for the same time', async () => {
    const first = cached.get();
    calls[0]?.reject(new Error('unavailable'));
    await expect(first).rejects.toThrow('unavailable');
    nowMs = TTL_MS - 1;
    await expect(cached.get()).rejects.toThrow('unavailable');
    nowMs = TTL_MS;
    const next = cached.get();
    calls[1]?.resolve('back');
    expect(await next).toBe('back');
  });
});

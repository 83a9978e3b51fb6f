import { beforeEach, describe, expect, it } from '@jest/globals';
import { CachedResult } from './cached-result.js';

const GOOD_FOR_MS = 1_000;

let nowMs: number;
let questions: { resolve(result: string): void; reject(error: Error): void }[];
let recent: CachedResult<string>;
beforeEach(() => {
  nowMs = 0;
  questions = [];
  recent = new CachedResult(
    () => new Promise((resolve, reject) => questions.push({ resolve, reject })),
    GOOD_FOR_MS,
    () => nowMs,
  );
});

describe('an answer that many ask for', () => {
  it('is asked for once while the question is under way, however long that takes', async () => {
    const first = recent.get();
    nowMs = 10 * GOOD_FOR_MS;
    const second = recent.get();
    questions[0]?.resolve('yes');
    expect([await first, await second, questions.length]).toEqual(['yes', 'yes', 1]);
  });

  it.each([
    [GOOD_FOR_MS - 1, 1],
    [GOOD_FOR_MS, 2],
  ])('%d ms old has taken %d questions', async (ageMs, count) => {
    const first = recent.get();
    questions[0]?.resolve('yes');
    await first;
    nowMs = ageMs;
    void recent.get();
    expect(questions).toHaveLength(count);
  });

  it('is good for as long when it is a failure', async () => {
    const first = recent.get();
    questions[0]?.reject(new Error('away'));
    await expect(first).rejects.toThrow('away');
    nowMs = GOOD_FOR_MS - 1;
    await expect(recent.get()).rejects.toThrow('away');
    nowMs = GOOD_FOR_MS;
    const next = recent.get();
    questions[1]?.resolve('back');
    expect(await next).toBe('back');
  });
});

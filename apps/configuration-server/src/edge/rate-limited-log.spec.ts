import { expect, it } from '@jest/globals';
import { RateLimitedLog } from './rate-limited-log.js';

it('limits the lines of a message per minute, announces that in the last one, and counts the suppressed ones', () => {
  const lines: string[] = [];
  let nowMs = 0;
  const log = new RateLimitedLog(
    { warn: (facts: object, message?: string) => void lines.push(`${message} ${JSON.stringify(facts)}`) },
    { monotonicMs: () => nowMs },
    2,
  );
  for (const n of [1, 2, 3, 4]) log.warn({ n }, 'refused');
  log.warn({ n: 5 }, 'another');
  expect(lines).toEqual(['refused {"n":1}', 'refused {"n":2,"furtherLinesSuppressed":true}', 'another {"n":5}']);
  expect(log.suppressed).toBe(2);
  nowMs = 60_000;
  log.warn({ n: 6 }, 'refused');
  expect(lines.at(-1)).toBe('refused {"n":6}');
});

import { expect, it } from '@jest/globals';
import { WindowCounter } from './window-counter.js';

it('counts each key until the end of a window that starts with the first count', () => {
  let nowMs = 5_300;
  const counter = new WindowCounter(1_000, { monotonicMs: () => nowMs });
  expect([counter.add('a'), counter.add('a'), counter.add('b')]).toEqual([1, 2, 1]);
  nowMs = 6_299;
  expect([counter.add('a'), counter.countOf('b'), counter.size, counter.endsInSeconds]).toEqual([3, 1, 2, 1]);
  nowMs = 6_300;
  expect([counter.countOf('a'), counter.size]).toEqual([0, 0]);
  expect([counter.add('b'), counter.size, counter.countOf('a')]).toEqual([1, 1, 0]);
});

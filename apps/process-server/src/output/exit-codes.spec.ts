import { expect, it } from '@jest/globals';
import { EXIT_CODES } from '@app/cli';
import { EXIT_CODE_MEANINGS, worstOf } from './exit-codes.js';

it('every exit code has a meaning', () => {
  expect(EXIT_CODE_MEANINGS.map(([code]) => code)).toEqual(Object.values(EXIT_CODES));
});

it.each([
  [[], 0],
  [[0, 0], 0],
  [[0, 6], 6],
  [[6, 3, 0], 3],
  [[3, 4], 4],
  [[6, 1, 4], 1],
  [[4, 78, 1], 78],
] as const)('the worst of %j is %d', (codes, worst) => {
  expect(worstOf(codes)).toBe(worst);
});

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from '@jest/globals';

type Values = (number | null)[];
interface Spread {
  median: number | null;
  lowerQuartile: number | null;
  upperQuartile: number | null;
  least: number | null;
  most: number | null;
  windows: number;
  values: Values;
}

/** Plain JavaScript, like the whole benchmark: it runs before anything is compiled. */
const figures = (await import(String(pathToFileURL(join(import.meta.dirname, 'statistics.mjs'))))) as {
  quantile(values: number[], share: number): number | null;
  spread(values: Values): Spread;
  ratios(values: Values, bases: Values): Spread;
  formatSpread(spread: Spread): string;
};

describe('quantile', () => {
  it.each([
    [[], 0.5, null],
    [[7], 0, 7],
    [[7], 0.25, 7],
    [[7], 1, 7],
    [[1, 2], 0.5, 1.5],
    [[3, 1, 2], 0.5, 2],
    [[4, 3, 2, 1], 0.5, 2.5],
    [[5, 4, 3, 2, 1], 0.25, 2],
    [[5, 4, 3, 2, 1], 0.75, 4],
    [[1, 2, 3, 4], 0.25, 1.75],
    [[10, 9, 100], 0, 9],
    [[10, 9, 100], 1, 100],
  ])('of %j at %d is %p', (values, share, expected) => {
    expect(figures.quantile(values, share)).toBe(expected);
  });
});

describe('spread', () => {
  it.each([
    [[4, 1, 3, 2, 5], { median: 3, lowerQuartile: 2, upperQuartile: 4, least: 1, most: 5, windows: 5 }],
    [[4, null, 2], { median: 3, lowerQuartile: 2.5, upperQuartile: 3.5, least: 2, most: 4, windows: 2 }],
    [[null], { median: null, lowerQuartile: null, upperQuartile: null, least: null, most: null, windows: 0 }],
    [[], { median: null, lowerQuartile: null, upperQuartile: null, least: null, most: null, windows: 0 }],
  ])('of %j counts the windows that have a value', (values: Values, expected) => {
    expect(figures.spread(values)).toEqual({ ...expected, values });
  });
});

describe('ratios', () => {
  it.each<[Values, Values, Values]>([
    [
      [2, 9, 8],
      [1, 3, 2],
      [2, 3, 4],
    ],
    [
      [2, null, 8],
      [1, 3, null],
      [2, null, null],
    ],
    [[2, 9], [1], [2, null]],
  ])('of %j and %j, pair by pair, are %j', (values, bases, expected) => {
    expect(figures.ratios(values, bases).values).toEqual(expected);
  });
});

describe('formatSpread', () => {
  it.each<[Values, string]>([
    [[], 'no figure'],
    [[0.8449], '0.84'],
    [[12.34], '12.3'],
    [[1234.5], '1235'],
    [[1, 2, 3, 4, 5], '3.00 (2.00-4.00)'],
    [[9, 10, null], '9.50 (9.25-9.75)'],
    [[90, 100, 110], '100 (95.0-105)'],
  ])('of %j is %s', (values, expected) => {
    expect(figures.formatSpread(figures.spread(values))).toBe(expected);
  });
});

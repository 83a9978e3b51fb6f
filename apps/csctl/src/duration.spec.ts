import { describe, expect, it } from '@jest/globals';
import { formatAge, formatDuration, parseDuration } from './duration.js';

describe('parseDuration', () => {
  it.each([
    ['0s', 0],
    ['90s', 90],
    ['5m', 300],
    ['1h30m', 5_400],
    ['7d', 604_800],
    ['2w', 1_209_600],
    ['', null],
    ['7', null],
    ['d', null],
    ['-1d', null],
    ['1.5h', null],
    ['1 d', null],
    ['1D', null],
  ])('reads %j as %j s', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });
});

describe('formatDuration', () => {
  it.each([
    [-5, '0s'],
    [0, '0s'],
    [59.9, '59s'],
    [60, '1m'],
    [200, '3m20s'],
    [3_600, '1h'],
    [3_605, '1h'],
    [90_000, '1d1h'],
    [700_000, '8d2h'],
  ])('shows %d s as %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });

  it('shows an age between two timestamps', () => {
    expect(formatAge('2026-11-29T00:00:00.000Z', '2026-11-29T00:03:20.500Z')).toBe('3m20s');
  });
});

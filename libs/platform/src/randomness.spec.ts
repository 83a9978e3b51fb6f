import { describe, expect, it } from '@jest/globals';
import { version as versionOf } from 'uuid';
import { SystemRandomness, UuidIdentifiers } from './randomness.js';

const NOON = new Date('2026-11-23T12:00:00.000Z');
const FAR_AWAY = new Date('6400-01-01T00:00:00.000Z');

describe('newId', () => {
  it.each([
    ['created later in the same millisecond', NOON, NOON],
    ['of the next millisecond', NOON, new Date(NOON.getTime() + 1)],
    ['for a key, whatever the time', FAR_AWAY, null],
  ])('sorts before an id %s', (_what, earlier, later) => {
    const identifiers = new UuidIdentifiers();
    for (let time = 0; time < 200; time += 1) {
      const first = identifiers.newId(earlier);
      const second = later ? identifiers.newId(later) : identifiers.deterministicId(`key ${time}`);
      expect([first, second].toSorted()).toEqual([first, second]);
    }
  });
});

it('gives each id of a process a different value', () => {
  const identifiers = new UuidIdentifiers();
  expect(new Set(Array.from({ length: 5_000 }, () => identifiers.newId(NOON))).size).toBe(5_000);
});

it('ids of different processes differ in their random part', () => {
  const tails = Array.from({ length: 300 }, () => new UuidIdentifiers().newId(NOON).slice(-12));
  expect(new Set(tails).size).toBe(300);
});

describe('deterministicId', () => {
  it('returns the same UUID for the same key, and different ones for different keys', () => {
    const ids = ['a', 'b', 'a'].map((key) => new UuidIdentifiers().deterministicId(key));
    expect(ids.map((id) => versionOf(id))).toEqual([8, 8, 8]);
    expect(ids[0]).toBe(ids[2]);
    expect(ids[0]).not.toBe(ids[1]);
  });
});

it('fractions are from 0 up to 1, each another', () => {
  const randomness = new SystemRandomness();
  const fractions = Array.from({ length: 2_000 }, () => randomness.random());
  expect(fractions.every((fraction) => fraction >= 0 && fraction < 1)).toBe(true);
  expect(new Set(fractions).size).toBe(2_000);
});

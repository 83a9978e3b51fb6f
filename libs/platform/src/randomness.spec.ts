import { describe, expect, it } from '@jest/globals';
import { version as versionOf } from 'uuid';
import { RandomBytePool, SystemRandomness, UuidIdentifiers } from './randomness.js';

const NOON = new Date('2026-11-23T12:00:00.000Z');
const FAR_AWAY = new Date('6400-01-01T00:00:00.000Z');

describe('an id for an instant', () => {
  it.each([
    ['made later, of the same millisecond', NOON, NOON],
    ['of the next millisecond', NOON, new Date(NOON.getTime() + 1)],
    ['for a key, however late the instant', FAR_AWAY, null],
  ])('sorts before one %s', (_what, earlier, later) => {
    const identifiers = new UuidIdentifiers();
    for (let time = 0; time < 200; time += 1) {
      const first = identifiers.newId(earlier);
      const second = later ? identifiers.newId(later) : identifiers.deterministicId(`key ${time}`);
      expect([first, second].toSorted()).toEqual([first, second]);
    }
  });
});

it('ids for one instant differ in their random part, whoever makes them', () => {
  const tails = Array.from({ length: 300 }, () => new UuidIdentifiers().newId(NOON).slice(-12));
  expect(new Set(tails).size).toBe(300);
});

describe('an id for a key', () => {
  it('is a UUID that is always the same for one key, and another for each key', () => {
    const ids = ['a', 'b', 'a'].map((key) => new UuidIdentifiers().deterministicId(key));
    expect(ids.map((id) => versionOf(id))).toEqual([8, 8, 8]);
    expect(ids[0]).toBe(ids[2]);
    expect(ids[0]).not.toBe(ids[1]);
  });
});

describe('bytes that were drawn for many uses', () => {
  it('are given once, as many as are asked for, across draws', () => {
    const bytes = new RandomBytePool();
    const taken = Array.from({ length: 600 }, (_, number) => bytes.next(16 + (number % 17)).toString('hex'));
    expect(taken.map(({ length }) => length / 2)).toEqual(taken.map((_, number) => 16 + (number % 17)));
    expect(new Set(taken.map((hex) => hex.slice(0, 32))).size).toBe(600);
  });

  it('are refused beyond what is drawn at once', () => {
    expect(new RandomBytePool().next(4_096)).toHaveLength(4_096);
    expect(() => new RandomBytePool().next(4_097)).toThrow(RangeError);
  });

  it('make fractions from 0 up to 1, each another', () => {
    const randomness = new SystemRandomness();
    const fractions = Array.from({ length: 2_000 }, () => randomness.random());
    expect(fractions.every((fraction) => fraction >= 0 && fraction < 1)).toBe(true);
    expect(new Set(fractions).size).toBe(2_000);
  });
});

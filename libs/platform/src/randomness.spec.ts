import { describe, expect, it } from '@jest/globals';
import { version as versionOf } from 'uuid';
import { UuidIdentifiers } from './randomness.js';

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
      const first = identifiers.at(earlier);
      const second = later ? identifiers.at(later) : identifiers.forKey(`key ${time}`);
      expect([first, second].toSorted()).toEqual([first, second]);
    }
  });
});

describe('an id for a key', () => {
  it('is a UUID that is always the same for one key, and another for each key', () => {
    const ids = ['a', 'b', 'a'].map((key) => new UuidIdentifiers().forKey(key));
    expect(ids.map((id) => versionOf(id))).toEqual([8, 8, 8]);
    expect(ids[0]).toBe(ids[2]);
    expect(ids[0]).not.toBe(ids[1]);
  });
});

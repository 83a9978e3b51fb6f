import { describe, expect, it } from '@jest/globals';
import { Lately } from '../../libs/fleet-mysql/src/lately.js';
import { HandClock } from '../support/hand-clock.js';

const AGO_MS = 1_000;

describe('what was found lately', () => {
  it.each([
    [0, 'found'],
    [999, 'found'],
    [1_000, undefined],
  ])('is known %d ms later as %s, whatever the wall clock does', (laterMs, known) => {
    const clock = new HandClock();
    const lately = new Lately<string>(clock, AGO_MS);
    lately.set('key', 'found');
    clock.advanceMs(laterMs);
    for (const stepMs of [0, -7_200_000, 14_400_000]) {
      clock.stepMs(stepMs);
      expect(lately.get('key')).toBe(known);
    }
  });

  it('is forgotten by its key', () => {
    const lately = new Lately<number>(new HandClock(), AGO_MS);
    lately.set('a', 1);
    lately.set('b', 2);
    lately.forget('a');
    expect([lately.get('a'), lately.get('b')]).toEqual([undefined, 2]);
  });

  it('is forgotten rather than let grow', () => {
    const lately = new Lately<number>(new HandClock(), AGO_MS);
    for (let key = 0; key < 5_000; key += 1) lately.set(String(key), key);
    expect([lately.get('0'), lately.get('4999')]).toEqual([undefined, 4_999]);
  });
});

import { describe, expect, it } from '@jest/globals';
import { BEHAVIOUR_NAMES, BEHAVIOURS, DEFAULT_MIX, distribute, type Behaviour, type Mix } from './behaviours.js';

const counted = (mix: Mix, count: number): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const name of distribute(mix, count)) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
};

describe('distribute', () => {
  it.each([
    [{ steady: 1 }, 3, { steady: 3 }],
    [{ steady: 3, clones: 1 }, 4, { steady: 3, clones: 1 }],
    [{ steady: 1, flapping: 1, clones: 1 }, 10, { steady: 3, flapping: 4, clones: 3 }],
    [{ steady: 99, clones: 1 }, 10, { steady: 10 }],
  ])('splits by %j a fleet of %d', (mix, count, expected) => {
    expect(counted(mix, count)).toEqual(expected);
  });

  it.each([1, 7, 500, 9_999])('always returns the requested number: %d', (count) => {
    expect(distribute(DEFAULT_MIX, count)).toHaveLength(count);
  });

  it('includes every behaviour in the default mix', () => {
    expect(Object.keys(counted(DEFAULT_MIX, 500)).sort()).toEqual([...BEHAVIOUR_NAMES].sort());
  });
});

it.each(BEHAVIOUR_NAMES.flatMap((name) => [0, 0.5, 0.999].map((fraction) => [name, fraction] as const)))(
  '%s acts in order and within the run, with fraction %d',
  (name, fraction) => {
    const behaviour: Behaviour = BEHAVIOURS[name];
    const times = behaviour.script(fraction).map(({ at }) => at);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    for (const at of times) expect(at > 0 && at < 1).toBe(true);
  },
);

import { beforeEach, describe, expect, it } from '@jest/globals';
import { SystemClock } from './system-clock.js';

const HOUR_MS = 3_600_000;
/** Longer than the duration of a spec. */
const CLOSE_MS = 20_000;

let shiftMs = 0;
let server = 'a:3306';
let clock: SystemClock;
beforeEach(() => {
  shiftMs = 0;
  server = 'a:3306';
  clock = new SystemClock(async () => ({ at: new Date(Date.now() + shiftMs), server }));
});

const aheadMs = (): number => Math.round((clock.now().getTime() - Date.now()) / CLOSE_MS) * CLOSE_MS + 0;

describe('SystemClock', () => {
  it.each([-2 * HOUR_MS, 0, 500 * 24 * HOUR_MS])(
    'follows the clock of its database server, also after a step of %d ms',
    async (ms) => {
      await clock.synchronise();
      clock.agreed();
      shiftMs = ms;
      await clock.synchronise();
      expect([aheadMs(), clock.databaseDifferenceMs]).toEqual([ms, 0]);
    },
  );

  it('measures the differing clock of another server without following it', async () => {
    await clock.synchronise();
    clock.agreed();
    [server, shiftMs] = ['b:3306', 40_000];
    expect(await clock.synchronise()).toBe(0);
    expect(aheadMs()).toBe(0);
    expect(Math.round(clock.databaseDifferenceMs / CLOSE_MS) * CLOSE_MS).toBe(40_000);
    [server, shiftMs] = ['c:3306', 0];
    await clock.synchronise();
    expect([aheadMs(), clock.databaseDifferenceMs]).toEqual([0, 0]);
    shiftMs = HOUR_MS;
    await clock.synchronise();
    expect(aheadMs()).toBe(HOUR_MS);
  });

  it('follows the running replicas when the database server of a starting replica disagrees', async () => {
    shiftMs = 40_000;
    await clock.synchronise();
    await clock.reconcile(new Date(), true);
    expect(aheadMs()).toBe(0);
    expect(Math.round(clock.databaseDifferenceMs / CLOSE_MS) * CLOSE_MS).toBe(40_000);
    await clock.synchronise();
    expect(aheadMs()).toBe(0);
  });

  it.each([
    ['no replica is running', false, false],
    ['this one has agreed with the site before: then its database has stepped', true, true],
  ])('follows the database when %s', async (_when, hasAgreed, isMoving) => {
    await clock.synchronise();
    if (hasAgreed) clock.agreed();
    shiftMs = -2 * HOUR_MS;
    await clock.reconcile(new Date(), isMoving);
    expect(aheadMs()).toBe(-2 * HOUR_MS);
  });

  it('has a monotonic clock that ignores steps', async () => {
    await clock.synchronise();
    const before = clock.monotonicMs();
    shiftMs = -2 * HOUR_MS;
    await clock.synchronise();
    expect(clock.monotonicMs()).toBeGreaterThanOrEqual(before);
    expect(clock.monotonicMs() - before).toBeLessThan(CLOSE_MS);
  });
});

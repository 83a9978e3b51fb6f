import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CLEAN_UP_BATCH, CleanUp, CleanUpPromise, nextPassDelayMs, type CleanUpMoment } from './clean-up.js';
import { removeByFrom } from './decommission.js';
import { Removals, type CleanUpBatch, type CleanUpPass, type Due, type DuePosition, type Old } from './ports.js';
import { msAfter, NOON } from './testing/examples.js';

const TIMING = { graceSeconds: 300, intervalSeconds: 60 };

/** Entries that are leaving, oldest first; some may be held by somebody else. */
interface Leaving {
  readonly hostId: string;
  readonly decommissionedAt: Date;
  readonly held?: boolean;
}

const isAfter = (one: Leaving, position: DuePosition | null): boolean =>
  !position ||
  one.decommissionedAt > position.decommissionedAt ||
  (+one.decommissionedAt === +position.decommissionedAt && one.hostId > position.hostId);

class RemovalsInMemory extends Removals {
  readonly batches: number[] = [];
  readonly passes: CleanUpPass[] = [];
  readonly dues: Due[] = [];
  readonly forgotten: (Old | null)[] = [];
  failure: Error | null = null;
  recordingFails = false;

  constructor(
    public leaving: Leaving[],
    public oldEvents = 0,
  ) {
    super();
  }

  override async removeDue(
    { decommissionedAt, listenedMs }: Due,
    limit: number,
    after: DuePosition | null,
  ): Promise<CleanUpBatch> {
    if (this.failure && this.batches.length > 0) throw this.failure;
    this.dues.push({ decommissionedAt, listenedMs });
    const due = this.leaving
      .filter((one) => decommissionedAt && one.decommissionedAt <= decommissionedAt && isAfter(one, after))
      .slice(0, limit);
    const free = due.filter(({ held }) => !held);
    this.leaving = this.leaving.filter((one) => !free.includes(one));
    this.batches.push(free.length);
    return { removed: free.length, next: due.length === limit ? (due.at(-1) ?? null) : null };
  }

  override async forgetOld(old: Old | null, limit: number): Promise<boolean> {
    this.forgotten.push(old);
    const forgotten = Math.min(limit, this.oldEvents);
    this.oldEvents -= forgotten;
    return forgotten === limit;
  }

  override async recordPass(pass: CleanUpPass): Promise<void> {
    if (this.recordingFails) throw new Error('no database');
    this.passes.push(pass);
  }

  override async lastPass(): Promise<CleanUpPass | null> {
    return this.passes.at(-1) ?? null;
  }

  override async oldestDecommission(): Promise<{ at: Date; removeBy: Date } | null> {
    const [oldest] = this.leaving;
    return oldest ? { at: oldest.decommissionedAt, removeBy: removeByFrom(oldest.decommissionedAt, TIMING) } : null;
  }
}

const promiseOf = (due: ConstructorParameters<typeof RemovalsInMemory>[0]): CleanUpPromise =>
  new CleanUpPromise(new RemovalsInMemory(due), { now: () => new Date(NOON), monotonicMs: () => 0 });
const AT_NOON: CleanUpMoment = { now: NOON, listenedMs: 5_000_000, hasJustStepped: false, isSteady: true };
const cleanUpOf = (removals: Removals, over: Partial<CleanUpMoment> = {}): CleanUp =>
  new CleanUp(removals, () => ({ ...AT_NOON, ...over }), TIMING, 400, 'replica-1');
const leaving = (count: number, decommissionedAt: Date, held = false): Leaving[] =>
  Array.from({ length: count }, (_, number) => ({
    hostId: `${held ? 'a' : 'b'}-${String(number).padStart(5, '0')}`,
    decommissionedAt,
    held,
  }));

describe('a pass of the clean-up', () => {
  it.each([
    [-1, 0],
    [0, 1],
    [1, 1],
  ])('%d ms after the end of the grace removes %d', async (lateMs, removed) => {
    const removals = new RemovalsInMemory(leaving(1, msAfter(NOON, -300_000 - lateMs)));
    expect(await cleanUpOf(removals).pass()).toEqual({ at: NOON, by: 'replica-1', removed, error: null });
    expect(removals.leaving).toHaveLength(1 - removed);
    expect(removals.passes).toEqual([{ at: NOON, by: 'replica-1', removed, error: null }]);
  });

  it.each([
    [false, msAfter(NOON, -300_000)],
    [true, null],
  ])(
    'goes by both clocks, or by the availability clock alone when the wall clock has just stepped (%s)',
    async (hasJustStepped, decommissionedAt) => {
      const removals = new RemovalsInMemory([]);
      await cleanUpOf(removals, { hasJustStepped }).pass();
      expect(removals.dues).toEqual([{ decommissionedAt, listenedMs: 4_700_000 }]);
    },
  );

  it('forgets nothing that is old until the wall clock has been steady for a day', async () => {
    const removals = new RemovalsInMemory([], 0);
    await cleanUpOf(removals, { isSteady: false }).pass();
    expect(removals.forgotten).toEqual([null]);
  });

  it('goes on until nothing is due, in batches of at most 500', async () => {
    const removals = new RemovalsInMemory(leaving(1_200, msAfter(NOON, -600_000)));
    expect((await cleanUpOf(removals).pass()).removed).toBe(1_200);
    expect(removals.batches).toEqual([500, 500, 200]);
    expect(CLEAN_UP_BATCH).toBe(500);
  });

  it('passes over what somebody else holds, however much it is, and leaves that to the next pass', async () => {
    const at = msAfter(NOON, -600_000);
    const removals = new RemovalsInMemory([...leaving(1_000, at, true), ...leaving(3, at)]);
    expect((await cleanUpOf(removals).pass()).removed).toBe(3);
    expect(removals.leaving).toHaveLength(1_000);
  });

  it('forgets events after 400 days, and plans a day after they expired', async () => {
    const removals = new RemovalsInMemory([], 1_000);
    await cleanUpOf(removals).pass();
    expect(removals.oldEvents).toBe(0);
    expect(removals.forgotten[0]).toEqual({
      eventsBefore: msAfter(NOON, -400 * 86_400_000),
      plansExpiredBefore: msAfter(NOON, -86_400_000),
      now: NOON,
    });
  });

  it('forgets at most 6,000 of what is old, so that nothing which is due waits for it; the rest is left to the next', async () => {
    const removals = new RemovalsInMemory([], 10_000);
    await cleanUpOf(removals).pass();
    expect(removals.oldEvents).toBe(4_000);
  });

  it('that is told to stop ends after its present batch', async () => {
    const removals = new RemovalsInMemory(leaving(1_500, msAfter(NOON, -600_000)));
    const cleanUp = cleanUpOf(removals);
    cleanUp.stop();
    expect((await cleanUp.pass()).removed).toBe(500);
  });

  it('that fails is recorded with what it had done, and fails aloud', async () => {
    const removals = new RemovalsInMemory(leaving(900, msAfter(NOON, -600_000)));
    removals.failure = new Error('the disk is full');
    await expect(cleanUpOf(removals).pass()).rejects.toThrow('the disk is full');
    expect(removals.passes).toEqual([{ at: NOON, by: 'replica-1', removed: 500, error: 'the disk is full' }]);
  });

  it('that cannot even be recorded fails with its own reason', async () => {
    const removals = new RemovalsInMemory(leaving(900, msAfter(NOON, -600_000)));
    removals.failure = new Error('the disk is full');
    removals.recordingFails = true;
    await expect(cleanUpOf(removals).pass()).rejects.toThrow('the disk is full');
  });
});

describe('an overdue clean-up', () => {
  it.each([
    [419_999, 0],
    [420_000, 0],
    [420_999, 0],
    [421_000, 1],
    [1_020_000, 600],
  ])('%d ms after the oldest decommissioning is late by %d s', async (ageMs, seconds) => {
    expect(await promiseOf(leaving(1, msAfter(NOON, -ageMs))).overdueSeconds()).toBe(seconds);
  });

  it('is not late when nothing is leaving', async () => {
    expect(await promiseOf([]).overdueSeconds()).toBe(0);
  });
});

describe('the next pass', () => {
  it('comes up to a fifth early and never late', () => {
    const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3_600 }), fraction, (intervalSeconds, chance) => {
        const delayMs = nextPassDelayMs({ graceSeconds: 300, intervalSeconds }, chance);
        expect(delayMs).toBeGreaterThanOrEqual(800 * intervalSeconds);
        expect(delayMs).toBeLessThanOrEqual(1_000 * intervalSeconds);
      }),
    );
  });

  it('is drawn by chance, so that replicas drift apart', () => {
    expect(nextPassDelayMs(TIMING, 0)).toBe(48_000);
    expect(nextPassDelayMs(TIMING, 0.5)).toBe(54_000);
  });
});

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CLEAN_UP_BATCH, CleanUp, CleanUpDeadlineMonitor, nextRunDelayMs, type CleanUpMoment } from './clean-up.js';
import { removalDeadline } from './decommission.js';
import {
  Removals,
  type CleanUpBatch,
  type CleanUpRun,
  type Due,
  type CleanUpCursor,
  type RetentionLimits,
} from '../ports.js';
import { msAfter, NOON } from '../testing/examples.js';

const TIMING = { graceSeconds: 300, intervalSeconds: 60 };

/** Decommissioned entries, oldest first; some may be locked by another transaction. */
interface Decommissioned {
  readonly hostId: string;
  readonly decommissionedAt: Date;
  readonly locked?: boolean;
}

const isAfter = (one: Decommissioned, position: CleanUpCursor | null): boolean =>
  !position ||
  one.decommissionedAt > position.decommissionedAt ||
  (+one.decommissionedAt === +position.decommissionedAt && one.hostId > position.hostId);

class RemovalsInMemory extends Removals {
  readonly batches: number[] = [];
  readonly runs: CleanUpRun[] = [];
  readonly dues: Due[] = [];
  readonly deleted: (RetentionLimits | null)[] = [];
  failure: Error | null = null;
  recordingFails = false;

  constructor(
    public decommissioned: Decommissioned[],
    public oldEvents = 0,
  ) {
    super();
  }

  override async removeDue(
    { decommissionedAt, availableMs }: Due,
    limit: number,
    after: CleanUpCursor | null,
  ): Promise<CleanUpBatch> {
    if (this.failure && this.batches.length > 0) throw this.failure;
    this.dues.push({ decommissionedAt, availableMs });
    const due = this.decommissioned
      .filter((one) => decommissionedAt && one.decommissionedAt <= decommissionedAt && isAfter(one, after))
      .slice(0, limit);
    const free = due.filter(({ locked }) => !locked);
    this.decommissioned = this.decommissioned.filter((one) => !free.includes(one));
    this.batches.push(free.length);
    return { removed: free.length, next: due.length === limit ? (due.at(-1) ?? null) : null };
  }

  override async deleteExpired(limits: RetentionLimits | null, limit: number): Promise<boolean> {
    this.deleted.push(limits);
    const deleted = Math.min(limit, this.oldEvents);
    this.oldEvents -= deleted;
    return deleted === limit;
  }

  override async recordRun(run: CleanUpRun): Promise<void> {
    if (this.recordingFails) throw new Error('no database');
    this.runs.push(run);
  }

  override async lastRun(): Promise<CleanUpRun | null> {
    return this.runs.at(-1) ?? null;
  }

  override async oldestDecommission(): Promise<{ at: Date; removeBy: Date } | null> {
    const [oldest] = this.decommissioned;
    return oldest ? { at: oldest.decommissionedAt, removeBy: removalDeadline(oldest.decommissionedAt, TIMING) } : null;
  }
}

const monitorOf = (due: ConstructorParameters<typeof RemovalsInMemory>[0]): CleanUpDeadlineMonitor =>
  new CleanUpDeadlineMonitor(new RemovalsInMemory(due), { now: () => new Date(NOON), monotonicMs: () => 0 });
const AT_NOON: CleanUpMoment = { at: NOON, availableMs: 5_000_000, hasJustStepped: false, isSteady: true };
const cleanUpOf = (removals: Removals, over: Partial<CleanUpMoment> = {}): CleanUp =>
  new CleanUp(removals, () => ({ ...AT_NOON, ...over }), TIMING, 400, 'replica-1');
const decommissioned = (count: number, decommissionedAt: Date, locked = false): Decommissioned[] =>
  Array.from({ length: count }, (_, number) => ({
    hostId: `${locked ? 'a' : 'b'}-${String(number).padStart(5, '0')}`,
    decommissionedAt,
    locked,
  }));

describe('a run of the clean-up', () => {
  it.each([
    [-1, 0],
    [0, 1],
    [1, 1],
  ])('%d ms after the grace period removes %d', async (lateMs, removed) => {
    const removals = new RemovalsInMemory(decommissioned(1, msAfter(NOON, -300_000 - lateMs)));
    expect(await cleanUpOf(removals).run()).toEqual({ at: NOON, by: 'replica-1', removed, error: null });
    expect(removals.decommissioned).toHaveLength(1 - removed);
    expect(removals.runs).toEqual([{ at: NOON, by: 'replica-1', removed, error: null }]);
  });

  it.each([
    [false, msAfter(NOON, -300_000)],
    [true, null],
  ])(
    'uses both clocks, or only the availability clock when the wall clock has just stepped (%s)',
    async (hasJustStepped, decommissionedAt) => {
      const removals = new RemovalsInMemory([]);
      await cleanUpOf(removals, { hasJustStepped }).run();
      expect(removals.dues).toEqual([{ decommissionedAt, availableMs: 4_700_000 }]);
    },
  );

  it('deletes no old records until the wall clock has been steady for a day', async () => {
    const removals = new RemovalsInMemory([], 0);
    await cleanUpOf(removals, { isSteady: false }).run();
    expect(removals.deleted).toEqual([null]);
  });

  it('runs until nothing is due, in batches of at most 500', async () => {
    const removals = new RemovalsInMemory(decommissioned(1_200, msAfter(NOON, -600_000)));
    expect((await cleanUpOf(removals).run()).removed).toBe(1_200);
    expect(removals.batches).toEqual([500, 500, 200]);
    expect(CLEAN_UP_BATCH).toBe(500);
  });

  it('skips locked entries and leaves them to the next run', async () => {
    const at = msAfter(NOON, -600_000);
    const removals = new RemovalsInMemory([...decommissioned(1_000, at, true), ...decommissioned(3, at)]);
    expect((await cleanUpOf(removals).run()).removed).toBe(3);
    expect(removals.decommissioned).toHaveLength(1_000);
  });

  it('deletes events after 400 days, and plans a day after they expired', async () => {
    const removals = new RemovalsInMemory([], 1_000);
    await cleanUpOf(removals).run();
    expect(removals.oldEvents).toBe(0);
    expect(removals.deleted[0]).toEqual({
      eventsBefore: msAfter(NOON, -400 * 86_400_000),
      plansExpiredBefore: msAfter(NOON, -86_400_000),
      now: NOON,
    });
  });

  it('deletes at most 6,000 old records and leaves the rest to the next run', async () => {
    const removals = new RemovalsInMemory([], 10_000);
    await cleanUpOf(removals).run();
    expect(removals.oldEvents).toBe(4_000);
  });

  it('stops after its current batch', async () => {
    const removals = new RemovalsInMemory(decommissioned(1_500, msAfter(NOON, -600_000)));
    const cleanUp = cleanUpOf(removals);
    cleanUp.stop();
    expect((await cleanUp.run()).removed).toBe(500);
  });

  it('records a failed run with its progress, and throws', async () => {
    const removals = new RemovalsInMemory(decommissioned(900, msAfter(NOON, -600_000)));
    removals.failure = new Error('the disk is full');
    await expect(cleanUpOf(removals).run()).rejects.toThrow('the disk is full');
    expect(removals.runs).toEqual([{ at: NOON, by: 'replica-1', removed: 500, error: 'the disk is full' }]);
  });

  it('throws its own error when it cannot be recorded', async () => {
    const removals = new RemovalsInMemory(decommissioned(900, msAfter(NOON, -600_000)));
    removals.failure = new Error('the disk is full');
    removals.recordingFails = true;
    await expect(cleanUpOf(removals).run()).rejects.toThrow('the disk is full');
  });
});

describe('an overdue clean-up', () => {
  it.each([
    [419_999, 0],
    [420_000, 0],
    [420_999, 0],
    [421_000, 1],
    [1_020_000, 600],
  ])('%d ms after the oldest decommissioning is overdue by %d s', async (ageMs, seconds) => {
    expect(await monitorOf(decommissioned(1, msAfter(NOON, -ageMs))).overdueSeconds()).toBe(seconds);
  });

  it('is not overdue when nothing is decommissioned', async () => {
    expect(await monitorOf([]).overdueSeconds()).toBe(0);
  });
});

describe('the next run', () => {
  it('starts up to a fifth early and never late', () => {
    const fraction = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3_600 }), fraction, (intervalSeconds, chance) => {
        const delayMs = nextRunDelayMs({ intervalSeconds }, chance);
        expect(delayMs).toBeGreaterThanOrEqual(800 * intervalSeconds);
        expect(delayMs).toBeLessThanOrEqual(1_000 * intervalSeconds);
      }),
    );
  });

  it('is jittered, so that replicas drift apart', () => {
    expect(nextRunDelayMs(TIMING, 0)).toBe(48_000);
    expect(nextRunDelayMs(TIMING, 0.5)).toBe(54_000);
  });
});

import { describe, expect, it } from '@jest/globals';
import { joinSite } from './join-site.js';

const NOON = new Date('2026-11-23T12:00:00.000Z');
const after = (ms: number): Date => new Date(NOON.getTime() + ms);

describe('a replica that starts on a cluster node', () => {
  it.each([
    ['keeps its clock if it agrees with the site', [0], [], []],
    ['uses the clock of its own node if all replicas have stopped', [-40_000, -40_000], [1_500], []],
    ['follows running replicas if its node is ahead', [-40_000, -38_500], [1_500], [[-38_500, true]]],
    ['follows running replicas if its node is behind', [40_000, 41_500], [1_500], [[41_500, true]]],
  ])('%s', async (_what, rows, pauses, reconciled) => {
    const left = [...rows];
    const [paused, followed]: [number[], unknown[]] = [[], []];
    const clock = {
      now: () => NOON,
      reconcile: async (at: Date, isMoving: boolean) => void followed.push([at.getTime() - NOON.getTime(), isMoving]),
    };
    await joinSite(
      async () => ({ recordedAt: after(left.shift() ?? 0) }),
      clock,
      async (ms) => void paused.push(ms),
    );
    expect([paused, followed]).toEqual([pauses, reconciled]);
  });
});

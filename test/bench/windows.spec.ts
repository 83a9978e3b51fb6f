import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from '@jest/globals';

interface Window {
  responses?: number;
  statuses?: Record<string, number>;
  expected?: string[];
  error?: string;
}
type Take = (seconds: number) => Promise<Window>;
interface Target {
  name: string;
  take: Take;
  windows?: (Window | null)[];
  slow?: string[];
}

const { rejectionOf, measure, inTurn } = (await import(
  String(pathToFileURL(join(import.meta.dirname, 'windows.mjs')))
)) as {
  rejectionOf(window: Window): string | null;
  measure(take: Take, seconds?: number): Promise<{ window: Window | null; slow: string[] }>;
  inTurn(targets: Target[], pairs: number): Promise<Target[]>;
};

const GOOD: Window = { responses: 10, statuses: { 200: 10 } };
const FEW: Window = { responses: 2, statuses: { 200: 2 } };
const FAILED: Window = { responses: 5_000, statuses: { 200: 4_999, 503: 1 } };

/** Returns the windows one after the other and records their lengths; after the last window, the connection is lost. */
function taking(...windows: (Window | undefined)[]) {
  const seconds: number[] = [];
  const take = async (length: number) => {
    const window = windows[seconds.length];
    seconds.push(length);
    if (!window) throw new Error('connection lost');
    return window;
  };
  return { seconds, take };
}

describe('rejectionOf', () => {
  it.each<[Window, string | null]>([
    [GOOD, null],
    [{ responses: 10 }, null],
    [{ responses: 9, statuses: { 200: 9 } }, '9 responses in a window'],
    [FEW, '2 responses in a window'],
    [{ responses: 0, statuses: {} }, '0 responses in a window'],
    [FAILED, '1 with status 503'],
    [{ responses: 50, statuses: { 401: 20, 503: 30 } }, '20 with status 401, 30 with status 503'],
    [{ responses: 50, statuses: { 201: 50 }, expected: ['201'] }, null],
    [{ responses: 50, statuses: { 200: 1, 201: 49 }, expected: ['201'] }, '1 with status 200'],
    [{ responses: 50, statuses: { 200: 20, 503: 30 }, expected: ['200', '503'] }, null],
    [{ error: 'connection lost' }, 'connection lost'],
  ])('of %j is %p', (window, expected) => {
    expect(rejectionOf(window)).toBe(expected);
  });
});

describe('measure', () => {
  const few = '2 responses in a window';
  it.each<[string, (Window | undefined)[], Window | null, string[], number[]]>([
    ['counts a good window', [GOOD], GOOD, [], [1]],
    ['repeats a window with too few responses, twice as long', [FEW, GOOD], GOOD, [few], [1, 2]],
    ['repeats a window with a single failed response', [FAILED, GOOD], GOOD, ['1 with status 503'], [1, 2]],
    ['repeats a window that threw', [undefined, GOOD], GOOD, ['connection lost'], [1, 2]],
    ['gives up after three', [FEW, undefined, FEW, GOOD], null, [few, 'connection lost', few], [1, 2, 4]],
  ])('%s', async (_, windows, window, slow, seconds) => {
    const taken = taking(...windows);
    expect(await measure(taken.take)).toEqual({ window, slow });
    expect(taken.seconds).toEqual(seconds);
  });
});

describe('inTurn', () => {
  it('warms up each target, then measures in alternating order', async () => {
    const order: string[] = [];
    const target = (name: string): Target => ({
      name,
      take: async (seconds) => {
        order.push(seconds < 1 ? `warm-up of ${name}` : name);
        return GOOD;
      },
    });
    const [a, b] = await inTurn([target('a'), target('b')], 3);
    expect(order).toEqual(['warm-up of a', 'warm-up of b', 'a', 'b', 'b', 'a', 'a', 'b']);
    expect([a?.windows, b?.windows]).toEqual([Array(3).fill(GOOD), Array(3).fill(GOOD)]);
  });

  it('continues after a rejected window and keeps its place in the pairs', async () => {
    const { take } = taking(GOOD, FEW, FEW, FEW, GOOD);
    const [target] = await inTurn([{ name: 'a', take }], 2);
    expect(target?.windows).toEqual([null, GOOD]);
    expect(target?.slow).toEqual(Array(3).fill('2 responses in a window'));
  });

  it('continues after a warm-up that failed', async () => {
    const { take } = taking(undefined, GOOD);
    const [target] = await inTurn([{ name: 'a', take }], 1);
    expect(target?.windows).toEqual([GOOD]);
  });
});

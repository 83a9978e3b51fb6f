import { describe, expect, it } from '@jest/globals';
import { Batcher, fulfilled, type BatchRules } from './batcher.js';

const LIMITS = {
  maxBatchSize: 10,
  maxConcurrentBatches: 1,
  maxQueued: 5_000,
  timeoutMs: 5_000,
  nowMs: () => 0,
};

/** A batcher whose batches finish when `endOne` is called. */
function gated(limits: Partial<BatchRules<string, string>> = {}, keyOf?: (item: string) => unknown) {
  const batches: string[][] = [];
  const ends: (() => void)[] = [];
  const batcher = new Batcher<string, string>({
    ...LIMITS,
    ...limits,
    keyOf: keyOf ?? (() => Symbol()),
    write: async ({ items }) => {
      batches.push([...items]);
      await new Promise<void>((end) => ends.push(end));
      if (items.includes('fails')) throw new Error('batch failed');
      return items.map((item) => fulfilled(`${item}!`));
    },
  });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { batcher, batches, turn, endOne: async () => (ends.shift()?.(), await turn()) };
}

describe('Batcher', () => {
  it('writes the items of one turn as one batch, and items that arrive during it as the next', async () => {
    const { batcher, batches, turn, endOne } = gated();
    const first = Promise.all([batcher.submit('a'), batcher.submit('b')]);
    await turn();
    const second = Promise.all([batcher.submit('c'), batcher.submit('d')]);
    await endOne();
    expect(await first).toEqual(['a!', 'b!']);
    await endOne();
    expect(await second).toEqual(['c!', 'd!']);
    expect(batches).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
  });

  it('writes one item of a key at a time and keeps their order', async () => {
    const { batcher, batches, endOne, turn } = gated({ maxConcurrentBatches: 2 }, (item) => item[0]);
    const all = Promise.all(['a1', 'a2', 'b1', 'a3'].map((item) => batcher.submit(item)));
    await turn();
    for (let batch = 0; batch < 3; batch += 1) await endOne();
    expect(await all).toEqual(['a1!', 'a2!', 'b1!', 'a3!']);
    expect(batches).toEqual([['a1', 'b1'], ['a2'], ['a3']]);
  });

  it('writes up to maxConcurrentBatches batches at once', async () => {
    const { batcher, batches, endOne, turn } = gated({ maxBatchSize: 1, maxConcurrentBatches: 2 });
    const all = Promise.all(['a', 'b', 'c'].map((item) => batcher.submit(item)));
    await turn();
    expect(batches).toEqual([['a'], ['b']]);
    for (let batch = 0; batch < 3; batch += 1) await endOne();
    expect(await all).toEqual(['a!', 'b!', 'c!']);
  });

  it('writes batches of at most maxBatchSize items', async () => {
    const { batcher, batches, endOne, turn } = gated({ maxBatchSize: 2 });
    const all = Promise.all(['a', 'b', 'c'].map((item) => batcher.submit(item)));
    await turn();
    await endOne();
    await endOne();
    await all;
    expect(batches).toEqual([['a', 'b'], ['c']]);
  });

  it('rejects the items of a failed batch and writes the next one', async () => {
    const { batcher, endOne, turn } = gated({ maxBatchSize: 2 });
    const failing = Promise.allSettled([batcher.submit('fails'), batcher.submit('b')]);
    const next = batcher.submit('c');
    await turn();
    await endOne();
    expect((await failing).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await endOne();
    expect(await next).toBe('c!');
    const again = batcher.submit('d');
    await turn();
    await endOne();
    expect(await again).toBe('d!');
  });

  it('lets an item settle after its batch; only items of the same key wait for it', async () => {
    let end: (text: string) => void = () => undefined;
    const batcher = new Batcher<string, string>({
      ...LIMITS,
      keyOf: (item) => item[0],
      write: async ({ items }) =>
        items.map((item) =>
          item === 'a1' ? new Promise<string>((resolve) => (end = resolve)) : fulfilled(`${item}!`),
        ),
    });
    const [slow, behind, other] = [batcher.submit('a1'), batcher.submit('a2'), batcher.submit('b')];
    expect(await other).toBe('b!');
    end('late');
    expect([await slow, await behind]).toEqual(['late', 'a2!']);
  });

  it('rejects an item at once when the queue is full', async () => {
    const { batcher, turn } = gated({ maxBatchSize: 1 });
    void batcher.submit('first');
    await turn();
    for (let number = 0; number < 5_000; number += 1) void batcher.submit('waits');
    await expect(batcher.submit('one too many')).rejects.toThrow('database_unavailable');
  });
});

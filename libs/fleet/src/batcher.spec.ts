import { describe, expect, it } from '@jest/globals';
import { Batcher, fulfilled, type BatchRules } from './batcher.js';

const LIMITS = {
  maxBatchSize: 10,
  maxConcurrentBatches: 1,
  maxQueued: 5_000,
  timeoutMs: 5_000,
  nowMs: () => 0,
};

/** A group that is at work until it is told to end. */
function gated(limits: Partial<BatchRules<string, string>> = {}, keyOf?: (item: string) => unknown) {
  const groups: string[][] = [];
  const ends: (() => void)[] = [];
  const batcher = new Batcher<string, string>({
    ...LIMITS,
    ...limits,
    keyOf: keyOf ?? (() => Symbol()),
    write: async ({ items }) => {
      groups.push([...items]);
      await new Promise<void>((end) => ends.push(end));
      if (items.includes('fails')) throw new Error('group failed');
      return items.map((item) => fulfilled(`${item}!`));
    },
  });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { batcher, groups, turn, endOne: async () => (ends.shift()?.(), await turn()) };
}

describe('what is asked batcher', () => {
  it('goes batcher when it is asked in one turn; what is asked while a group is at work goes with the next', async () => {
    const { batcher, groups, turn, endOne } = gated();
    const first = Promise.all([batcher.submit('a'), batcher.submit('b')]);
    await turn();
    const second = Promise.all([batcher.submit('c'), batcher.submit('d')]);
    await endOne();
    expect(await first).toEqual(['a!', 'b!']);
    await endOne();
    expect(await second).toEqual(['c!', 'd!']);
    expect(groups).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
  });

  it('never is at work batcher with another of its key, and keeps its turn', async () => {
    const { batcher, groups, endOne, turn } = gated({ maxConcurrentBatches: 2 }, (item) => item[0]);
    const all = Promise.all(['a1', 'a2', 'b1', 'a3'].map((item) => batcher.submit(item)));
    await turn();
    for (let group = 0; group < 3; group += 1) await endOne();
    expect(await all).toEqual(['a1!', 'a2!', 'b1!', 'a3!']);
    expect(groups).toEqual([['a1', 'b1'], ['a2'], ['a3']]);
  });

  it('is done in as many groups at once as are allowed', async () => {
    const { batcher, groups, endOne, turn } = gated({ maxBatchSize: 1, maxConcurrentBatches: 2 });
    const all = Promise.all(['a', 'b', 'c'].map((item) => batcher.submit(item)));
    await turn();
    expect(groups).toEqual([['a'], ['b']]);
    for (let group = 0; group < 3; group += 1) await endOne();
    expect(await all).toEqual(['a!', 'b!', 'c!']);
  });

  it('goes in groups of a bounded size', async () => {
    const { batcher, groups, endOne, turn } = gated({ maxBatchSize: 2 });
    const all = Promise.all(['a', 'b', 'c'].map((item) => batcher.submit(item)));
    await turn();
    await endOne();
    await endOne();
    await all;
    expect(groups).toEqual([['a', 'b'], ['c']]);
  });

  it('fails with its group, and the next one is not harmed', async () => {
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

  it('may take longer than its group: only what has its key waits for it', async () => {
    let end: (text: string) => void = () => undefined;
    const batcher = new Batcher<string, string>({
      ...LIMITS,
      keyOf: (item) => item[0],
      write: async ({ items }) =>
        items.map((item) => (item === 'a1' ? new Promise<string>((late) => (end = late)) : fulfilled(`${item}!`))),
    });
    const [slow, behind, other] = [batcher.submit('a1'), batcher.submit('a2'), batcher.submit('b')];
    expect(await other).toBe('b!');
    end('late');
    expect([await slow, await behind]).toEqual(['late', 'a2!']);
  });

  it('is refused at once when five thousand wait', async () => {
    const { batcher, turn } = gated({ maxBatchSize: 1 });
    void batcher.submit('first');
    await turn();
    for (let number = 0; number < 5_000; number += 1) void batcher.submit('waits');
    await expect(batcher.submit('one too many')).rejects.toThrow('database_unavailable');
  });
});

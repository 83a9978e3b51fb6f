import { describe, expect, it } from '@jest/globals';
import { CallDeadline } from './call-deadline.js';

describe('the deadline of a call', () => {
  it('ends work that never ends', async () => {
    await expect(new CallDeadline(0).within(new Promise(() => undefined))).rejects.toThrow('database_unavailable');
  });

  it('is one for all that the call does: what begins after it ends at once', async () => {
    const deadline = new CallDeadline(0);
    await expect(deadline.within(new Promise(() => undefined))).rejects.toThrow('database_unavailable');
    await expect(deadline.within(new Promise(() => undefined))).rejects.toThrow('database_unavailable');
  });

  it('leaves alone what ends before it, well or not', async () => {
    const deadline = new CallDeadline(60_000);
    expect(await deadline.within(Promise.resolve(1))).toBe(1);
    await expect(deadline.within(Promise.reject(new Error('refused')))).rejects.toThrow('refused');
  });
});

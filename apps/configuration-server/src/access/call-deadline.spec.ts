import { describe, expect, it } from '@jest/globals';
import { CallDeadline } from './call-deadline.js';

describe('CallDeadline', () => {
  it('rejects work that never ends', async () => {
    await expect(new CallDeadline(0).within(new Promise(() => undefined))).rejects.toThrow('database_unavailable');
  });

  it('applies to the whole call: work that starts after it is rejected at once', async () => {
    const deadline = new CallDeadline(0);
    await expect(deadline.within(new Promise(() => undefined))).rejects.toThrow('database_unavailable');
    await expect(deadline.within(new Promise(() => undefined))).rejects.toThrow('database_unavailable');
  });

  it('returns the result or the error of work that ends in time', async () => {
    const deadline = new CallDeadline(60_000);
    expect(await deadline.within(Promise.resolve(1))).toBe(1);
    await expect(deadline.within(Promise.reject(new Error('refused')))).rejects.toThrow('refused');
  });
});

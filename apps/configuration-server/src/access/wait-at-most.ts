import { setTimeout as pause } from 'node:timers/promises';

/** Waits for work that never fails, at most this long. */
export async function waitAtMost(ms: number, work: Promise<unknown>): Promise<void> {
  const waited = new AbortController();
  await Promise.race([work, pause(ms, undefined, { signal: waited.signal }).catch(() => undefined)]);
  waited.abort();
}

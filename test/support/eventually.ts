import { setTimeout as pause } from 'node:timers/promises';

/** Polls until `found` returns a value. @throws Error that names the condition. */
export async function eventually<Found>(
  description: string,
  withinMs: number,
  found: () => Found | undefined | null | false | Promise<Found | undefined | null | false>,
): Promise<Found> {
  const deadlineMs = performance.now() + withinMs;
  for (;;) {
    const result = await found();
    if (result) return result;
    if (performance.now() > deadlineMs) throw new Error(`${description}: not within ${withinMs / 1000} s`);
    await pause(10);
  }
}

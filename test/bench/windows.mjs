/** Measurement windows: a second or more, repeated after a slow moment, compared in alternating order. */

export const WINDOW_SECONDS = 1;
/** A rate or a median of fewer responses is not a measurement. */
export const MIN_RESPONSES = 10;
export const MAX_ATTEMPTS = 3;
const WARM_UP_SECONDS = 0.5;

/** Why a window does not count; null if it does. Errors are the fastest responses, so a single one is a reason. */
export function rejectionOf({ answers, statuses = {}, expected = ['200'], error }) {
  if (error) return error;
  const unexpected = Object.entries(statuses).filter(([status]) => !expected.includes(status));
  if (unexpected.length > 0) return unexpected.map(([status, count]) => `${count} with status ${status}`).join(', ');
  return answers < MIN_RESPONSES ? `${answers} responses in a window` : null;
}

/** A window that could not be measured has the `error` instead of figures. */
export const attempt = (window) => window.catch(({ message }) => ({ error: message }));

/** `take(seconds)` measures a window. A rejected one is repeated, twice as long; `window` is null if the last one is rejected too. */
export async function measure(take, seconds = WINDOW_SECONDS) {
  const slow = [];
  while (slow.length < MAX_ATTEMPTS) {
    const window = await attempt(take(seconds * 2 ** slow.length));
    const reason = rejectionOf(window);
    if (reason === null) return { window, slow };
    slow.push(reason);
  }
  return { window: null, slow };
}

/**
 * Adds a window for each pair to `windows` of each target, and the reasons of rejected ones to `slow`. The order alternates:
 * no target always follows the same one, whose writes may continue in the background.
 */
export async function inTurn(targets, pairs, seconds = WINDOW_SECONDS) {
  for (const target of targets) {
    Object.assign(target, { windows: [], slow: [] });
    await attempt(target.take(WARM_UP_SECONDS));
  }
  for (let pair = 0; pair < pairs; pair += 1) {
    for (const target of pair % 2 === 0 ? targets : targets.toReversed()) {
      const { window, slow } = await measure(target.take, seconds);
      target.windows.push(window);
      target.slow.push(...slow);
    }
  }
  return targets;
}

/** A window of calls one after the other: at least `seconds`, and as many calls as a window needs. */
export async function callsInTurn(call, seconds) {
  const tookMs = [];
  const startedAt = performance.now();
  while (performance.now() - startedAt < seconds * 1000 || tookMs.length < MIN_RESPONSES) {
    const calledAt = performance.now();
    await call();
    tookMs.push(performance.now() - calledAt);
  }
  tookMs.sort((a, b) => a - b);
  return { answers: tookMs.length, p50Ms: tookMs[Math.floor(tookMs.length / 2)] };
}

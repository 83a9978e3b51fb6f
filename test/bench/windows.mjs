/** Measurement windows: a second or more, repeated after a slow phase, compared in alternating order. */

export const WINDOW_SECONDS = 1;
/** Fewer responses are not enough for a rate or a median. */
export const MIN_RESPONSES = 10;
export const MAX_ATTEMPTS = 3;
const WARM_UP_SECONDS = 0.5;

/** Why a window is rejected; null if it counts. Errors are the fastest responses, so a single one is a reason. */
export function rejectionOf({ responses, statuses = {}, expected = ['200'], error }) {
  if (error) return error;
  const unexpected = Object.entries(statuses).filter(([status]) => !expected.includes(status));
  if (unexpected.length > 0) return unexpected.map(([status, count]) => `${count} with status ${status}`).join(', ');
  return responses < MIN_RESPONSES ? `${responses} responses in a window` : null;
}

/** A window that failed has an `error` instead of values. */
export const attempt = (window) => window.catch(({ message }) => ({ error: message }));

/** `take(seconds)` measures a window. A rejected window is repeated with twice the length; `window` is null if the last one is rejected too. */
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
 * Adds a window for each pair to `windows` of each target, and the reasons of rejected ones to `slow`. The order alternates, so that no
 * target always follows the same one, whose writes may continue in the background.
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

/** A window of sequential calls: at least `seconds`, and at least the required number of calls. */
export async function callsInTurn(call, seconds) {
  const tookMs = [];
  const startedAt = performance.now();
  while (performance.now() - startedAt < seconds * 1000 || tookMs.length < MIN_RESPONSES) {
    const calledAt = performance.now();
    await call();
    tookMs.push(performance.now() - calledAt);
  }
  tookMs.sort((a, b) => a - b);
  return { responses: tookMs.length, p50Ms: tookMs[Math.floor(tookMs.length / 2)] };
}

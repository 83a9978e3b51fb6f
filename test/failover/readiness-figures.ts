import type { LoadedReplica } from './write-load.js';

/** How readiness compares with acknowledged writes, in ms. */
export interface ReadinessFigures {
  /** The longest time without an acknowledged write. */
  readonly noWriteMs: number;
  readonly longestNotReadyMs: number;
  /** Since the last write before that time: still ready. */
  readonly wronglyReadyMs: number;
  /** Since the first write after it: not yet ready. */
  readonly wronglyNotReadyMs: number;
}

export function readinessFigures({ writes, healthChecks }: LoadedReplica): ReadinessFigures {
  const times = writes.map(({ answeredAtMs }) => answeredAtMs).sort((a, b) => a - b);
  let [lastBefore, firstAfter] = [0, 0];
  times.forEach((time, index) => {
    const before = times[index - 1] ?? time;
    if (time - before > firstAfter - lastBefore) [lastBefore, firstAfter] = [before, time];
  });
  const readyWithout = healthChecks.filter(
    ({ status, sentAtMs, answeredAtMs }) => status === 200 && sentAtMs > lastBefore && answeredAtMs < firstAfter,
  );
  const notReadyWith = healthChecks.filter(({ status, sentAtMs }) => status !== 200 && sentAtMs > firstAfter);
  let [longestNotReadyMs, notReadySince] = [0, NaN];
  for (const { status, sentAtMs, answeredAtMs } of healthChecks) {
    notReadySince = status === 200 ? NaN : Number.isNaN(notReadySince) ? sentAtMs : notReadySince;
    if (status !== 200) longestNotReadyMs = Math.max(longestNotReadyMs, answeredAtMs - notReadySince);
  }
  return {
    noWriteMs: Math.round(firstAfter - lastBefore),
    longestNotReadyMs: Math.round(longestNotReadyMs),
    wronglyReadyMs: Math.round(Math.max(0, ...readyWithout.map(({ answeredAtMs }) => answeredAtMs - lastBefore))),
    wronglyNotReadyMs: Math.round(Math.max(0, ...notReadyWith.map(({ answeredAtMs }) => answeredAtMs - firstAfter))),
  };
}

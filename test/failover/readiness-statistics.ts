import type { LoadedReplica } from './write-load.js';

/** Readiness compared with acknowledged writes, in ms. */
export interface ReadinessStatistics {
  /** The longest time without an acknowledged write. */
  readonly noWriteMs: number;
  readonly maxNotReadyMs: number;
  /** How long the replica stayed ready after the last write before that time. */
  readonly wronglyReadyMs: number;
  /** How long the replica stayed unready after the first write after it. */
  readonly wronglyNotReadyMs: number;
}

export function readinessStatistics({ writes, healthChecks }: LoadedReplica): ReadinessStatistics {
  const times = writes.map(({ respondedAtMs }) => respondedAtMs).sort((a, b) => a - b);
  let [lastBefore, firstAfter] = [0, 0];
  times.forEach((time, index) => {
    const before = times[index - 1] ?? time;
    if (time - before > firstAfter - lastBefore) [lastBefore, firstAfter] = [before, time];
  });
  const readyWithout = healthChecks.filter(
    ({ status, sentAtMs, respondedAtMs }) => status === 200 && sentAtMs > lastBefore && respondedAtMs < firstAfter,
  );
  const notReadyWith = healthChecks.filter(({ status, sentAtMs }) => status !== 200 && sentAtMs > firstAfter);
  let [maxNotReadyMs, notReadySince] = [0, NaN];
  for (const { status, sentAtMs, respondedAtMs } of healthChecks) {
    notReadySince = status === 200 ? NaN : Number.isNaN(notReadySince) ? sentAtMs : notReadySince;
    if (status !== 200) maxNotReadyMs = Math.max(maxNotReadyMs, respondedAtMs - notReadySince);
  }
  return {
    noWriteMs: Math.round(firstAfter - lastBefore),
    maxNotReadyMs: Math.round(maxNotReadyMs),
    wronglyReadyMs: Math.round(Math.max(0, ...readyWithout.map(({ respondedAtMs }) => respondedAtMs - lastBefore))),
    wronglyNotReadyMs: Math.round(Math.max(0, ...notReadyWith.map(({ respondedAtMs }) => respondedAtMs - firstAfter))),
  };
}

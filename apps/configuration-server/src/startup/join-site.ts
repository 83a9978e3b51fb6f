import { MAX_CLOCK_DISAGREEMENT_MS, type AvailabilityState } from '@app/fleet';
import type { SystemClock } from '@app/platform';

/** Longer than the interval between two records of a running replica. */
const OBSERVATION_MS = 1_500;

/**
 * The nodes of a cluster have separate clocks. Before a replica records anything, it checks whether other replicas are running, which
 * record every second: their clock is the clock of the site, and the new replica synchronises with it.
 */
export async function joinSite(
  readRow: () => Promise<Pick<AvailabilityState, 'recordedAt'>>,
  clock: Pick<SystemClock, 'now' | 'reconcile'>,
  pauseMs: (ms: number) => Promise<unknown>,
): Promise<void> {
  const first = await readRow();
  if (Math.abs(clock.now().getTime() - first.recordedAt.getTime()) <= MAX_CLOCK_DISAGREEMENT_MS) return;
  await pauseMs(OBSERVATION_MS);
  const second = await readRow();
  if (second.recordedAt > first.recordedAt) await clock.reconcile(second.recordedAt, true);
}

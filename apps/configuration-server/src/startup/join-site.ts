import { MAX_CLOCK_DISAGREEMENT_MS, type AvailabilityState } from '@app/fleet';
import type { SystemClock } from '@app/platform';

/** Longer than between two records of a replica that is running. */
const OBSERVATION_MS = 1_500;

/**
 * The nodes of a cluster have clocks of their own. Before a replica that starts on one records anything, it looks whether other
 * replicas are running, which record every second: then their clock is the site's, and this one's is brought in line with it.
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

import type { Sides } from './load.js';

/** The default of the setting HEALTH_WINDOW_SECONDS. */
export const HEALTH_WINDOW_MS = 15 * 60_000;

/** A raised signal is cleared after this time below its threshold. */
export const clearAfterMs = (windowMs: number): number => Math.ceil(windowMs / 3);
/** An unchanged report is rewritten after this time, so that it stays valid. */
export const rewriteAfterMs = (windowMs: number): number => Math.ceil(windowMs / 15);

/**
 * The stored state of binary signals, a bit for each. Times are on the availability clock: an outage of the service or a step of the wall
 * clock neither raises nor clears a signal.
 */
export interface SignalState {
  /** The last written report; null without one. */
  readonly reportedAvailableMs: number | null;
  /** Bits of the values that were above their thresholds in that report. */
  readonly above: number;
  /** Bits of the raised signals. */
  readonly raised: number;
  /** Since when each value has been on its present side in every report; null while it is unknown. */
  readonly sinceAvailableMs: readonly (number | null)[];
}

export interface SignalReport extends Sides {
  readonly availableMs: number;
  /** The lease of the sender: a longer time between two reports is a gap, which proves nothing. */
  readonly leaseMs: number;
  /** Whether all values equal those of the last written report. */
  readonly unchanged: boolean;
}

/** Whether a report need not be written: it is recent, unchanged and no signal is about to be raised or cleared. */
function isSkipped(
  { reportedAvailableMs, above, raised }: SignalState,
  { availableMs, unchanged, known }: SignalReport,
  windowMs: number,
): boolean {
  if (!unchanged || reportedAvailableMs === null || ((above ^ raised) & known) !== 0) return false;
  return availableMs - reportedAvailableMs < rewriteAfterMs(windowMs);
}

/**
 * The state after a report. A signal is raised when its value was above the threshold in every report for the window, and cleared when
 * it was not for a third of it. A gap and an unknown value start the time again and keep what is raised.
 */
export function afterReport(state: SignalState, report: SignalReport, windowMs: number): SignalState {
  if (isSkipped(state, report, windowMs)) return state;
  const { availableMs, leaseMs, known, above } = report;
  const gap = state.reportedAvailableMs === null || availableMs - state.reportedAvailableMs > leaseMs;
  let raised = state.raised;
  const sinceAvailableMs = state.sinceAvailableMs.map((since, index) => {
    const bit = 1 << index;
    if (!(known & bit)) return null;
    if (gap || since === null || (state.above ^ above) & bit) return availableMs;
    const lastsMs = availableMs - since;
    if (above & bit && lastsMs >= windowMs) raised |= bit;
    if (!(above & bit) && lastsMs >= clearAfterMs(windowMs)) raised &= ~bit;
    return since;
  });
  return { reportedAvailableMs: availableMs, above, raised, sinceAvailableMs };
}

/** Whether a report on the availability clock is still valid. */
export const isFresh = (
  { availableMs, windowMs }: { readonly availableMs: number; readonly windowMs: number },
  reportedAvailableMs: number | null,
): boolean => reportedAvailableMs !== null && availableMs - reportedAvailableMs < windowMs;

/** The age of a report on the availability clock, in whole seconds; null without a report. */
export const ageSecondsAt = (
  { availableMs }: { readonly availableMs: number },
  reportedAvailableMs: number | null,
): number | null =>
  reportedAvailableMs === null ? null : Math.max(0, Math.floor((availableMs - reportedAvailableMs) / 1000));

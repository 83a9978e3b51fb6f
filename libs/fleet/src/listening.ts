/** Of each gap in our listening at most this much counts as the fleet's silence. */
export const LONGEST_COUNTED_GAP_MS = 15_000;

/**
 * The listening clock L, as one row: milliseconds that somebody listened up to `notedAt`. It stands still while no
 * replica could have accepted a heartbeat, so an outage of ours never ends a lease.
 */
export interface Listening {
  readonly listenedMs: number;
  readonly notedAt: Date;
}

/** A gap of ours that was longer than what counts. */
export interface ListeningOutage {
  readonly from: Date;
  readonly to: Date;
}

/** L at a wall instant. It stops by itself 15 s after the last note, so a stale copy never runs ahead. */
export function listenedMsAt({ listenedMs, notedAt }: Listening, at: Date): number {
  return listenedMs + Math.min(Math.max(0, at.getTime() - notedAt.getTime()), LONGEST_COUNTED_GAP_MS);
}

/** The row after a replica that listens has noted it, and the outage that this note ends. Never moves back. */
export function noteListening(listening: Listening, now: Date): { readonly next: Listening; readonly outage: ListeningOutage | null } {
  const gapMs = now.getTime() - listening.notedAt.getTime();
  if (gapMs <= 0) return { next: listening, outage: null };
  return {
    next: { listenedMs: listenedMsAt(listening, now), notedAt: now },
    outage: gapMs > LONGEST_COUNTED_GAP_MS ? { from: listening.notedAt, to: now } : null,
  };
}

/** The earliest wall instant at which L can reach `listenedMs`: an outage of ours only moves it later. */
export function earliestWallInstant(listenedMs: number, nowListenedMs: number, now: Date): Date {
  return new Date(now.getTime() + (listenedMs - nowListenedMs));
}

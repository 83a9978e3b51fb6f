import { FleetError } from '@app/fleet';

/** A call that has arrived whole is answered within five seconds, whatever the database does. */
export const RESPONSE_TIMEOUT_MS = 4_800;

/** When a call is answered at the latest. What it asked for may still be done after that: its outcome is unknown, as when a connection is lost. */
export class CallDeadline {
  private readonly atMs: number;

  constructor(withinMs: number) {
    this.atMs = performance.now() + withinMs;
  }

  /** @throws FleetError `database_unavailable` when `work` has not ended in time; what `work` throws. */
  within<Value>(work: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new FleetError({ code: 'database_unavailable' })),
        Math.max(0, this.atMs - performance.now()),
      );
      const clearTimer = (): void => clearTimeout(timer);
      work.then(resolve, reject).finally(clearTimer);
    });
  }
}

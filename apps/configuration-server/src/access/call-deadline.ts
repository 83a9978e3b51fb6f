import { FleetError } from '@app/fleet';

/** A call is answered within five seconds after its last byte, whatever the database does. */
export const RESPONSE_TIMEOUT_MS = 4_800;

/** The deadline of a response. The work may still complete later: its outcome is unknown, as after a lost connection. */
export class CallDeadline {
  private readonly atMs: number;

  constructor(withinMs: number) {
    this.atMs = performance.now() + withinMs;
  }

  /** @throws FleetError `database_unavailable` if `work` has not ended in time; any error of `work`. */
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

import type { Clock } from '../ports.js';

/** Whether the heartbeats that arrive at this replica are committed: what the availability clock and readiness go by. */
export class CommitProgress {
  private committedAtMs = -Infinity;
  private committedHostId: string | null = null;
  /** A host whose heartbeat failed while no other was committed. */
  private failedHostId: string | null = null;
  private hasCommitted = false;
  private hasFailed = false;
  private takenAtMs = -Infinity;

  constructor(private readonly clock: Clock) {}

  get isStalled(): boolean {
    return this.failedHostId !== null;
  }

  /** While stalled: the host that failed, and the one that was committed last. */
  get witnesses(): readonly string[] {
    return [this.failedHostId, this.failedHostId && this.committedHostId].filter((hostId) => hostId !== null);
  }

  committed(hostId: string): void {
    this.committedAtMs = this.clock.monotonicMs();
    this.committedHostId = hostId;
    this.hasCommitted = true;
    this.failedHostId = null;
  }

  /** A heartbeat that arrived at `sinceMs` could not be committed. When others were committed while it waited, it alone is at fault. */
  failed(hostId: string, queuedAtMs: number): void {
    if (this.committedAtMs >= queuedAtMs) return;
    this.failedHostId = hostId;
    this.hasFailed = true;
  }

  markRecovered(): void {
    this.failedHostId = null;
  }

  /**
   * False when heartbeats have failed or waited since this was asked before, and none was committed. `oldestMs` is when the
   * oldest of those that wait arrived.
   */
  take(oldestMs: number): boolean {
    const hasWaited = oldestMs <= this.takenAtMs;
    const canCommit = this.hasCommitted || !(this.hasFailed || hasWaited);
    this.hasCommitted = false;
    this.hasFailed = false;
    this.takenAtMs = this.clock.monotonicMs();
    return canCommit;
  }
}

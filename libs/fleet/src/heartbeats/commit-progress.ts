import type { Clock } from '../ports.js';

/** Tracks whether this replica commits the heartbeats that arrive, for the availability clock and readiness. */
export class CommitProgress {
  private committedAtMs = -Infinity;
  private committedHostId: string | null = null;
  /** A host whose heartbeat failed while no other one was committed. */
  private failedHostId: string | null = null;
  private hasCommitted = false;
  private hasFailed = false;
  private takenAtMs = -Infinity;

  constructor(private readonly clock: Clock) {}

  get isStalled(): boolean {
    return this.failedHostId !== null;
  }

  /** While stalled: the host whose heartbeat failed, and the host of the last committed one. */
  get witnesses(): readonly string[] {
    return [this.failedHostId, this.failedHostId && this.committedHostId].filter((hostId) => hostId !== null);
  }

  committed(hostId: string): void {
    this.committedAtMs = this.clock.monotonicMs();
    this.committedHostId = hostId;
    this.hasCommitted = true;
    this.failedHostId = null;
  }

  /**
   * Marks that a heartbeat queued at `queuedAtMs` failed. When others were committed while it waited, the cause is that
   * heartbeat alone.
   */
  failed(hostId: string, queuedAtMs: number): void {
    if (this.committedAtMs >= queuedAtMs) return;
    this.failedHostId = hostId;
    this.hasFailed = true;
  }

  markRecovered(): void {
    this.failedHostId = null;
  }

  /**
   * Returns false when heartbeats have failed or waited since the last call and none was committed. `oldestMs` is the
   * arrival time of the oldest waiting heartbeat.
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

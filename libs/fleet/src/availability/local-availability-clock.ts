import type { CleanUpMoment } from '../removal/clean-up.js';
import {
  hasJustStepped,
  isSteady,
  availableMsAt,
  type AvailabilityRecord,
  type AvailabilityTiming,
  type AvailabilityState,
} from './availability-clock.js';
import type { Moment } from './moment.js';
import type { Clock, AvailabilityStore } from '../ports.js';

/**
 * Reconciles a replica's clock with the site's after a disagreement. `isMoving` is true when another replica has
 * advanced the row since this one read it.
 */
export type ReconcileClock = (row: AvailabilityState, isMoving: boolean) => Promise<void>;

/** This replica's copy of the availability clock. The heartbeat path reads it instead of the table. */
export class LocalAvailabilityClock {
  private cached: AvailabilityState | null = null;
  private recordedAtMs: number | null = null;
  /** True before the first record, because the time before it is unknown. */
  private failedBefore = true;
  private lastFailed = false;

  constructor(
    private readonly store: AvailabilityStore,
    private readonly clock: Clock,
    readonly timing: AvailabilityTiming,
    private readonly reconcile: ReconcileClock = async () => undefined,
  ) {}

  /**
   * Records that this replica could commit heartbeats until now. At least one host of `witnesses` must have unlocked
   * rows.
   * @throws when no heartbeat could be committed; the time since the last record then counts only up to `runAheadMs`.
   */
  async tick(witnesses: readonly string[] = []): Promise<AvailabilityRecord> {
    try {
      const startedAtMs = this.clock.monotonicMs();
      const record = await this.record(witnesses);
      // A slow record may have waited for the database, and no heartbeat could be committed during that time.
      this.failedBefore = this.clock.monotonicMs() - startedAtMs > this.timing.runAheadMs;
      this.lastFailed = false;
      return record;
    } catch (error) {
      this.fail();
      throw error;
    }
  }

  /** Marks that no heartbeat could be committed. */
  fail(): void {
    this.failedBefore = true;
    this.lastFailed = true;
  }

  /** Whether the last record failed, so that heartbeats would fail as well. */
  get isFailing(): boolean {
    return this.lastFailed;
  }

  /** Whether a record is recent enough to know the availability clock. A replica without one responds with 503. */
  get isValid(): boolean {
    return this.recordedAtMs !== null && this.clock.monotonicMs() - this.recordedAtMs < this.timing.maxCountedGapMs;
  }

  /** Whether this copy is current; another replica may have recorded since. */
  get isCurrent(): boolean {
    return this.recordedAtMs !== null && this.clock.monotonicMs() - this.recordedAtMs < this.timing.runAheadMs;
  }

  /**
   * The moment for the clean-up. Its wall time is the earlier of the clock and the last record extended by the
   * monotonic clock, so that an undetected step makes nothing due.
   */
  get cleanUpMoment(): CleanUpMoment {
    if (!this.cached || this.recordedAtMs === null)
      throw new Error('the availability clock was read before its first record');
    const nowMs = this.clock.monotonicMs();
    const now = new Date(
      Math.min(this.clock.now().getTime(), this.cached.recordedAt.getTime() + nowMs - this.recordedAtMs),
    );
    return {
      at: now,
      availableMs: this.availableMsAt(now),
      hasJustStepped: hasJustStepped(this.cached),
      isSteady: isSteady(this.cached),
    };
  }

  /** The availability clock at this replica's last committed record; 0 before the first. */
  get recordedAvailableMs(): number {
    return this.cached?.availableMs ?? 0;
  }

  /** The last backward step of the wall clock that this replica knows of. */
  get steppedBack(): AvailabilityState['steppedBack'] {
    return this.cached?.steppedBack ?? null;
  }

  /** The current moment, from this replica's clock and copy. */
  get moment(): Moment {
    const at = this.clock.now();
    return { at, availableMs: this.availableMsAt(at) };
  }

  availableMsAt(now: Date): number {
    if (!this.cached) throw new Error('the availability clock was read before its first record');
    return availableMsAt(this.cached, now);
  }

  private async record(witnesses: readonly string[]): Promise<AvailabilityRecord> {
    const first = await this.attempt(witnesses, false);
    if (!('disagreesWith' in first)) return first;
    const { disagreesWith } = first;
    await this.reconcile(
      disagreesWith,
      this.cached !== null && this.cached.recordedAt.getTime() !== disagreesWith.recordedAt.getTime(),
    );
    const second = await this.attempt(witnesses, true);
    if ('disagreesWith' in second) throw new Error('a record disagrees although the clock was synchronised');
    return second;
  }

  private async attempt(witnesses: readonly string[], isConfirmed: boolean): ReturnType<AvailabilityStore['record']> {
    const atMs = this.clock.monotonicMs();
    const elapsedMs = this.recordedAtMs === null ? null : atMs - this.recordedAtMs;
    const result = await this.store.record(this.clock.now(), {
      failedBefore: this.failedBefore,
      elapsedMs,
      witnesses,
      isConfirmed,
    });
    if ('disagreesWith' in result) return result;
    this.cached = result.availability;
    this.recordedAtMs = atMs;
    return result;
  }
}

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

/** How a replica's clock is brought in line with the site's when they disagree: `isMoving` says that another replica has moved the row since this one looked. */
export type ReconcileClock = (row: AvailabilityState, isMoving: boolean) => Promise<void>;

/** This replica's copy of the listening row. The heartbeat path reads L from here, never from the table. */
export class LocalAvailabilityClock {
  private cached: AvailabilityState | null = null;
  private recordedAtMs: number | null = null;
  /** What was before the first record is not known. */
  private failedBefore = true;
  private lastFailed = false;

  constructor(
    private readonly store: AvailabilityStore,
    private readonly clock: Clock,
    readonly timing: AvailabilityTiming,
    private readonly reconcile: ReconcileClock = async () => undefined,
  ) {}

  /**
   * Records that this replica could commit heartbeats until now; `witnesses` are hosts of which one's rows must be free.
   * @throws when no heartbeat could be committed; then the time since the last record hardly counts.
   */
  async tick(witnesses: readonly string[] = []): Promise<AvailabilityRecord> {
    try {
      const startedAtMs = this.clock.monotonicMs();
      const record = await this.record(witnesses);
      // One that took long may have waited for the database: until it answered, no heartbeat could be committed.
      this.failedBefore = this.clock.monotonicMs() - startedAtMs > this.timing.runAheadMs;
      this.lastFailed = false;
      return record;
    } catch (error) {
      this.fail();
      throw error;
    }
  }

  /** No heartbeat could be committed just now. */
  fail(): void {
    this.failedBefore = true;
    this.lastFailed = true;
  }

  /** Whether the last attempt to record failed: heartbeats sent now would, too. */
  get isFailing(): boolean {
    return this.lastFailed;
  }

  /** A replica that has not recorded for as long as a gap counts no longer knows L, and answers 503 until it has. */
  get isValid(): boolean {
    return this.recordedAtMs !== null && this.clock.monotonicMs() - this.recordedAtMs < this.timing.maxCountedGapMs;
  }

  /** Whether this copy says what the row says: another replica may have recorded since. */
  get isCurrent(): boolean {
    return this.recordedAtMs !== null && this.clock.monotonicMs() - this.recordedAtMs < this.timing.runAheadMs;
  }

  /** Until a record has found a step, the wall time is the earlier one of the clock's and of the last record's, carried on by the monotonic clock: neither a leap nor a step back makes anything due. */
  get cleanUpMoment(): CleanUpMoment {
    if (!this.cached || this.recordedAtMs === null)
      throw new Error('the listening clock was read before its first note');
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

  /** L of this replica's last record, which is committed; 0 before the first. */
  get recordedAvailableMs(): number {
    return this.cached?.availableMs ?? 0;
  }

  /** The last step backwards of the wall clock that this replica knows of. */
  get steppedBack(): AvailabilityState['steppedBack'] {
    return this.cached?.steppedBack ?? null;
  }

  /** Now, by this replica's clock and this copy. */
  get moment(): Moment {
    const at = this.clock.now();
    return { at, availableMs: this.availableMsAt(at) };
  }

  availableMsAt(now: Date): number {
    if (!this.cached) throw new Error('the listening clock was read before its first note');
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
    if ('disagreesWith' in second) throw new Error('a record disagrees although the clock was measured anew');
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

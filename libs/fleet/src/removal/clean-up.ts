import type { CleanUpTiming } from './decommission.js';
import type { Moment } from '../availability/moment.js';
import type { CleanUpBatch, CleanUpRun, Clock, Due, CleanUpCursor, RetentionLimits, Removals } from '../ports.js';

/** The maximum number of entries removed in one transaction. */
export const CLEAN_UP_BATCH = 500;
/** Limits the deletion of old records in one run; the rest is left to the next run, so that due removals do not wait for it. */
const RETENTION_BATCH_SIZE = 300;
const MAX_RETENTION_BATCHES = 20;
/** The time after its expiry during which the result of a purge plan can be requested. */
const PLAN_RETENTION_MS = 24 * 3_600_000;

/** The moment of a clean-up run. */
export interface CleanUpMoment extends Moment {
  /** The wall clock has just stepped: only the availability clock decides what is due. */
  readonly hasJustStepped: boolean;
  /** The wall clock has been steady for a day, so it decides which records are old. */
  readonly isSteady: boolean;
}

/**
 * Removes entries whose grace period after decommissioning has ended. Replicas may run it concurrently and repeatedly;
 * a late run makes no response wrong.
 */
export class CleanUp {
  private stopping = false;

  constructor(
    private readonly removals: Removals,
    private readonly moment: () => CleanUpMoment,
    private readonly timing: CleanUpTiming,
    private readonly eventRetentionDays: number,
    private readonly replica: string,
  ) {}

  /** Runs until nothing is due. Records the run, including a failed one. */
  async run(): Promise<CleanUpRun> {
    const { at } = this.moment();
    let removed = 0;
    try {
      let position: CleanUpCursor | null = null;
      do {
        const batch: CleanUpBatch = await this.removals.removeDue(this.due(), CLEAN_UP_BATCH, position);
        removed += batch.removed;
        position = batch.next;
      } while (position && !this.stopping);
      await this.deleteExpired();
    } catch (error) {
      const failed = { at, by: this.replica, removed, error: error instanceof Error ? error.message : String(error) };
      await this.removals.recordRun(failed).catch(() => undefined); // the database itself may have failed
      throw error;
    }
    const run = { at, by: this.replica, removed, error: null };
    await this.removals.recordRun(run);
    return run;
  }

  /** Stops a running clean-up after its current batch. */
  stop(): void {
    this.stopping = true;
  }

  private due(): Due {
    const { at, availableMs, hasJustStepped } = this.moment();
    const graceMs = this.timing.graceSeconds * 1000;
    return {
      decommissionedAt: hasJustStepped ? null : new Date(at.getTime() - graceMs),
      availableMs: availableMs - graceMs,
    };
  }

  private async deleteExpired(): Promise<void> {
    let more = true;
    for (let batch = 0; more && batch < MAX_RETENTION_BATCHES && !this.stopping; batch += 1) {
      more = await this.removals.deleteExpired(this.retentionLimits(), RETENTION_BATCH_SIZE);
    }
  }

  private retentionLimits(): RetentionLimits | null {
    const { at: now, isSteady } = this.moment();
    if (!isSteady) return null;
    return {
      eventsBefore: new Date(now.getTime() - this.eventRetentionDays * 24 * 3_600_000),
      plansExpiredBefore: new Date(now.getTime() - PLAN_RETENTION_MS),
      now,
    };
  }
}

/** Monitors the deadline of the clean-up. Concurrent callers share one query. */
export class CleanUpDeadlineMonitor {
  private inFlight: Promise<number> | null = null;

  constructor(
    private readonly removals: Pick<Removals, 'oldestDecommission'>,
    private readonly clock: Clock,
  ) {}

  /** The seconds by which the oldest entry exceeds its deadline; 0 when none does. */
  overdueSeconds(): Promise<number> {
    this.inFlight ??= this.measure().finally(() => (this.inFlight = null));
    return this.inFlight;
  }

  private async measure(): Promise<number> {
    const oldest = await this.removals.oldestDecommission();
    return oldest ? Math.max(0, Math.floor((this.clock.now().getTime() - oldest.removeBy.getTime()) / 1000)) : 0;
  }
}

/** The delay to the next run: up to a fifth early and never late, so that replicas drift apart and the deadline holds. */
export function nextRunDelayMs({ intervalSeconds }: Pick<CleanUpTiming, 'intervalSeconds'>, fraction: number): number {
  return intervalSeconds * 1000 * (0.8 + 0.2 * fraction);
}

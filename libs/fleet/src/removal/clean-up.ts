import type { CleanUpTiming } from './decommission.js';
import type { Moment } from '../availability/moment.js';
import type { CleanUpBatch, CleanUpRun, Clock, Due, CleanUpCursor, RetentionLimits, Removals } from '../ports.js';

/** Entries removed in one transaction. */
export const CLEAN_UP_BATCH = 500;
/** Of what is merely old, a pass forgets so much and leaves the rest to the next: nothing that was promised waits for it. */
const RETENTION_BATCH_SIZE = 300;
const MAX_RETENTION_BATCHES = 20;
/** Results of purge plans can be asked for so long after the plan expired. */
const PLAN_RETENTION_MS = 24 * 3_600_000;

/** What a pass goes by. */
export interface CleanUpMoment extends Moment {
  /** The wall clock has just stepped: only the availability clock says what is due. */
  readonly hasJustStepped: boolean;
  /** The wall clock has been steady for a day: it may say what is old. */
  readonly isSteady: boolean;
}

/** The lazy clean-up: removes what was decommissioned a grace ago. Safe beside itself, repeatable, and late or doubled it makes no answer wrong. */
export class CleanUp {
  private stopping = false;

  constructor(
    private readonly removals: Removals,
    private readonly moment: () => CleanUpMoment,
    private readonly timing: CleanUpTiming,
    private readonly eventRetentionDays: number,
    private readonly replica: string,
  ) {}

  /** Goes on until nothing is due. Records the pass, also one that failed. */
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
      await this.removals.recordRun(failed).catch(() => undefined); // the database may be what failed
      throw error;
    }
    const run = { at, by: this.replica, removed, error: null };
    await this.removals.recordRun(run);
    return run;
  }

  /** Ends a pass that runs after its present batch. */
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

/** Whether what the clean-up promises is kept. One question at a time, whoever asks. */
export class CleanUpDeadlineMonitor {
  private inFlight: Promise<number> | null = null;

  constructor(
    private readonly removals: Pick<Removals, 'oldestDecommission'>,
    private readonly clock: Clock,
  ) {}

  /** How long the oldest entry is kept beyond its promise, in seconds; 0 when none is. */
  overdueSeconds(): Promise<number> {
    this.inFlight ??= this.measure().finally(() => (this.inFlight = null));
    return this.inFlight;
  }

  private async measure(): Promise<number> {
    const oldest = await this.removals.oldestDecommission();
    return oldest ? Math.max(0, Math.floor((this.clock.now().getTime() - oldest.removeBy.getTime()) / 1000)) : 0;
  }
}

/** Up to a fifth early, never late: replicas drift apart and the promise still holds. */
export function nextRunDelayMs({ intervalSeconds }: CleanUpTiming, fraction: number): number {
  return intervalSeconds * 1000 * (0.8 + 0.2 * fraction);
}

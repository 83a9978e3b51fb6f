import type { CleanUpMoment } from '../removal/clean-up.js';
import { CERTIFICATE_STAGES, type CertificateStage } from './certificate-events.js';
import { HEALTH_WINDOW_MS } from '../health/health-window.js';
import { HEALTH_SCANS, type HealthReviews, type MonitorBatch, type MonitorStore } from './monitor-store.js';

/** The maximum number of events written in one transaction. */
export const MONITOR_BATCH = 500;
/** A batch of reviews locks the rows that heartbeats write. */
export const REVIEW_BATCH = 200;
/** Ends of leases are final after this time on the availability clock: a heartbeat in flight may still renew one. */
export const LEASE_END_LAG_MS = 5_000;

/**
 * Writes transitions that happen by time alone as events. Replicas may run it concurrently: the watermark of a scan is locked while a
 * batch is written, and a replica skips a scan that another one runs.
 */
export class Monitor {
  private stopping = false;
  /** Up to where all transitions are written, on the availability clock; until the first complete run, the time of the first attempt. */
  private watermark: number | null = null;

  constructor(
    private readonly store: MonitorStore,
    private readonly reviews: HealthReviews,
    private readonly moment: () => CleanUpMoment,
    private readonly healthWindowMs = HEALTH_WINDOW_MS,
  ) {}

  /**
   * Runs until nothing is due. Returns the number of events written.
   * @throws the first error of a scan or of the review, after all others have run.
   */
  async run(): Promise<number> {
    this.watermark ??= this.moment().availableMs - LEASE_END_LAG_MS;
    let written = 0;
    const failures: unknown[] = [];
    for (const step of this.steps()) {
      try {
        written += await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
    this.watermark = (await this.store.watermark('disconnected')) ?? this.watermark;
    return written;
  }

  /** Stops a run after its current batch. */
  stop(): void {
    this.stopping = true;
  }

  /** How far the monitor is behind on the availability clock, in seconds; 0 before the first attempt. */
  get lagSeconds(): number {
    if (this.watermark === null) return 0;
    return Math.max(0, (this.moment().availableMs - LEASE_END_LAG_MS - this.watermark) / 1000);
  }

  /** The review is last, because the scans mark what it reviews. */
  private steps(): readonly (() => Promise<number>)[] {
    return [
      () => this.repeat(() => this.store.recordDisconnected(this.moment(), LEASE_END_LAG_MS, MONITOR_BATCH)),
      ...CERTIFICATE_STAGES.map((stage) => () => this.recordCertificates(stage)),
      ...HEALTH_SCANS.map(
        (scan) => () => this.repeat(() => this.store.markAged(scan, this.moment(), this.healthWindowMs, MONITOR_BATCH)),
      ),
      () => this.review(),
    ];
  }

  private async recordCertificates(stage: CertificateStage): Promise<number> {
    if (this.moment().hasJustStepped) return 0;
    return this.repeat(() => this.store.recordCertificates(stage, this.moment().at, MONITOR_BATCH));
  }

  private async review(): Promise<number> {
    let written = 0;
    for (let after: string | null = ''; after !== null && !this.stopping;) {
      const batch = await this.reviews.reviewDue(this.moment, REVIEW_BATCH, after);
      written += batch.written;
      after = batch.next;
    }
    return written;
  }

  private async repeat(batch: () => Promise<MonitorBatch>): Promise<number> {
    let written = 0;
    for (let more = true; more && !this.stopping;) {
      const result = await batch();
      written += result.written;
      more = result.more;
    }
    return written;
  }
}

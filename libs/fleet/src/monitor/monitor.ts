import type { CleanUpMoment } from '../removal/clean-up.js';
import { CERTIFICATE_STAGES } from './certificate-events.js';
import type { MonitorBatch, MonitorStore } from './monitor-store.js';

/** The maximum number of events written in one transaction. */
export const MONITOR_BATCH = 500;
/** Ends of leases are final after this time on the availability clock: a heartbeat in flight may still renew one. */
export const LEASE_END_LAG_MS = 5_000;

/**
 * Writes transitions that happen by time alone as events. Replicas may run it concurrently: the watermark of a scan is locked while a
 * batch is written, and a replica skips a scan that another one runs.
 */
export class Monitor {
  private stopping = false;
  private watermark: number | null = null;

  constructor(
    private readonly store: MonitorStore,
    private readonly moment: () => CleanUpMoment,
  ) {}

  /** Runs until nothing is due. Returns the number of events written. */
  async run(): Promise<number> {
    let written = await this.repeat(() =>
      this.store.recordDisconnected(this.moment(), LEASE_END_LAG_MS, MONITOR_BATCH),
    );
    for (const stage of CERTIFICATE_STAGES)
      if (!this.moment().hasJustStepped)
        written += await this.repeat(() => this.store.recordCertificates(stage, this.moment().at, MONITOR_BATCH));
    this.watermark = await this.store.watermark('disconnected');
    return written;
  }

  /** Stops a run after its current batch. */
  stop(): void {
    this.stopping = true;
  }

  /** How far the monitor is behind on the availability clock, in seconds; 0 before the first run. */
  get lagSeconds(): number {
    if (this.watermark === null) return 0;
    return Math.max(0, (this.moment().availableMs - LEASE_END_LAG_MS - this.watermark) / 1000);
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

import type { Moment } from '../availability/moment.js';
import type { CleanUpMoment } from '../removal/clean-up.js';
import type { CertificateStage } from './certificate-events.js';

/** A scan of the monitor, each with a watermark of its own. */
export type MonitorScan = 'disconnected' | `certificate_${CertificateStage}` | HealthScan;

/** What makes health change by time alone, besides the end of a lease and the stages of a certificate. */
export const HEALTH_SCANS = ['silent', 'aged_load', 'aged_services', 'aged_certificate'] as const;
export type HealthScan = (typeof HEALTH_SCANS)[number];

export interface MonitorBatch {
  readonly written: number;
  /** Whether more may be due; false also while another replica runs the scan. */
  readonly more: boolean;
}

/** Finds transitions by index, and writes their events and the watermark of the scan in one transaction. */
export abstract class MonitorStore {
  /** Registered entries whose lease ended at least `lagMs` ago on the availability clock. */
  abstract recordDisconnected(moment: Moment, lagMs: number, limit: number): Promise<MonitorBatch>;
  /** Certificates of Registered entries that have reached a stage. */
  abstract recordCertificates(stage: CertificateStage, now: Date, limit: number): Promise<MonitorBatch>;
  /** Marks entries for a review whose last heartbeat or report has become older than the window. */
  abstract markAged(scan: HealthScan, moment: Moment, windowMs: number, limit: number): Promise<MonitorBatch>;
  /** Milliseconds on the clock of the scan; null before its first batch. */
  abstract watermark(scan: MonitorScan): Promise<number | null>;
}

export interface ReviewBatch {
  readonly written: number;
  /** The last host id of the batch; null when no more are due. */
  readonly next: string | null;
}

/** Publishes the health of entries that are due for a review, with an event of each change. */
export abstract class HealthReviews {
  abstract reviewDue(moment: () => CleanUpMoment, limit: number, after: string): Promise<ReviewBatch>;
}

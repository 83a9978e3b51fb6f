import type { Moment } from '../availability/moment.js';
import type { CertificateStage } from './certificate-events.js';

/** A scan of the monitor, each with a watermark of its own. */
export type MonitorScan = 'disconnected' | `certificate_${CertificateStage}`;

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
  /** Milliseconds on the clock of the scan; null before its first batch. */
  abstract watermark(scan: MonitorScan): Promise<number | null>;
}

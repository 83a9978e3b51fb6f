import {
  areServicesDown,
  CERTIFICATE_WARNING_MS,
  certificateStatusAt,
  isHeartbeatMissing,
  loadStatusesAt,
  type HealthInputs,
  type HealthMoment,
  type ReportedHealth,
} from './health.js';
import { LOAD_SIGNALS } from './load.js';

/** The health error codes of the portal, in the order of their stored bits. `heartbeat_missing` is its code 806. */
export const HEALTH_ERROR_CODES = [
  'heartbeat_missing',
  'cpu_high',
  'memory_high',
  'cache_space_low',
  'upload_slow',
  'services_not_running',
  'certificate_expired',
  'certificate_expiring',
] as const;
export type HealthErrorCode = (typeof HEALTH_ERROR_CODES)[number];

export interface HealthError {
  readonly code: HealthErrorCode;
  readonly level: 'Warning' | 'Critical';
  /** The time since which the error is known; it stays the same when the level changes. */
  readonly since: Date | null;
}

const CODE_BY_SIGNAL = {
  cpu: 'cpu_high',
  memory: 'memory_high',
  cache: 'cache_space_low',
  upload: 'upload_slow',
} as const;

interface HealthErrorInputs extends Pick<HealthInputs, 'decommissioned' | 'silentMs'> {
  /** The wall time of the last heartbeat or registration. */
  readonly lastSeenAt: Date;
  readonly reported: ReportedHealth;
}

/** All signals that make the health worse than Normal; the worst of them is the result of `healthAt`. */
export function healthErrorsAt(
  moment: HealthMoment,
  { decommissioned, silentMs, lastSeenAt, reported }: HealthErrorInputs,
): HealthError[] {
  if (decommissioned) return [];
  const { loadReportedAt, loadExceededAt, servicesDownAt } = reported;
  const errors: HealthError[] = [];
  if (isHeartbeatMissing(moment, silentMs))
    errors.push({ code: 'heartbeat_missing', level: 'Critical', since: lastSeenAt });
  const statuses = loadStatusesAt(moment, reported);
  for (const signal of LOAD_SIGNALS) {
    const level = statuses[signal];
    if (level === 'Warning' || level === 'Critical')
      errors.push({ code: CODE_BY_SIGNAL[signal], level, since: loadExceededAt[signal] ?? loadReportedAt });
  }
  if (areServicesDown(moment, reported))
    errors.push({ code: 'services_not_running', level: 'Warning', since: servicesDownAt });
  const certificate = certificateStatusAt(moment, reported);
  if (certificate === 'Critical')
    errors.push({ code: 'certificate_expired', level: 'Critical', since: certificateProblemSince(reported, 0) });
  if (certificate === 'Warning')
    errors.push({
      code: 'certificate_expiring',
      level: 'Warning',
      since: certificateProblemSince(reported, CERTIFICATE_WARNING_MS),
    });
  return errors;
}

/** A certificate that was reported late counts as a problem only from its report on. */
function certificateProblemSince(
  { certificateExpiresAt, certificateKnownAt }: ReportedHealth,
  beforeEndMs: number,
): Date {
  return new Date(Math.max((certificateExpiresAt?.getTime() ?? 0) - beforeEndMs, certificateKnownAt?.getTime() ?? 0));
}

import type { Moment } from '../availability/moment.js';
import type { ComponentStatus } from './component-status.js';
import { isFresh } from './health-window.js';
import { ALL_UNKNOWN, type Load, type LoadSignal } from './load.js';

/** The overall health. None means that nothing was reported; it never counts as healthy. */
export type Health = 'None' | 'Normal' | 'Warning' | 'Critical';
export interface ServiceState {
  readonly name: string;
  readonly state: string;
}

/** The health last reported by the heartbeats of a process server. */
export interface ReportedHealth {
  readonly load: Load | null;
  readonly loadReportedAt: Date | null;
  /** The availability clock when the load was reported. */
  readonly loadAvailableMs: number | null;
  /** The status of the load, evaluated once, when it was reported. */
  readonly loadStatus: ComponentStatus;
  /** The same for each signal. */
  readonly loadStatuses: Readonly<Record<LoadSignal, ComponentStatus>>;
  /** The wall time since which each signal exceeds its first threshold, or is raised. */
  readonly loadExceededAt: Readonly<Record<LoadSignal, Date | null>>;
  /** Null when not reported; an empty list also reports nothing. */
  readonly services: readonly ServiceState[] | null;
  readonly servicesReportedAt: Date | null;
  /** The availability clock when services were last reported in a list that is not empty. */
  readonly servicesAvailableMs: number | null;
  /** Whether a service was stopped for the window, and not all have been running for a third of it since. */
  readonly servicesRaised: boolean;
  /** The wall time since which at least one service has not been running; kept while raised. */
  readonly servicesDownAt: Date | null;
  readonly protectedMachineCount: number | null;
  /** The last count of protected machines was invalid, so there may be some. */
  readonly protectedMachinesUnknown: boolean;
  readonly replicationPairCount: number | null;
  /** Data change of the protected machines in a day. */
  readonly churnBytesPerDay: number | null;
  readonly certificateExpiresAt: Date | null;
  readonly certificateReportedAt: Date | null;
  readonly certificateAvailableMs: number | null;
  /** The time since which this expiry of the certificate has been reported. */
  readonly certificateKnownAt: Date | null;
}

export const NO_REPORT: ReportedHealth = {
  load: null,
  loadReportedAt: null,
  loadAvailableMs: null,
  loadStatus: 'Unknown',
  loadStatuses: ALL_UNKNOWN,
  loadExceededAt: { cpu: null, memory: null, cache: null, upload: null },
  services: null,
  servicesReportedAt: null,
  servicesAvailableMs: null,
  servicesRaised: false,
  servicesDownAt: null,
  protectedMachineCount: null,
  protectedMachinesUnknown: false,
  replicationPairCount: null,
  churnBytesPerDay: null,
  certificateExpiresAt: null,
  certificateReportedAt: null,
  certificateAvailableMs: null,
  certificateKnownAt: null,
};

/**
 * The reports that remain valid when the same machine registers again. Services and certificate may change with the
 * registration, so they are cleared.
 */
export const afterRegistration = (reported: ReportedHealth): ReportedHealth => ({
  ...reported,
  services: null,
  servicesReportedAt: null,
  servicesAvailableMs: null,
  servicesRaised: false,
  servicesDownAt: null,
  certificateExpiresAt: null,
  certificateReportedAt: null,
  certificateAvailableMs: null,
  certificateKnownAt: null,
});

/** The certificate is a Warning from 60 days before its expiry. */
export const CERTIFICATE_WARNING_MS = 60 * 24 * 3_600_000;

/** When health is evaluated. Reports of a Disconnected process server are ignored. */
export interface HealthMoment extends Moment {
  /** Whether the lease runs. */
  readonly connected: boolean;
  /** The time after which a report is Unknown and silence is Critical. */
  readonly windowMs: number;
}

/** The load signals that are still valid: an old report is Unknown. */
export function loadStatusesAt(
  moment: HealthMoment,
  { loadAvailableMs, loadStatuses }: Pick<ReportedHealth, 'loadAvailableMs' | 'loadStatuses'>,
): ReportedHealth['loadStatuses'] {
  return moment.connected && isFresh(moment, loadAvailableMs) ? loadStatuses : ALL_UNKNOWN;
}

/** Whether services not running are raised and the report is still valid. A report without services ends nothing. */
export const areServicesDown = (
  moment: HealthMoment,
  { servicesAvailableMs, servicesRaised }: Pick<ReportedHealth, 'servicesAvailableMs' | 'servicesRaised'>,
): boolean => moment.connected && servicesRaised && isFresh(moment, servicesAvailableMs);

/** Whether services run; Unknown when the last report lists none or is old. */
export function servicesStatusAt(
  moment: HealthMoment,
  reported: Pick<ReportedHealth, 'services' | 'servicesAvailableMs' | 'servicesRaised'>,
): ComponentStatus {
  if (!moment.connected || !isFresh(moment, reported.servicesAvailableMs)) return 'Unknown';
  if (reported.servicesRaised) return 'Warning';
  return reported.services && reported.services.length > 0 ? 'Healthy' : 'Unknown';
}

/** By the wall clock: Warning from 60 days before the expiry, Critical from the expiry; Unknown when the report is old. */
export function certificateStatusAt(
  moment: HealthMoment,
  {
    certificateExpiresAt,
    certificateAvailableMs,
  }: Pick<ReportedHealth, 'certificateExpiresAt' | 'certificateAvailableMs'>,
): ComponentStatus {
  if (!certificateExpiresAt || !moment.connected || !isFresh(moment, certificateAvailableMs)) return 'Unknown';
  const leftMs = certificateExpiresAt.getTime() - moment.at.getTime();
  if (leftMs <= 0) return 'Critical';
  return leftMs < CERTIFICATE_WARNING_MS ? 'Warning' : 'Healthy';
}

export const isServiceRunning = ({ state }: ServiceState): boolean => state.toLowerCase() === 'running';

export interface HealthInputs {
  readonly decommissioned: boolean;
  /** The availability clock now minus its value when last seen. */
  readonly silentMs: number;
  readonly reported: Pick<
    ReportedHealth,
    | 'loadAvailableMs'
    | 'loadStatus'
    | 'servicesAvailableMs'
    | 'servicesRaised'
    | 'certificateExpiresAt'
    | 'certificateAvailableMs'
  >;
}

/** Whether silence is Critical. A lease of a large fleet may be longer than the window, so the lease must have ended too. */
export const isHeartbeatMissing = (
  { connected, windowMs }: Pick<HealthMoment, 'connected' | 'windowMs'>,
  silentMs: number,
): boolean => !connected && silentMs >= windowMs;

/**
 * The overall health: the worst single signal. A decommissioned process server has none; a Disconnected one has none
 * until its silence is Critical.
 */
export function healthAt(moment: HealthMoment, { decommissioned, silentMs, reported }: HealthInputs): Health {
  if (decommissioned) return 'None';
  if (isHeartbeatMissing(moment, silentMs)) return 'Critical';
  if (!moment.connected) return 'None';
  const freshLoad = isFresh(moment, reported.loadAvailableMs) ? reported.loadStatus : 'Unknown';
  const certificate = certificateStatusAt(moment, reported);
  if (freshLoad === 'Critical' || certificate === 'Critical') return 'Critical';
  if (freshLoad === 'Warning' || certificate === 'Warning' || areServicesDown(moment, reported)) return 'Warning';
  return freshLoad === 'Healthy' ? 'Normal' : 'None';
}

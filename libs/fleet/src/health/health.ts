/** The overall health. None means that nothing was reported; it never counts as healthy. */
export type Health = 'None' | 'Normal' | 'Warning' | 'Critical';
export type ComponentStatus = 'Unknown' | 'Healthy' | 'Warning' | 'Critical';

/** A load report in bytes, bytes per second and percent. Each value may be missing; its status is then Unknown. */
export interface Load {
  readonly cpuPercent: number | null;
  readonly totalMemoryBytes: number | null;
  readonly availableMemoryBytes: number | null;
  readonly totalCacheBytes: number | null;
  readonly freeCacheBytes: number | null;
  readonly throughputBytesPerSecond: number | null;
  readonly pendingUploadBytes: number | null;
}

export interface ServiceState {
  readonly name: string;
  readonly state: string;
}

export type LoadSignal = 'cpu' | 'memory' | 'cache' | 'upload';

/** The health last reported by the heartbeats of a process server. */
export interface ReportedHealth {
  readonly load: Load | null;
  readonly loadReportedAt: Date | null;
  /** The status of the load, evaluated once, when it was reported. */
  readonly loadStatus: ComponentStatus;
  /** The time since which each signal has exceeded its first threshold in every report. */
  readonly loadExceededAt: Readonly<Record<LoadSignal, Date | null>>;
  /** Null when not reported; an empty list also reports nothing. */
  readonly services: readonly ServiceState[] | null;
  readonly servicesReportedAt: Date | null;
  /** The time since which at least one service has not been running; null while all run or none is reported. */
  readonly servicesDownAt: Date | null;
  readonly protectedMachineCount: number | null;
  /** The last count of protected machines was invalid, so there may be some. */
  readonly protectedMachinesUnknown: boolean;
  readonly replicationPairCount: number | null;
  /** Data change of the protected machines in a day. */
  readonly churnBytesPerDay: number | null;
  readonly certificateExpiresAt: Date | null;
  readonly certificateReportedAt: Date | null;
  /** The time since which this expiry of the certificate has been reported. */
  readonly certificateKnownAt: Date | null;
}

export const NO_REPORT: ReportedHealth = {
  load: null,
  loadReportedAt: null,
  loadStatus: 'Unknown',
  loadExceededAt: { cpu: null, memory: null, cache: null, upload: null },
  services: null,
  servicesReportedAt: null,
  servicesDownAt: null,
  protectedMachineCount: null,
  protectedMachinesUnknown: false,
  replicationPairCount: null,
  churnBytesPerDay: null,
  certificateExpiresAt: null,
  certificateReportedAt: null,
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
  servicesDownAt: null,
  certificateExpiresAt: null,
  certificateReportedAt: null,
  certificateKnownAt: null,
});

/** Rounds to two decimals before evaluating and storing: a value with more digits may be read back as another one. */
export const roundedPercent = (percent: number): number => Math.round(percent * 100) / 100;

/** A report is valid for 15 minutes, and silence of 15 minutes is critical (code 806 of the portal). */
export const HEALTH_WINDOW_MS = 15 * 60_000;
const REPORT_SLOT_MS = 5 * 60_000;
/**
 * A report from this time on predates a backward clock step and is ignored: five to ten minutes ahead, because a store
 * groups reports by five minutes.
 */
export const reportsAheadFrom = (now: Date): Date =>
  new Date((Math.floor(now.getTime() / REPORT_SLOT_MS) + 2) * REPORT_SLOT_MS);
export const CERTIFICATE_WARNING_MS = 60 * 24 * 3_600_000;

/** The statuses by rank, 0 (unknown) to 3 (critical): a store saves the rank, so that it can be filtered. */
export const STATUS_BY_RANK = [
  'Unknown',
  'Healthy',
  'Warning',
  'Critical',
] as const satisfies readonly ComponentStatus[];
export const statusRank = (status: ComponentStatus): number => STATUS_BY_RANK.indexOf(status);

const worstOf = (statuses: readonly ComponentStatus[]): ComponentStatus =>
  STATUS_BY_RANK[Math.max(0, ...statuses.map(statusRank))] ?? 'Unknown';

function thresholdStatus(value: number | null, warning: number, critical: number): ComponentStatus {
  if (value === null || Number.isNaN(value)) return 'Unknown';
  if (value > critical) return 'Critical';
  return value > warning ? 'Warning' : 'Healthy';
}

/** A part larger than the whole makes the percentage unknown. */
const percentOf = (part: number | null, whole: number | null): number | null =>
  part === null || !whole || part > whole ? null : (100 * part) / whole;

/** The time that the pending upload takes, in minutes; 0 when nothing is pending, whatever the throughput. */
function uploadMinutes({ pendingUploadBytes, throughputBytesPerSecond }: Load): number | null {
  if (pendingUploadBytes === 0) return 0;
  if (pendingUploadBytes === null || throughputBytesPerSecond === null) return null;
  return pendingUploadBytes / throughputBytesPerSecond / 60;
}

/** The four load signals by the product's thresholds: CPU and memory 80/95 %, free cache 30/25 %, upload 30/45 min. */
export function loadStatuses(load: Load): Record<LoadSignal, ComponentStatus> {
  const freeMemory = percentOf(load.availableMemoryBytes, load.totalMemoryBytes);
  const freeCache = percentOf(load.freeCacheBytes, load.totalCacheBytes);
  return {
    cpu: thresholdStatus(load.cpuPercent, 80, 95),
    memory: thresholdStatus(freeMemory === null ? null : 100 - freeMemory, 80, 95),
    cache: thresholdStatus(freeCache === null ? null : 100 - freeCache, 70, 75),
    upload: thresholdStatus(uploadMinutes(load), 30, 45),
  };
}

/** The worst load signal; when none is bad, one unknown signal makes the whole Unknown. */
export const loadStatus = (load: Load | null): ComponentStatus =>
  load ? worstLoadStatus(loadStatuses(load)) : 'Unknown';

export function worstLoadStatus(signals: Readonly<Record<LoadSignal, ComponentStatus>>): ComponentStatus {
  const statuses = Object.values(signals);
  const worstStatus = worstOf(statuses);
  return worstStatus === 'Healthy' && statuses.includes('Unknown') ? 'Unknown' : worstStatus;
}

/** Whether a report of a Connected process server is valid: at most 15 minutes old. */
function isFresh(now: Date, reportedAt: Date | null): boolean {
  if (!reportedAt) return false;
  return now.getTime() - reportedAt.getTime() < HEALTH_WINDOW_MS && reportedAt < reportsAheadFrom(now);
}

const ALL_UNKNOWN = { cpu: 'Unknown', memory: 'Unknown', cache: 'Unknown', upload: 'Unknown' } as const;

/** The moment at which health is evaluated, and whether the process server is Connected then: reports of a Disconnected one are ignored. */
export interface HealthMoment {
  readonly now: Date;
  readonly connected: boolean;
}

/** The load signals that are still valid: a report older than 15 minutes is Unknown. */
export function loadStatusesAt(
  { now, connected }: HealthMoment,
  { load, loadReportedAt }: Pick<ReportedHealth, 'load' | 'loadReportedAt'>,
): ReturnType<typeof loadStatuses> {
  return load && connected && isFresh(now, loadReportedAt) ? loadStatuses(load) : ALL_UNKNOWN;
}

/** Whether all services run; Unknown when no report of the last 15 minutes lists services. */
export function servicesStatusAt(
  { now, connected }: HealthMoment,
  {
    services,
    servicesReportedAt,
    servicesDownAt,
  }: Pick<ReportedHealth, 'services' | 'servicesReportedAt' | 'servicesDownAt'>,
): ComponentStatus {
  if (!connected || !isFresh(now, servicesReportedAt) || services?.length === 0) return 'Unknown';
  return servicesDownAt ? 'Warning' : services ? 'Healthy' : 'Unknown';
}

/**
 * Warning from 60 days before the certificate expires, Critical after its expiry; Unknown when no report of the last 15
 * minutes includes it.
 */
export function certificateStatusAt(
  { now, connected }: HealthMoment,
  {
    certificateExpiresAt,
    certificateReportedAt,
  }: Pick<ReportedHealth, 'certificateExpiresAt' | 'certificateReportedAt'>,
): ComponentStatus {
  if (!certificateExpiresAt || !connected || !isFresh(now, certificateReportedAt)) return 'Unknown';
  const leftMs = certificateExpiresAt.getTime() - now.getTime();
  if (leftMs <= 0) return 'Critical';
  return leftMs < CERTIFICATE_WARNING_MS ? 'Warning' : 'Healthy';
}

/**
 * Whether a service has not been running for 15 minutes and no later report shows that all run. A report without
 * services does not end the outage.
 */
export const areServicesDown = (
  { now, connected }: HealthMoment,
  { servicesReportedAt, servicesDownAt }: Pick<ReportedHealth, 'servicesReportedAt' | 'servicesDownAt'>,
): boolean =>
  connected &&
  servicesDownAt !== null &&
  isFresh(now, servicesReportedAt) &&
  now.getTime() - servicesDownAt.getTime() >= HEALTH_WINDOW_MS;

export const isServiceRunning = ({ state }: ServiceState): boolean => state.toLowerCase() === 'running';

export interface HealthInputs {
  readonly decommissioned: boolean;
  /** Whether the lease runs. */
  readonly connected: boolean;
  /** The availability clock now minus its value when last seen. */
  readonly silentMs: number;
  readonly reported: Pick<
    ReportedHealth,
    | 'loadReportedAt'
    | 'loadStatus'
    | 'servicesReportedAt'
    | 'servicesDownAt'
    | 'certificateExpiresAt'
    | 'certificateReportedAt'
  >;
}

/**
 * The overall health: the worst single signal. A decommissioned process server has none; a Disconnected one has none
 * until its silence is Critical.
 */
export function healthAt(now: Date, { decommissioned, connected, silentMs, reported }: HealthInputs): Health {
  if (decommissioned) return 'None';
  if (silentMs >= HEALTH_WINDOW_MS) return 'Critical';
  if (!connected) return 'None';
  const moment = { now, connected };
  const freshLoad = isFresh(now, reported.loadReportedAt) ? reported.loadStatus : 'Unknown';
  const certificate = certificateStatusAt(moment, reported);
  if (freshLoad === 'Critical' || certificate === 'Critical') return 'Critical';
  if (freshLoad === 'Warning' || certificate === 'Warning' || areServicesDown(moment, reported)) return 'Warning';
  return freshLoad === 'Healthy' ? 'Normal' : 'None';
}

import { RegisteredServer } from './registration.dto.js';

/** The version of a process server against the catalogue and the version of the configuration server. */
export class AgentVersionDetails {
  readonly version!: string;
  /** End of the support of its release, RFC 3339; null if the catalogue does not have the release. */
  readonly expiryDate!: string | null;
  readonly status!: 'Supported' | 'NotSupported' | 'Deprecated' | 'UpdateRequired' | 'SecurityUpdateRequired';
  /** `UnknownAcrossMajor`: the catalogue does not have the releases between two majors. */
  readonly statusReason!:
    | 'WithinSupport'
    | 'NewerThanConfigurationServer'
    | 'OutsideSupportWindow'
    | 'SupportEnded'
    | 'Flagged'
    | 'UnknownAcrossMajor';
  /** Whether the version of the configuration server is newer. */
  readonly updateAvailable!: boolean;
  /**
   * The versions to install in order, up to that of the configuration server; empty if none is needed or possible.
   * @example ['9.62.0.0', '9.63.7187.1']
   */
  readonly upgradePath!: string[];
  /** Why no upgrade is possible; null otherwise. */
  readonly upgradeBlockReason!: 'NewerThanTarget' | 'NoIntermediateRelease' | 'UnknownAcrossMajor' | null;
}

/** Load as last reported, with a status for each signal: Unknown if the report is as old as HEALTH_WINDOW_SECONDS or the server is Disconnected. Bytes, bytes per second, percent (two decimals). */
export class LoadDto {
  /** RFC 3339; of an unchanged report to a fifteenth of HEALTH_WINDOW_SECONDS. */
  readonly reportedAt!: string;
  /** Time since the report without outages of the service, in seconds. */
  readonly ageSeconds!: number | null;
  readonly cpuPercent!: number | null;
  readonly cpuStatus!: 'Unknown' | 'Healthy' | 'Warning' | 'Critical';
  readonly totalMemoryBytes!: number | null;
  readonly availableMemoryBytes!: number | null;
  readonly memoryStatus!: 'Unknown' | 'Healthy' | 'Warning' | 'Critical';
  readonly totalCacheBytes!: number | null;
  readonly freeCacheBytes!: number | null;
  readonly cacheStatus!: 'Unknown' | 'Healthy' | 'Warning' | 'Critical';
  readonly throughputBytesPerSecond!: number | null;
  readonly pendingUploadBytes!: number | null;
  readonly uploadStatus!: 'Unknown' | 'Healthy' | 'Warning' | 'Critical';
}

export class ServiceDto {
  readonly name!: string;
  readonly state!: string;
}

export class PossibleDuplicateDto {
  readonly hostId!: string;
  readonly friendlyName!: string;
  readonly ipAddress!: string;
  readonly machineId!: string;
}

/** One health problem of a process server. */
export class HealthErrorDto {
  readonly errorCode!:
    | 'heartbeat_missing'
    | 'cpu_high'
    | 'memory_high'
    | 'cache_space_low'
    | 'upload_slow'
    | 'services_not_running'
    | 'certificate_expired'
    | 'certificate_expiring';
  readonly errorLevel!: 'Warning' | 'Critical';
  readonly errorCategory!: 'Connectivity' | 'Load' | 'Services' | 'Certificate';
  /** The component that observed the problem. */
  readonly errorSource!: 'ConfigurationServer' | 'ProcessServer';
  /** Host id of the process server. */
  readonly entityId!: string;
  /** Human-readable description of the problem. */
  readonly summaryMessage!: string;
  /** Human-readable: the condition of the error with its thresholds. */
  readonly errorMessage!: string;
  /** Human-readable. */
  readonly possibleCauses!: string;
  /** Human-readable recommended action. */
  readonly recommendedAction!: string;
  /** Since when the problem is known, RFC 3339; unchanged while the problem lasts, also when its level changes. */
  readonly creationTimeUtc!: string | null;
  /** Whether the customer can resolve the problem without support. */
  readonly customerResolvability!: 'Allowed' | 'NotAllowed';
}

/** All known facts of one process server. */
export class ProcessServerDetail extends RegisteredServer {
  readonly agentVersionDetails!: AgentVersionDetails;
  readonly sizingClass!: 'UpTo85Machines' | 'UpTo150Machines' | 'UpTo225Machines' | 'BelowTable';
  /** RFC 3339; registration of this generation. */
  readonly registeredAt!: string;
  /** The passphrase that the registration used; null if it used an enrolment. */
  readonly passphraseId!: string | null;
  /** The enrolment that the registration used; null if it used a passphrase. A revocation of the enrolment does not end the registration. */
  readonly enrolmentId!: string | null;
  /** RFC 3339. */
  readonly decommissionedAt!: string | null;
  readonly decommissionedBy!: string | null;
  readonly decommissionReason!: string | null;
  /** Assigned interval, in seconds. */
  readonly heartbeatIntervalSeconds!: number;
  readonly instanceId!: string | null;
  /** Senders of this host id that the current one replaced, latest first: two machines at once are a conflict. */
  readonly replacedInstanceIds!: string[];
  /** An operator revoked the credential; the process server has to register again. */
  readonly credentialRevoked!: boolean;
  /** Source address of the last accepted call. */
  readonly sourceAddress!: string;
  /** Clock of the process server minus clock of the configuration server, in milliseconds; null if never reported. */
  readonly clockSkewMs!: number | null;
  readonly load!: LoadDto | null;
  /** As last reported; null if never reported, or withdrawn. */
  readonly services!: ServiceDto[] | null;
  /** Last report of services, RFC 3339; of an unchanged report to a fifteenth of HEALTH_WINDOW_SECONDS. */
  readonly servicesReportedAt!: string | null;
  /** Time since the last report that lists services, without outages of the service, in seconds. */
  readonly servicesAgeSeconds!: number | null;
  /** `Warning` while a service is not running; `Unknown` if the server is Disconnected, or no report within HEALTH_WINDOW_SECONDS lists any. */
  readonly servicesStatus!: 'Unknown' | 'Healthy' | 'Warning' | 'Critical';
  /** Since when at least one service has not been running, RFC 3339; a report without services does not end this. */
  readonly servicesDownSince!: string | null;
  readonly protectedMachineCount!: number | null;
  readonly replicationPairCount!: number | null;
  /** Data change of the protected machines in a day, in bytes; null if never reported. */
  readonly churnBytesPerDay!: number | null;
  /** RFC 3339; null if never reported, or withdrawn. */
  readonly certificateExpiresAt!: string | null;
  /** Last report of the certificate, RFC 3339; of an unchanged report to a fifteenth of HEALTH_WINDOW_SECONDS. */
  readonly certificateReportedAt!: string | null;
  /** Time since the report of the certificate without outages of the service, in seconds. */
  readonly certificateAgeSeconds!: number | null;
  /** `Warning` from 60 days before expiry, `Critical` from expiry; `Unknown` if the server is Disconnected, or no report within HEALTH_WINDOW_SECONDS names it. */
  readonly certificateStatus!: 'Unknown' | 'Healthy' | 'Warning' | 'Critical';
  /** Negative after expiry. */
  readonly certificateRemainingDays!: number | null;
  /** Reasons for a health other than Normal; empty for a Decommissioned entry. */
  readonly healthErrors!: HealthErrorDto[];
  /** Entries with the same address, name or machine id; at most ten of each. */
  readonly possibleDuplicates!: PossibleDuplicateDto[];
}

/** A period in which no replica could accept heartbeats. */
export class ServiceOutageDto {
  /** RFC 3339. */
  readonly from!: string;
  /** RFC 3339. */
  readonly to!: string;
}

/** A rejected call with the host id of this process server. Each kind is recorded once an hour. */
export class RefusalDto {
  /** @example 'refused_credential_revoked' */
  readonly kind!: string;
  /** RFC 3339. */
  readonly at!: string;
  /** The generation that the sender named; null if it named none. */
  readonly generation!: number | null;
  readonly sourceAddress!: string | null;
  /** Human-readable: the rejected call and the reason. */
  readonly meaning!: string;
  /** Human-readable recommended action. */
  readonly recommendedActions!: string;
}

/** Explanation of the state of a process server. */
export class DiagnosisResponse {
  readonly hostId!: string;
  readonly connectionState!: 'Connected' | 'Disconnected';
  readonly lifecycle!: 'Registered' | 'Decommissioned';
  /** Human-readable: the state and the reason for it. */
  readonly summary!: string;
  /** Human-readable recommended actions, in order. */
  readonly recommendedActions!: string[];
  /** RFC 3339; null until its first heartbeat. */
  readonly lastHeartbeat!: string | null;
  /** Silence while the service accepted heartbeats, in seconds; outages of the service do not count. */
  readonly silentForSeconds!: number;
  /** Assigned interval, in seconds. */
  readonly heartbeatIntervalSeconds!: number;
  /** RFC 3339. */
  readonly leaseExpiresAt!: string;
  /** Clock of the process server minus clock of the configuration server, in milliseconds. */
  readonly clockSkewMs!: number | null;
  readonly sourceAddress!: string;
  readonly agentVersion!: string;
  readonly versionStatus!: 'Supported' | 'NotSupported' | 'Deprecated' | 'UpdateRequired' | 'SecurityUpdateRequired';
  /** Outages of the service since the process server was last seen. */
  readonly serviceOutages!: ServiceOutageDto[];
  /** Rejections of the last 24 hours: event kinds, newest last. */
  readonly recentRefusals!: string[];
  /** The same rejections, each with its meaning and recommended action. */
  readonly refusals!: RefusalDto[];
  /** Ignored members of the last heartbeat: their values are unknown. */
  readonly ignoredFields!: string[];
  /** RFC 3339. */
  readonly asOf!: string;
}

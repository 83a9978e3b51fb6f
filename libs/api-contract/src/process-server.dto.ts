import { ProxySettings } from './registration.dto.js';

/** One line of a list. */
export class ProcessServerSummary {
  readonly hostId!: string;
  readonly generation!: number;
  readonly friendlyName!: string;
  readonly ipAddress!: string;
  readonly agentVersion!: string;
  readonly versionStatus!: 'Supported' | 'NotSupported' | 'Deprecated' | 'UpdateRequired' | 'SecurityUpdateRequired';
  readonly lifecycle!: 'Registered' | 'Decommissioned';
  readonly connectionState!: 'Connected' | 'Disconnected';
  /** Overall health; `None` is "nobody told us", or it is leaving. */
  readonly health!: 'None' | 'Normal' | 'Warning' | 'Critical';
  /** RFC 3339; null until its first heartbeat. */
  readonly lastHeartbeat!: string | null;
  /** Earliest instant at which silence ends, or ended, the lease, RFC 3339. */
  readonly leaseExpiresAt!: string;
  /** By when a decommissioned one is gone, RFC 3339; null for the others. */
  readonly removeBy!: string | null;
  /** Another entry has the same address, name or machine id. */
  readonly possibleDuplicate!: boolean;
}

/** One page. A page examines a bounded number of entries: with filters it may hold fewer items than the limit, or none, and still have a next one. */
export class ProcessServerList {
  readonly items!: ProcessServerSummary[];
  /** Null on the last page, and only there: read on until it is null. */
  readonly nextCursor!: string | null;
  /** The instant that the page is true for, RFC 3339. */
  readonly asOf!: string;
}

/** Load as last reported, with the status of each signal: Unknown when the report is 15 minutes old or the server is Disconnected. Bytes, bytes per second, percent (two decimals). */
export class LoadDto {
  /** RFC 3339. */
  readonly reportedAt!: string;
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

/** One thing that is wrong with a process server. */
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
  /** For people: what is wrong. */
  readonly summaryMessage!: string;
  /** For people: what to do. */
  readonly recommendedAction!: string;
  /** Since when it is known, RFC 3339; it stays while the problem lasts, also when its level changes. */
  readonly creationTimeUtc!: string | null;
}

/** Everything that is known of one process server. */
export class ProcessServerDetail extends ProcessServerSummary {
  readonly fqdn!: string | null;
  readonly dataPort!: number;
  readonly osType!: string;
  readonly osVersion!: string;
  readonly machineId!: string;
  readonly environment!: 'VMware' | 'NonVMware';
  readonly cpuCores!: number;
  /** In bytes. */
  readonly memoryBytes!: number;
  /** In bytes. */
  readonly cacheDiskBytes!: number;
  readonly sizingClass!: 'UpTo85Machines' | 'UpTo150Machines' | 'UpTo225Machines' | 'BelowTable';
  readonly proxy!: ProxySettings | null;
  /** RFC 3339; of this generation. */
  readonly registeredAt!: string;
  /** The passphrase that it registered with. */
  readonly passphraseId!: string;
  /** RFC 3339. */
  readonly decommissionedAt!: string | null;
  readonly decommissionedBy!: string | null;
  readonly decommissionReason!: string | null;
  /** In seconds, as last told. */
  readonly heartbeatIntervalSeconds!: number;
  readonly instanceId!: string | null;
  /** Senders of this host id that the present one replaced, latest first: with two machines at once it is a conflict. */
  readonly replacedInstanceIds!: string[];
  /** An operator revoked its credential; it has to register again. */
  readonly credentialRevoked!: boolean;
  /** Where its last accepted call came from. */
  readonly sourceAddress!: string;
  /** Its clock minus ours, in milliseconds; null when it never said. */
  readonly clockSkewMs!: number | null;
  readonly load!: LoadDto | null;
  /** As last reported; null when never reported, or withdrawn. */
  readonly services!: ServiceDto[] | null;
  /** When services were last reported, to the minute, RFC 3339. */
  readonly servicesReportedAt!: string | null;
  /** `Warning` while one does not run; `Unknown` when the server is Disconnected, or no report of the last 15 minutes lists any. */
  readonly servicesStatus!: 'Unknown' | 'Healthy' | 'Warning' | 'Critical';
  /** Since when at least one service has not been running, RFC 3339; a report without services does not end it. */
  readonly servicesDownSince!: string | null;
  readonly protectedMachineCount!: number | null;
  readonly replicationPairCount!: number | null;
  /** RFC 3339; null when never reported, or withdrawn. */
  readonly certificateExpiresAt!: string | null;
  /** When the certificate was last reported, to the minute, RFC 3339. */
  readonly certificateReportedAt!: string | null;
  /** `Warning` from 60 days before its end, `Critical` from its end on; `Unknown` when the server is Disconnected, or no report of the last 15 minutes names it. */
  readonly certificateStatus!: 'Unknown' | 'Healthy' | 'Warning' | 'Critical';
  /** Negative when it has expired. */
  readonly certificateRemainingDays!: number | null;
  /** What makes its health worse than Normal; empty for one that is leaving. */
  readonly healthErrors!: HealthErrorDto[];
  /** Entries with the same address, name or machine id; of each at most ten. */
  readonly possibleDuplicates!: PossibleDuplicateDto[];
}

/** A gap in which no replica could have accepted a heartbeat. */
export class ServiceOutageDto {
  /** RFC 3339. */
  readonly from!: string;
  /** RFC 3339. */
  readonly to!: string;
}

/** A call in its name that was refused. Each kind is noted once an hour. */
export class RefusalDto {
  /** @example 'refused_credential_revoked' */
  readonly kind!: string;
  /** RFC 3339. */
  readonly at!: string;
  /** That the sender named; null when it named none. */
  readonly generation!: number | null;
  readonly sourceAddress!: string | null;
  /** For people: what was refused and why. */
  readonly meaning!: string;
  /** For people. */
  readonly recommendedActions!: string;
}

/** Why a process server is in the state that it is in. */
export class DiagnosisResponse {
  readonly hostId!: string;
  readonly connectionState!: 'Connected' | 'Disconnected';
  readonly lifecycle!: 'Registered' | 'Decommissioned';
  /** For people: the state and the reason for it. */
  readonly summary!: string;
  /** For people: what to do, in order. */
  readonly recommendedActions!: string[];
  /** RFC 3339; null until its first heartbeat. */
  readonly lastHeartbeat!: string | null;
  /** Silence that counts: only while we listened, in seconds. */
  readonly silentForSeconds!: number;
  /** In seconds, as last told. */
  readonly heartbeatIntervalSeconds!: number;
  /** RFC 3339. */
  readonly leaseExpiresAt!: string;
  /** Its clock minus ours, in milliseconds. */
  readonly clockSkewMs!: number | null;
  readonly sourceAddress!: string;
  readonly agentVersion!: string;
  readonly versionStatus!: 'Supported' | 'NotSupported' | 'Deprecated' | 'UpdateRequired' | 'SecurityUpdateRequired';
  /** Our own gaps since its last sign of life. */
  readonly serviceOutages!: ServiceOutageDto[];
  /** Refusals of the last 24 hours: event kinds, newest last. */
  readonly recentRefusals!: string[];
  /** The same, each with what it means and what to do. */
  readonly refusals!: RefusalDto[];
  /** Members of its last heartbeat that were not used: what they report is unknown. */
  readonly ignoredFields!: string[];
  /** RFC 3339. */
  readonly asOf!: string;
}

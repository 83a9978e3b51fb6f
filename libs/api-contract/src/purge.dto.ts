import { IsBoolean, IsIn, IsInt, IsOptional, Max, MaxLength, Min } from 'class-validator';
import { IsAddress, IsHostId, IsDisplayText, IsDisplayTextPrefix } from './validators.js';

/** Body of POST /v1/process-servers/{hostId}/purge. */
export class PurgeRequest {
  /** The generation that the caller read: a newer registration is not purged. */
  @IsInt()
  @Min(1)
  @Max(4_294_967_295)
  readonly generation!: number;

  /**
   * Reason for the audit log; one line.
   * @example 'machine was scrapped'
   */
  @IsDisplayText(500)
  @MaxLength(500)
  readonly reason!: string;

  /** Purges the entry even if it is Connected or machines are protected through it. */
  @IsOptional()
  @IsBoolean()
  readonly force?: boolean | null;
}

/** The entry is removed. A repeated call returns the same. */
export class PurgeResponse {
  readonly hostId!: string;
  readonly friendlyName!: string;
  readonly ipAddress!: string;
  /** RFC 3339. */
  readonly purgedAt!: string;
}

/** Body of POST /v1/purges: at least one member. Only Disconnected entries become candidates. */
export class PurgePlanRequest {
  @IsOptional()
  @IsIn(['Disconnected'])
  readonly connectionState?: 'Disconnected';

  @IsOptional()
  @IsIn(['Registered', 'Decommissioned'])
  readonly lifecycle?: 'Registered' | 'Decommissioned';

  @IsOptional()
  @IsIn(['Supported', 'NotSupported', 'Deprecated', 'UpdateRequired', 'SecurityUpdateRequired'])
  readonly versionStatus?: 'Supported' | 'NotSupported' | 'Deprecated' | 'UpdateRequired' | 'SecurityUpdateRequired';

  @IsOptional()
  @IsIn(['None', 'Normal', 'Warning', 'Critical'])
  readonly health?: 'None' | 'Normal' | 'Warning' | 'Critical';

  /** Exactly this address. */
  @IsOptional()
  @IsAddress()
  readonly ipAddress?: string;

  /** Names that begin with this text; compared in NFC and ignoring case only. */
  @IsOptional()
  @IsDisplayTextPrefix(255)
  @MaxLength(255)
  readonly friendlyName?: string;

  /** Exactly this machine id; case-sensitive. */
  @IsOptional()
  @IsDisplayText(128)
  @MaxLength(128)
  readonly machineId?: string;

  /** Whether another entry has the same address, name or machine id. */
  @IsOptional()
  @IsBoolean()
  readonly possibleDuplicate?: boolean;

  /** Registered with this passphrase. */
  @IsOptional()
  @IsHostId()
  readonly passphraseId?: string;

  /** Registered with this enrolment. */
  @IsOptional()
  @IsHostId()
  readonly enrolmentId?: string;

  /** Only entries that have never sent a heartbeat. */
  @IsOptional()
  @IsIn([true])
  readonly neverConnected?: true;

  /** Minimum silence while the service accepted heartbeats, in seconds. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(315_360_000)
  readonly silentForSeconds?: number;
}

export class PurgeCandidate {
  readonly hostId!: string;
  readonly generation!: number;
  readonly friendlyName!: string;
  readonly ipAddress!: string;
  /** RFC 3339; null before its first heartbeat. */
  readonly lastHeartbeatAt!: string | null;
  /**
   * Problem code with which a purge without `force` would be rejected; null if it would succeed.
   * @example 'machines_protected'
   */
  readonly blockedBy!: string | null;
}

/** The candidates of a purge. Nothing has been purged yet. */
export class PurgePlanResponse {
  readonly planId!: string;
  /** The first 1,000 matches, ordered by host id. */
  readonly candidates!: PurgeCandidate[];
  /** Number of further matches, counted up to 10,000: make another plan after these are purged. */
  readonly remaining!: number;
  /** RFC 3339. */
  readonly expiresAt!: string;
}

/** Body of POST /v1/purges/{planId}/apply. */
export class ApplyPurgeRequest {
  /** Number of candidates that the caller read. */
  @IsInt()
  @Min(0)
  @Max(1_000)
  readonly expectedCount!: number;

  /** Reason for the audit log; one line. */
  @IsDisplayText(500)
  @MaxLength(500)
  readonly reason!: string;

  /** Required if the plan covers more than 15 % of the fleet and more than 10 entries. */
  @IsOptional()
  @IsBoolean()
  readonly acknowledgeShare?: boolean | null;

  /** Also purges candidates with protected machines; a Connected candidate is always skipped. */
  @IsOptional()
  @IsBoolean()
  readonly force?: boolean | null;
}

export class SkippedCandidate {
  readonly hostId!: string;
  /**
   * Problem code with which a purge of this candidate alone would be rejected.
   * @example 'process_server_connected'
   */
  readonly code!: string;
}

/** The result of a plan. A repeated call returns the same. */
export class ApplyPurgeResponse {
  readonly purged!: PurgeResponse[];
  readonly skipped!: SkippedCandidate[];
}

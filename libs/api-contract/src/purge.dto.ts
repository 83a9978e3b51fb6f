import { IsBoolean, IsIn, IsInt, IsOptional, Max, MaxLength, Min } from 'class-validator';
import { IsAddress, IsHostId, IsDisplayText, IsDisplayTextPrefix } from './validators.js';

/** Body of POST /v1/process-servers/{hostId}/purge. */
export class PurgeRequest {
  /** The generation that you saw: one that has registered since is not purged. */
  @IsInt()
  @Min(1)
  @Max(4_294_967_295)
  readonly generation!: number;

  /**
   * Why, for the audit log; one line.
   * @example 'machine was scrapped'
   */
  @IsDisplayText(500)
  @MaxLength(500)
  readonly reason!: string;

  /** Purges it even while it is Connected or machines are protected through it. */
  @IsOptional()
  @IsBoolean()
  readonly force?: boolean | null;
}

/** The entry is gone. Asked again, the same. */
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

  /** Names that begin with this; compared in NFC and without regard to case alone. */
  @IsOptional()
  @IsDisplayTextPrefix(255)
  @MaxLength(255)
  readonly friendlyName?: string;

  /** Exactly this machine id; case matters. */
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

  /** Only entries that have never sent a heartbeat. */
  @IsOptional()
  @IsIn([true])
  readonly neverConnected?: true;

  /** Silent for at least this long while we listened, in seconds. */
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
  /** RFC 3339; null when it never sent one. */
  readonly lastHeartbeatAt!: string | null;
  /**
   * Problem code that a purge of it would be refused with, unless forced; null when it would be purged.
   * @example 'machines_protected'
   */
  readonly blockedBy!: string | null;
}

/** Who would be purged. Nothing has happened yet. */
export class PurgePlanResponse {
  readonly planId!: string;
  /** The first 1,000 that match, in the order of their host ids. */
  readonly candidates!: PurgeCandidate[];
  /** How many more match, counted up to 10,000: plan again once these are purged. */
  readonly remaining!: number;
  /** RFC 3339. */
  readonly expiresAt!: string;
}

/** Body of POST /v1/purges/{planId}/apply. */
export class ApplyPurgeRequest {
  /** Number of candidates that you saw. */
  @IsInt()
  @Min(0)
  @Max(1_000)
  readonly expectedCount!: number;

  /** Why, for the audit log; one line. */
  @IsDisplayText(500)
  @MaxLength(500)
  readonly reason!: string;

  /** Needed when the plan covers more than 15 % of the fleet, and more than 10. */
  @IsOptional()
  @IsBoolean()
  readonly acknowledgeShare?: boolean | null;

  /** Purges also those with protected machines; one that is Connected is skipped all the same. */
  @IsOptional()
  @IsBoolean()
  readonly force?: boolean | null;
}

export class SkippedCandidate {
  readonly hostId!: string;
  /**
   * Problem code of a purge of this one alone.
   * @example 'process_server_connected'
   */
  readonly code!: string;
}

/** What became of the plan. Applied again, the same. */
export class ApplyPurgeResponse {
  readonly purged!: PurgeResponse[];
  readonly skipped!: SkippedCandidate[];
}

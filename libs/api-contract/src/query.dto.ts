import { Transform } from 'class-transformer';
import { IsBoolean, IsIn, IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { IsAddress, IsHostId, IsTimestamp, IsDisplayText, IsDisplayTextPrefix } from './validators.js';

/** Digits with an optional sign: `Number` would also accept an empty text as 0, `0x10` and `1e2`. The member's decorators check the bounds. */
export const parseInteger = ({ value }: { value: unknown }): unknown =>
  typeof value === 'string' && /^-?\d{1,300}$/.test(value) ? Number(value) || 0 : value;

/** `true` and `false` in a query string. */
export const parseBoolean = ({ value }: { value: unknown }): unknown =>
  value === 'true' ? true : value === 'false' ? false : value;

/** Pagination of every list. */
export class PageQuery {
  /** Items of a page, 1 to 1,000; default 100. */
  @IsOptional()
  @Transform(parseInteger)
  @IsInt()
  @Min(1)
  @Max(1_000)
  readonly limit?: number;

  /** `nextCursor` of the previous page, with the same filters. */
  @IsOptional()
  @IsString()
  @MaxLength(6_000)
  readonly cursor?: string;
}

/** Query of GET /v1/process-servers. All given filters must match. */
export class ListProcessServersQuery extends PageQuery {
  @IsOptional()
  @IsIn(['Connected', 'Disconnected'])
  readonly connectionState?: 'Connected' | 'Disconnected';

  @IsOptional()
  @IsIn(['Registered', 'Decommissioned'])
  readonly lifecycle?: 'Registered' | 'Decommissioned';

  @IsOptional()
  @IsIn(['Supported', 'NotSupported', 'Deprecated', 'UpdateRequired', 'SecurityUpdateRequired'])
  readonly versionStatus?: 'Supported' | 'NotSupported' | 'Deprecated' | 'UpdateRequired' | 'SecurityUpdateRequired';

  @IsOptional()
  @IsIn(['None', 'Normal', 'Warning', 'Critical'])
  readonly health?: 'None' | 'Normal' | 'Warning' | 'Critical';

  /** Exactly this address, in any notation. */
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
  @Transform(parseBoolean)
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

  /** Minimum silence while the service accepted heartbeats, in seconds. */
  @IsOptional()
  @Transform(parseInteger)
  @IsInt()
  @Min(0)
  @Max(315_360_000)
  readonly silentForSeconds?: number;

  /** Ascending; `lastHeartbeat` is the time last seen, longest silent first. Default `hostId`. */
  @IsOptional()
  @IsIn(['hostId', 'friendlyName', 'lastHeartbeat'])
  readonly sort?: 'hostId' | 'friendlyName' | 'lastHeartbeat';
}

/** Query of GET /v1/events/export. All given filters must match. */
export class ExportEventsQuery {
  /** @example 'purged' */
  @IsOptional()
  @IsDisplayText(48)
  @MaxLength(48)
  readonly kind?: string;

  @IsOptional()
  @IsHostId()
  readonly hostId?: string;

  /**
   * Exactly this actor; case-sensitive.
   * @example 'operator:admin'
   */
  @IsOptional()
  @IsDisplayText(128)
  @MaxLength(128)
  readonly actor?: string;

  /** At or after, RFC 3339. */
  @IsOptional()
  @IsTimestamp()
  readonly from?: string;

  /** Before, RFC 3339. */
  @IsOptional()
  @IsTimestamp()
  readonly to?: string;
}

/** Query of GET /v1/process-servers/{hostId}/events. */
export class ListTimelineQuery extends PageQuery {
  /** At or after, RFC 3339; an ongoing silence is returned if it overlaps the period. */
  @IsOptional()
  @IsTimestamp()
  readonly from?: string;

  /** Before, RFC 3339. */
  @IsOptional()
  @IsTimestamp()
  readonly to?: string;

  /** Default `oldest` first; with newest first, events of the last ten seconds may be missing. */
  @IsOptional()
  @IsIn(['oldest', 'newest'])
  readonly order?: 'oldest' | 'newest';
}

/** Query of GET /v1/events. */
export class ListEventsQuery extends ExportEventsQuery implements PageQuery {
  /** Default `oldest` first; with newest first, events of the last ten seconds may be missing. */
  @IsOptional()
  @IsIn(['oldest', 'newest'])
  readonly order?: 'oldest' | 'newest';

  /** Items of a page, 1 to 1,000; default 100. */
  @IsOptional()
  @Transform(parseInteger)
  @IsInt()
  @Min(1)
  @Max(1_000)
  readonly limit?: number;

  /** `nextCursor` of the previous page, with the same filters. */
  @IsOptional()
  @IsString()
  @MaxLength(6_000)
  readonly cursor?: string;
}

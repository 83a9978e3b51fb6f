import { Transform } from 'class-transformer';
import { IsBoolean, IsIn, IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { IsAddress, IsHostId, IsTimestamp, IsDisplayText, IsDisplayTextPrefix } from './validators.js';

/** Digits, perhaps with a sign, and nothing else: `Number` would take an empty text for 0, and `0x10` and `1e2` as well. The bounds of the member say the rest. */
export const parseInteger = ({ value }: { value: unknown }): unknown =>
  typeof value === 'string' && /^-?\d{1,300}$/.test(value) ? Number(value) || 0 : value;

/** `true` and `false` as a query spells them. */
export const parseBoolean = ({ value }: { value: unknown }): unknown =>
  value === 'true' ? true : value === 'false' ? false : value;

/** Paging of every list. */
export class PageQuery {
  /** Items of a page, 1 to 1,000; 100 unless told. */
  @IsOptional()
  @Transform(parseInteger)
  @IsInt()
  @Min(1)
  @Max(1_000)
  readonly limit?: number;

  /** `nextCursor` of the page before, with the same filters. */
  @IsOptional()
  @IsString()
  @MaxLength(6_000)
  readonly cursor?: string;
}

/** Query of GET /v1/process-servers. Members narrow each other down. */
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

  /** Exactly this address, however it is written. */
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
  @Transform(parseBoolean)
  @IsBoolean()
  readonly possibleDuplicate?: boolean;

  /** Registered with this passphrase. */
  @IsOptional()
  @IsHostId()
  readonly passphraseId?: string;

  /** Silent for at least this long while we listened, in seconds. */
  @IsOptional()
  @Transform(parseInteger)
  @IsInt()
  @Min(0)
  @Max(315_360_000)
  readonly silentForSeconds?: number;

  /** Ascending; `lastHeartbeat` is the last sign of life, longest silent first. `hostId` unless told. */
  @IsOptional()
  @IsIn(['hostId', 'friendlyName', 'lastHeartbeat'])
  readonly sort?: 'hostId' | 'friendlyName' | 'lastHeartbeat';
}

/** Query of GET /v1/events/export. Members narrow each other down. */
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
   * Exactly this one; case matters.
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
  /** At or after, RFC 3339; a silence that runs now is shown when a part of it is. */
  @IsOptional()
  @IsTimestamp()
  readonly from?: string;

  /** Before, RFC 3339. */
  @IsOptional()
  @IsTimestamp()
  readonly to?: string;

  /** `oldest` first unless told; newest first, events of the last ten seconds may be missing. */
  @IsOptional()
  @IsIn(['oldest', 'newest'])
  readonly order?: 'oldest' | 'newest';
}

/** Query of GET /v1/events. */
export class ListEventsQuery extends ExportEventsQuery implements PageQuery {
  /** `oldest` first unless told; newest first, events of the last ten seconds may be missing. */
  @IsOptional()
  @IsIn(['oldest', 'newest'])
  readonly order?: 'oldest' | 'newest';

  /** Items of a page, 1 to 1,000; 100 unless told. */
  @IsOptional()
  @Transform(parseInteger)
  @IsInt()
  @Min(1)
  @Max(1_000)
  readonly limit?: number;

  /** `nextCursor` of the page before, with the same filters. */
  @IsOptional()
  @IsString()
  @MaxLength(6_000)
  readonly cursor?: string;
}

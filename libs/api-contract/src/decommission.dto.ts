import { Transform } from 'class-transformer';
import { IsBoolean, IsInt, IsOptional, Max, MaxLength, Min } from 'class-validator';
import { IsDisplayText } from './validators.js';
import { parseBoolean, parseInteger } from './query.dto.js';

/** Query of DELETE /v1/process-servers/{hostId}. */
export class DecommissionQuery {
  /** Decommissions it although machines are protected through it; requires a reason. */
  @IsOptional()
  @Transform(parseBoolean)
  @IsBoolean()
  readonly force?: boolean;

  /** The generation that the caller read: a newer registration is not decommissioned. */
  @IsOptional()
  @Transform(parseInteger)
  @IsInt()
  @Min(1)
  @Max(4_294_967_295)
  readonly generation?: number;

  /** Reason for the audit log; one line. */
  @IsOptional()
  @IsDisplayText(500)
  @MaxLength(500)
  readonly reason?: string;
}

/** The entry is Decommissioned. */
export class DecommissionResponse {
  readonly state!: 'Decommissioned';

  /** When the entry is removed from every list at the latest, RFC 3339. */
  readonly removeBy!: string;
}

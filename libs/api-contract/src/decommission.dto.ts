import { Transform } from 'class-transformer';
import { IsBoolean, IsInt, IsOptional, Max, MaxLength, Min } from 'class-validator';
import { IsDisplayText } from './validators.js';
import { parseBoolean, parseInteger } from './query.dto.js';

/** Query of DELETE /v1/process-servers/{hostId}. */
export class DecommissionQuery {
  /** Takes it out although machines are protected through it; needs a reason. */
  @IsOptional()
  @Transform(parseBoolean)
  @IsBoolean()
  readonly force?: boolean;

  /** The generation that you saw: one that has registered since stays. */
  @IsOptional()
  @Transform(parseInteger)
  @IsInt()
  @Min(1)
  @Max(4_294_967_295)
  readonly generation?: number;

  /** Why, for the audit log; one line. */
  @IsOptional()
  @IsDisplayText(500)
  @MaxLength(500)
  readonly reason?: string;
}

/** The entry is leaving. */
export class DecommissionResponse {
  readonly state!: 'Decommissioned';

  /** By when it is gone from every list, RFC 3339. */
  readonly removeBy!: string;
}

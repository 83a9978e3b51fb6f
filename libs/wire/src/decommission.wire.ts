import { Transform } from 'class-transformer';
import { IsBoolean, IsOptional, MaxLength } from 'class-validator';
import { IsLabel } from './checks.js';

const trueOrFalse = ({ value }: { value: unknown }): unknown => (value === 'true' ? true : value === 'false' ? false : value);

/** Query of DELETE /v1/process-servers/{hostId}. */
export class DecommissionQuery {
  /** Takes it out although machines are protected through it; needs a reason. */
  @IsOptional()
  @Transform(trueOrFalse)
  @IsBoolean()
  readonly force?: boolean;

  /** Why, for the audit log; one line. */
  @IsOptional()
  @IsLabel(500)
  @MaxLength(500)
  readonly reason?: string;
}

/** The entry is leaving. */
export class DecommissionResponse {
  readonly state!: 'Decommissioned';

  /** By when it is gone from every list, RFC 3339. */
  readonly removeBy!: string;
}

import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsInt,
  IsNumber,
  IsObject,
  IsOptional,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { IsTimestamp, IsDisplayText, IsPartOf, IsVersion } from './validators.js';
import { FieldError } from './problem.dto.js';

const MAX_INTEGER = Number.MAX_SAFE_INTEGER;

/** Load of the machine. An absent member is unknown, and unknown never counts as healthy. */
export class LoadReport {
  /**
   * Mean CPU use of the last minutes, in percent; rounded to two decimals.
   * @example 37.5
   */
  @IsOptional()
  @IsNumber({ allowNaN: false, allowInfinity: false })
  @Min(0)
  @Max(100)
  readonly cpuPercent?: number | null;

  /** In bytes. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(MAX_INTEGER)
  readonly totalMemoryBytes?: number | null;

  /** In bytes, at most `totalMemoryBytes`. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(MAX_INTEGER)
  @IsPartOf('totalMemoryBytes')
  readonly availableMemoryBytes?: number | null;

  /** Size of the cache disk, in bytes. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(MAX_INTEGER)
  readonly totalCacheBytes?: number | null;

  /** In bytes, at most `totalCacheBytes`. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(MAX_INTEGER)
  @IsPartOf('totalCacheBytes')
  readonly freeCacheBytes?: number | null;

  /** Upload throughput, in bytes per second. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(MAX_INTEGER)
  readonly throughputBytesPerSecond?: number | null;

  /** Data waiting for upload, in bytes. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(MAX_INTEGER)
  readonly pendingUploadBytes?: number | null;
}

/** One service of the process server. */
export class ServiceReport {
  /** @example 'cxprocessserver' */
  @IsDisplayText(128)
  @MaxLength(128)
  readonly name!: string;

  /**
   * `running`; any other value means not running.
   * @example 'running'
   */
  @IsDisplayText(32)
  @MaxLength(32)
  readonly state!: string;
}

/**
 * Body of POST /v1/process-servers/{hostId}/heartbeats. Only the generation is required: any other unknown or invalid member is ignored
 * and named in the response.
 */
export class HeartbeatRequest {
  /**
   * The generation that the last registration returned.
   * @example 1
   */
  @IsInt()
  @Min(1)
  @Max(4_294_967_295)
  readonly generation!: number;

  /** As registered; another value is a conflict. */
  @IsOptional()
  @IsDisplayText(128)
  @MaxLength(128)
  readonly machineId?: string | null;

  /**
   * Random for each start of the agent: distinguishes a clone from a restart.
   * @example '7f0c6a1e'
   */
  @IsOptional()
  @IsDisplayText(64)
  @MaxLength(64)
  readonly instanceId?: string | null;

  /**
   * Version of the process server, four parts.
   * @example '1.0.0.0'
   */
  @IsOptional()
  @IsVersion()
  readonly agentVersion?: string | null;

  /**
   * The sender's clock, RFC 3339. Used only to show the clock skew.
   */
  @IsOptional()
  @IsTimestamp()
  readonly sentAt?: string | null;

  /** `null` withdraws the last report. */
  @IsOptional()
  @IsObject()
  @ValidateNested()
  @Type(() => LoadReport)
  readonly load?: LoadReport | null;

  /** At most 64. An empty list reports nothing about services; `null` withdraws the last report. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(64)
  @ValidateNested({ each: true })
  @Type(() => ServiceReport)
  readonly services?: ServiceReport[] | null;

  /** Machines that replicate through the process server. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(1_000_000)
  readonly protectedMachineCount?: number | null;

  /** Replication pairs of the process server. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(10_000_000)
  readonly replicationPairCount?: number | null;

  /** Data change of the protected machines in a day, in bytes. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(MAX_INTEGER)
  readonly churnBytesPerDay?: number | null;

  /**
   * Expiry of the certificate, RFC 3339; `null` withdraws the last report.
   * @example '2027-06-30T00:00:00Z'
   */
  @IsOptional()
  @IsTimestamp()
  readonly certificateExpiresAt?: string | null;
}

/** An accepted heartbeat, committed to the database. */
export class HeartbeatResponse {
  /** The earliest time at which silence ends the lease, RFC 3339. */
  readonly leaseExpiresAt!: string;

  /** Assigned interval until the next heartbeat, in seconds. */
  readonly heartbeatIntervalSeconds!: number;

  readonly versionStatus!: 'Supported' | 'NotSupported' | 'Deprecated' | 'UpdateRequired' | 'SecurityUpdateRequired';

  /** What the agent must do next; an unknown instruction means `none`. */
  readonly instruction!: 'none' | 'upgrade';

  /** Ignored members of the heartbeat, the first 20; absent if all were used. Their values are unknown until a usable value arrives. */
  readonly ignored?: FieldError[];
}

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
import { IsTimestamp, IsDisplayText, IsVersion } from './validators.js';
import { FieldError } from './problem.dto.js';

const MAX_INTEGER = Number.MAX_SAFE_INTEGER;

/** Load of the machine. What is left out is unknown, and unknown never looks healthy. */
export class LoadReport {
  /**
   * Mean processor use of the last minutes, in percent; rounded to two decimals.
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

  /** In bytes. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(MAX_INTEGER)
  readonly availableMemoryBytes?: number | null;

  /** Size of the cache disk, in bytes. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(MAX_INTEGER)
  readonly totalCacheBytes?: number | null;

  /** In bytes. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(MAX_INTEGER)
  readonly freeCacheBytes?: number | null;

  /** Upload throughput, in bytes per second. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(MAX_INTEGER)
  readonly throughputBytesPerSecond?: number | null;

  /** Data that waits for upload, in bytes. */
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
   * `running`, or any other word for not running.
   * @example 'running'
   */
  @IsDisplayText(32)
  @MaxLength(32)
  readonly state!: string;
}

/**
 * Body of POST /v1/process-servers/{hostId}/heartbeats. Only the generation decides: any other member that is unknown or cannot be used
 * is ignored, and named in the response.
 */
export class HeartbeatRequest {
  /**
   * The number that the last registration answered with.
   * @example 1
   */
  @IsInt()
  @Min(1)
  @Max(4_294_967_295)
  readonly generation!: number;

  /** As registered; another one is a conflict. */
  @IsOptional()
  @IsDisplayText(128)
  @MaxLength(128)
  readonly machineId?: string | null;

  /**
   * Random for each start of the agent: tells a clone from a restart.
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
   * The sender's clock, RFC 3339. Shown as skew, never used.
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

  /** At most 64. An empty list says nothing of the services; `null` withdraws the last report. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(64)
  @ValidateNested({ each: true })
  @Type(() => ServiceReport)
  readonly services?: ServiceReport[] | null;

  /** Machines that replicate through it. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(1_000_000)
  readonly protectedMachineCount?: number | null;

  /** Pairs that replicate through it. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(10_000_000)
  readonly replicationPairCount?: number | null;

  /**
   * End of its certificate, RFC 3339; `null` withdraws the last report.
   * @example '2027-06-30T00:00:00Z'
   */
  @IsOptional()
  @IsTimestamp()
  readonly certificateExpiresAt?: string | null;
}

/** An accepted heartbeat: it is on disk. */
export class HeartbeatResponse {
  /** Earliest instant at which silence ends the lease, RFC 3339. */
  readonly leaseExpiresAt!: string;

  /** When to send the next heartbeat, in seconds. */
  readonly heartbeatIntervalSeconds!: number;

  readonly versionStatus!: 'Supported' | 'NotSupported' | 'Deprecated' | 'UpdateRequired' | 'SecurityUpdateRequired';

  /** What to do next; one that the sender does not know means `none`. */
  readonly instruction!: 'none' | 'upgrade';

  /** Members of the heartbeat that were not used, the first 20; left out when all were used. What they report is unknown until a usable value arrives. */
  readonly ignored?: FieldError[];
}

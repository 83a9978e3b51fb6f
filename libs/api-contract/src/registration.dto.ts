import { Type } from 'class-transformer';
import {
  IsBoolean,
  IsIn,
  IsInt,
  IsObject,
  IsOptional,
  IsString,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { ProcessServerSummary } from './process-server-list.dto.js';
import { IsTimestamp, IsDisplayText, IsMachineAddress, IsVersion } from './validators.js';

/** How the process server connects to the internet. The password of the proxy is never sent. */
export class ProxySettings {
  /** Whether a proxy is used. */
  @IsBoolean()
  readonly used!: boolean;

  /**
   * Name or address of the proxy.
   * @example 'proxy.example.net'
   */
  @IsOptional()
  @IsDisplayText(255)
  @MaxLength(255)
  readonly address?: string | null;

  /**
   * Port of the proxy.
   * @example 3128
   */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(65_535)
  readonly port?: number | null;

  /** Whether the proxy requires a password. */
  @IsOptional()
  @IsBoolean()
  readonly authenticated?: boolean | null;
}

/** Facts of a process server, for a registration and for its preflight check. */
export class RegisterRequest {
  /**
   * Display name; need not be unique.
   * @example 'ps-berlin-1'
   */
  @IsDisplayText(255)
  @MaxLength(255)
  readonly friendlyName!: string;

  /**
   * Fully qualified domain name.
   * @example 'ps-berlin-1.example.net'
   */
  @IsOptional()
  @IsDisplayText(255)
  @MaxLength(255)
  readonly fqdn?: string | null;

  /**
   * IPv4 or IPv6 address at which protected machines reach the process server.
   * @example '192.0.2.11'
   */
  @IsMachineAddress()
  readonly ipAddress!: string;

  /**
   * Data port, default 9443; never 443.
   * @example 9443
   */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(65_535)
  readonly dataPort?: number | null;

  /**
   * Operating system.
   * @example 'Windows'
   */
  @IsDisplayText(64)
  @MaxLength(64)
  readonly osType!: string;

  /**
   * Version of the operating system.
   * @example 'Server 2022'
   */
  @IsDisplayText(128)
  @MaxLength(128)
  readonly osVersion!: string;

  /**
   * Version of the process server, four parts.
   * @example '1.0.0.0'
   */
  @IsVersion()
  readonly agentVersion!: string;

  /**
   * Identity of the machine, e.g. its BIOS id: distinguishes a re-installed machine from another one.
   * @example '4c4c4544-0044-4a10-8054-b7c04f4b3932'
   */
  @IsDisplayText(128)
  @MaxLength(128)
  readonly machineId!: string;

  /** Kind of the protected machines. */
  @IsIn(['VMware', 'NonVMware'])
  readonly environment!: 'VMware' | 'NonVMware';

  /**
   * Processor cores.
   * @example 8
   */
  @IsInt()
  @Min(1)
  @Max(65_535)
  readonly cpuCores!: number;

  /**
   * Memory, in bytes.
   * @example 17179869184
   */
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  readonly memoryBytes!: number;

  /**
   * Size of the cache disk, in bytes.
   * @example 644245094400
   */
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  readonly cacheDiskBytes!: number;

  /**
   * The sender's clock, RFC 3339: used for the clock skew. More than 15 minutes ahead is rejected.
   */
  @IsOptional()
  @IsTimestamp()
  readonly sentAt?: string | null;

  /**
   * Credential of the current registration, if any: proves that the same process server registers again. An invalid one is ignored,
   * and is not an error.
   * @example 'psc_AAAAAfc0…'
   */
  @IsOptional()
  @IsString()
  @MaxLength(200)
  readonly previousCredential?: string | null;

  /** Absent if not reported. */
  @IsOptional()
  @IsObject()
  @ValidateNested()
  @Type(() => ProxySettings)
  readonly proxy?: ProxySettings | null;
}

/** The registered facts as they are returned. */
export class RegisteredServer extends ProcessServerSummary {
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
  readonly proxy!: ProxySettings | null;
}

/** A finding about a registration. */
export class FindingDto {
  /**
   * Stable code.
   * @example 'below_sizing_table'
   */
  readonly code!: string;

  /** `error` prevents the registration. */
  readonly severity!: 'error' | 'warning' | 'info';

  /**
   * The member of the body that it concerns; `hostId`, `hardware` or `authorization` for others.
   * @example 'memoryBytes'
   */
  readonly field!: string;

  /** Human-readable. */
  readonly message!: string;
}

/** An accepted registration. The credential is returned only here. */
export class RegistrationResponse {
  /** Canonical, lower case. */
  readonly hostId!: string;

  /** Number of this registration; every later call of the process server sends it. */
  readonly generation!: number;

  /**
   * Bearer token of this generation.
   * @example 'psc_AAAAAfc0…'
   */
  readonly credential!: string;

  /** Assigned interval until the next heartbeat, in seconds. */
  readonly heartbeatIntervalSeconds!: number;

  /** Silence after which the process server is Disconnected, in seconds. */
  readonly leaseSeconds!: number;

  /** Version of the process server compared with the configuration server's. */
  readonly versionStatus!: 'Supported' | 'NotSupported' | 'Deprecated' | 'UpdateRequired' | 'SecurityUpdateRequired';

  /** Capacity of the hardware. */
  readonly sizingClass!: 'UpTo85Machines' | 'UpTo150Machines' | 'UpTo225Machines' | 'BelowTable';

  /** Findings for the operator; the registration is valid. */
  readonly warnings!: FindingDto[];
}

/** The result that a registration would have now. Nothing was written. */
export class PreflightResponse {
  /** False if a finding is an error. */
  readonly wouldRegister!: boolean;

  readonly findings!: FindingDto[];
}

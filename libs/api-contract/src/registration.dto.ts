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
import { IsTimestamp, IsDisplayText, IsMachineAddress, IsVersion } from './validators.js';

/** How the process server reaches the internet. The proxy's password is never sent. */
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

  /** Whether the proxy asks for a password. */
  @IsOptional()
  @IsBoolean()
  readonly authenticated?: boolean | null;
}

/** What a process server says of itself when it registers, and when it asks whether it could. */
export class RegisterRequest {
  /**
   * Name for people; need not be unique.
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
   * IPv4 or IPv6 address that protected machines reach it under.
   * @example '192.0.2.11'
   */
  @IsMachineAddress()
  readonly ipAddress!: string;

  /**
   * Data port, 9443 unless told; never 443.
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
   * Identity of the machine itself, e.g. its BIOS id: tells a re-installed machine from another one.
   * @example '4c4c4544-0044-4a10-8054-b7c04f4b3932'
   */
  @IsDisplayText(128)
  @MaxLength(128)
  readonly machineId!: string;

  /** What kind of machines it protects. */
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
   * The sender's clock, RFC 3339: tells how far it is off. More than 15 minutes ahead is refused.
   */
  @IsOptional()
  @IsTimestamp()
  readonly sentAt?: string | null;

  /**
   * Credential of its present registration, when it has one: proves that the same process server registers again. One that is
   * not valid proves nothing, and is not an error.
   * @example 'psc_AAAAAfc0…'
   */
  @IsOptional()
  @IsString()
  @MaxLength(200)
  readonly previousCredential?: string | null;

  /** Absent: not told. */
  @IsOptional()
  @IsObject()
  @ValidateNested()
  @Type(() => ProxySettings)
  readonly proxy?: ProxySettings | null;
}

/** Something worth knowing about a registration. */
export class FindingDto {
  /**
   * Stable code.
   * @example 'below_sizing_table'
   */
  readonly code!: string;

  /** `refusal` would keep it from registering. */
  readonly severity!: 'refusal' | 'warning';

  /** For people. */
  readonly message!: string;
}

/** An accepted registration. The credential is shown here and never again. */
export class RegistrationResponse {
  /** Canonical, lower case. */
  readonly hostId!: string;

  /** Number of this registration; every later call of the process server names it. */
  readonly generation!: number;

  /**
   * Bearer token of this generation.
   * @example 'psc_AAAAAfc0…'
   */
  readonly credential!: string;

  /** When to send the next heartbeat, in seconds. */
  readonly heartbeatIntervalSeconds!: number;

  /** Silence that makes it Disconnected, in seconds. */
  readonly leaseSeconds!: number;

  /** The version against the configuration server's. */
  readonly versionStatus!: 'Supported' | 'NotSupported' | 'Deprecated' | 'UpdateRequired' | 'SecurityUpdateRequired';

  /** What the hardware can carry. */
  readonly sizingClass!: 'UpTo85Machines' | 'UpTo150Machines' | 'UpTo225Machines' | 'BelowTable';

  /** What an operator should look at; the registration holds all the same. */
  readonly warnings!: FindingDto[];
}

/** What would happen if it registered now. Nothing was written. */
export class PreflightResponse {
  /** False when a finding is a refusal. */
  readonly wouldRegister!: boolean;

  readonly findings!: FindingDto[];
}

import { IsIn, IsInt, IsOptional, Max, MaxLength, Min } from 'class-validator';
import { IsDisplayText, IsTimestamp } from './validators.js';

/** Body of POST /v1/enrolments. */
export class EnrolmentRequest {
  /** RFC 3339; default in five days, at most 90 days ahead. */
  @IsOptional()
  @IsTimestamp()
  readonly expiresAt?: string | null;

  /** Number of process servers that may register, 1 to 1,000; default 1. */
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(1_000)
  readonly maxRegistrations?: number | null;

  /**
   * Purpose or recipient, for the list and the audit log.
   * @example 'second process server in Berlin'
   */
  @IsDisplayText(200)
  @MaxLength(200)
  readonly note!: string;
}

/** An enrolment without its token. */
export class EnrolmentDto {
  readonly enrolmentId!: string;
  /** @example 'second process server in Berlin' */
  readonly note!: string;
  /** Only an `Active` enrolment permits new registrations; a `UsedUp` one permits repetitions by the process servers that it registered. */
  readonly state!: 'Active' | 'Expired' | 'UsedUp' | 'Revoked';
  /** RFC 3339. */
  readonly createdAt!: string;
  /** @example 'operator:anna' */
  readonly createdBy!: string;
  /** RFC 3339. */
  readonly expiresAt!: string;
  /** @example 1 */
  readonly maxRegistrations!: number;
  /**
   * Counted registrations.
   * @example 0
   */
  readonly registrations!: number;
  /** RFC 3339; null if it is not revoked. */
  readonly revokedAt!: string | null;
  readonly revokedBy!: string | null;
}

/** How process servers reach the configuration server. */
export class ConnectionDto {
  /**
   * Names or addresses.
   * @example ['cs.example.net']
   */
  readonly addresses!: string[];
  /** @example 443 */
  readonly port!: number;
  /** Whether connections use TLS. */
  readonly tls!: boolean;
  /**
   * SHA-256 of the certificate (DER), hex; null if this configuration server serves no TLS.
   * @example '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'
   */
  readonly tlsCertificateSha256!: string | null;
}

/** The newest process server release of an operating system that is not newer than the configuration server. */
export class PackageDto {
  /** @example 'Windows' */
  readonly osType!: 'Windows' | 'Linux';
  /** @example '9.63.7187.1' */
  readonly version!: string;
  /**
   * With http or https. A package of this configuration server is downloaded with the enrolment or the passphrase.
   * @example 'https://cs.example.net/v1/releases/ProcessServer/Windows/9.63.7187.1/package'
   */
  readonly url!: string;
  readonly sizeBytes!: number;
  /**
   * SHA-256 of the package, 64 hexadecimal digits.
   * @example '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae'
   */
  readonly sha256!: string;
}

/** Query of GET /v1/configuration-server/enrolment. */
export class EnrolmentInfoQuery {
  /** Operating system of the new process server. */
  @IsIn(['Windows', 'Linux'])
  readonly osType!: 'Windows' | 'Linux';
}

/** Everything that is needed to add a process server, except a secret. */
export class EnrolmentInfo extends ConnectionDto {
  readonly siteId!: string;
  /**
   * The version to install: the configuration server's.
   * @example '9.63.7187.1'
   */
  readonly requiredVersion!: string;
  /** Null if the release catalogue has none. */
  readonly package!: PackageDto | null;
  /**
   * Registers the machine on which it runs, with the file of an enrolment.
   * @example 'process-server install --cs-address cs.example.net --cs-port 443 --enrolment-file enrolment.json'
   */
  readonly command!: string;
}

/** The content of an enrolment file: everything that a new process server needs. Save it as it is, readable by its owner only. */
export class EnrolmentFile extends ConnectionDto {
  /** Version of this format. */
  readonly format!: 1;
  readonly siteId!: string;
  readonly enrolmentId!: string;
  /** RFC 3339. */
  readonly expiresAt!: string;
  /**
   * The version to install: the configuration server's.
   * @example '1.0.0.0'
   */
  readonly requiredVersion!: string;
  /** For each operating system that the release catalogue has a process server release for. */
  readonly packages!: PackageDto[];
  /**
   * Registers the machine on which it runs, with this file as `enrolment.json`.
   * @example 'process-server install --cs-address cs.example.net --cs-port 443 --enrolment-file enrolment.json'
   */
  readonly command!: string;
  /**
   * For `Authorization: Enrolment <token>`.
   * @example 'pse_AZnwxD9efMGd…'
   */
  readonly token!: string;
}

/** A new enrolment. Its file is returned only once. */
export class CreatedEnrolment extends EnrolmentDto {
  readonly file!: EnrolmentFile;
}

/** One page in the order of creation. */
export class EnrolmentList {
  readonly items!: EnrolmentDto[];
  /** Null on the last page. */
  readonly nextCursor!: string | null;
  /** RFC 3339. */
  readonly asOf!: string;
}

import { IsArray, IsIn, IsInt, IsOptional, Max, Min, ArrayMaxSize, ArrayUnique } from 'class-validator';
import { PageQuery } from './query.dto.js';
import { IsDownloadUrl, IsPackageFile, IsSha256, IsTimestamp } from './validators.js';

/** Body of PUT /v1/releases/{component}/{osType}/{version}: exactly one of `downloadUrl` and `packageFile`. */
export class ReleaseRequest {
  /** RFC 3339. */
  @IsTimestamp()
  readonly releasedAt!: string;

  /** The first time without support, RFC 3339; after `releasedAt`. */
  @IsTimestamp()
  readonly supportEndsAt!: string;

  /** Why process servers must or should leave this release; the worst one is their version status. Default none. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(3)
  @ArrayUnique()
  @IsIn(['Deprecated', 'UpdateRequired', 'SecurityUpdateRequired'], { each: true })
  readonly flags?: ('Deprecated' | 'UpdateRequired' | 'SecurityUpdateRequired')[] | null;

  /** Size of the package. */
  @IsInt()
  @Min(1)
  @Max(Number.MAX_SAFE_INTEGER)
  readonly sizeBytes!: number;

  /**
   * SHA-256 of the package in hexadecimal digits.
   * @example '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae'
   */
  @IsSha256()
  readonly sha256!: string;

  /**
   * Where the package is, with http or https and without credentials.
   * @example 'https://packages.example.net/process-server-9.63.7187.1.exe'
   */
  @IsOptional()
  @IsDownloadUrl()
  readonly downloadUrl?: string | null;

  /**
   * Name of a file in PACKAGES_DIRECTORY.
   * @example 'process-server-9.63.7187.1.exe'
   */
  @IsOptional()
  @IsPackageFile()
  readonly packageFile?: string | null;
}

/** A release of the catalogue. */
export class ReleaseDto {
  readonly component!: 'ProcessServer' | 'ConfigurationServer' | 'MobilityService';
  /** @example 'Windows' */
  readonly osType!: 'Windows' | 'Linux';
  /**
   * Without leading zeros.
   * @example '9.63.7187.1'
   */
  readonly version!: string;
  /** RFC 3339. */
  readonly releasedAt!: string;
  /** The first time without support, RFC 3339. */
  readonly supportEndsAt!: string;
  /** The most severe first. */
  readonly flags!: ('Deprecated' | 'UpdateRequired' | 'SecurityUpdateRequired')[];
  readonly sizeBytes!: number;
  /**
   * SHA-256 of the package, 64 hexadecimal digits.
   * @example '2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae'
   */
  readonly sha256!: string;
  /** Null if this server sends the package itself. */
  readonly downloadUrl!: string | null;
  /** Null if the package is elsewhere. */
  readonly packageFile!: string | null;
}

/** Query of GET /v1/releases. */
export class ListReleasesQuery extends PageQuery {
  @IsOptional()
  @IsIn(['ProcessServer', 'ConfigurationServer', 'MobilityService'])
  readonly component?: 'ProcessServer' | 'ConfigurationServer' | 'MobilityService';

  @IsOptional()
  @IsIn(['Windows', 'Linux'])
  readonly osType?: 'Windows' | 'Linux';
}

/** One page by component, operating system and version. The catalogue has at most 1,000 releases. */
export class ReleaseList {
  readonly items!: ReleaseDto[];
  /** Null on the last page. */
  readonly nextCursor!: string | null;
  /** RFC 3339. */
  readonly asOf!: string;
}

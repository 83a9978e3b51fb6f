import { IsIn, IsInt, IsOptional, Max, MaxLength, Min } from 'class-validator';
import { IsTimestamp, IsDisplayText } from './validators.js';

/** Body of POST /v1/api-keys. */
export class ApiKeyRequest {
  /**
   * User of the key, for the audit log. A name cannot be used twice.
   * @example 'portal'
   */
  @IsDisplayText(100)
  @MaxLength(100)
  readonly name!: string;

  /** `reader` reads, `operator` also decommissions and purges process servers, `admin` also manages API keys and the passphrase. */
  @IsIn(['reader', 'operator', 'admin'])
  readonly role!: 'reader' | 'operator' | 'admin';

  /** RFC 3339; if absent, the key does not expire. */
  @IsOptional()
  @IsTimestamp()
  readonly expiresAt?: string | null;
}

/** An API key without its secret. */
export class ApiKeyDto {
  readonly keyId!: string;
  /** @example 'portal' */
  readonly name!: string;
  readonly role!: 'reader' | 'operator' | 'admin';
  /**
   * The first characters of the key.
   * @example 'csk_3hT9qLx2'
   */
  readonly prefix!: string;
  /** RFC 3339. */
  readonly createdAt!: string;
  /** @example 'operator:admin' */
  readonly createdBy!: string;
  /** RFC 3339; null when it does not expire. */
  readonly expiresAt!: string | null;
  /** RFC 3339; null if it is not revoked. */
  readonly revokedAt!: string | null;
  /** RFC 3339, to the minute; null before the first use. */
  readonly lastUsedAt!: string | null;
}

/** A new API key. */
export class CreatedApiKey extends ApiKeyDto {
  /**
   * Returned only once.
   * @example 'csk_3hT9qLx2…'
   */
  readonly key!: string;
}

/** One page in the order of creation. */
export class ApiKeyList {
  readonly items!: ApiKeyDto[];
  /** Null on the last page. */
  readonly nextCursor!: string | null;
  /** RFC 3339. */
  readonly asOf!: string;
}

/** Body of POST /v1/passphrases. */
export class RotatePassphraseRequest {
  /** How long the earlier passphrases stay valid, in seconds; default PASSPHRASE_OVERLAP_SECONDS. 0 ends them at once. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(31_536_000)
  readonly overlapSeconds?: number | null;
}

/** A new passphrase, stored only in a file. */
export class PassphraseRotation {
  readonly passphraseId!: string;
  /** RFC 3339. */
  readonly createdAt!: string;
  /** When the earlier passphrases expire, RFC 3339. */
  readonly earlierRetireAt!: string;
  /** The replica on whose machine the file is. */
  readonly replica!: string;
  /**
   * Path of the file, readable by its owner only.
   * @example '/var/lib/configuration-server/connection.passphrase'
   */
  readonly file!: string;
}

/** A passphrase without its secret. */
export class PassphraseDto {
  readonly passphraseId!: string;
  /** RFC 3339. */
  readonly createdAt!: string;
  /** When the passphrase expires, RFC 3339; null for the current one. */
  readonly retiresAt!: string | null;
}

/** One page in the order of creation. */
export class PassphraseList {
  readonly items!: PassphraseDto[];
  /** Null on the last page. */
  readonly nextCursor!: string | null;
  /** RFC 3339. */
  readonly asOf!: string;
}

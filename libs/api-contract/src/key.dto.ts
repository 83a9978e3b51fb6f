import { IsIn, IsInt, IsOptional, Max, MaxLength, Min } from 'class-validator';
import { IsTimestamp, IsDisplayText } from './validators.js';

/** Body of POST /v1/api-keys. */
export class ApiKeyRequest {
  /**
   * Who uses it, for the audit log. Names are not given a second time.
   * @example 'portal'
   */
  @IsDisplayText(100)
  @MaxLength(100)
  readonly name!: string;

  /** `reader` looks, `operator` also takes process servers out, `admin` also manages keys and the passphrase. */
  @IsIn(['reader', 'operator', 'admin'])
  readonly role!: 'reader' | 'operator' | 'admin';

  /** RFC 3339; without it the key does not expire. */
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
   * How the key begins.
   * @example 'csk_3hT9qLx2'
   */
  readonly prefix!: string;
  /** RFC 3339. */
  readonly createdAt!: string;
  /** @example 'operator:admin' */
  readonly createdBy!: string;
  /** RFC 3339; null when it does not expire. */
  readonly expiresAt!: string | null;
  /** RFC 3339; null while it is good. */
  readonly revokedAt!: string | null;
  /** RFC 3339, within a minute; null until its first use. */
  readonly lastUsedAt!: string | null;
}

/** A new API key. */
export class CreatedApiKey extends ApiKeyDto {
  /**
   * Shown this once.
   * @example 'csk_3hT9qLx2…'
   */
  readonly key!: string;
}

/** One page, in the order in which they were made. */
export class ApiKeyList {
  readonly items!: ApiKeyDto[];
  /** Null on the last page. */
  readonly nextCursor!: string | null;
  /** RFC 3339. */
  readonly asOf!: string;
}

/** Body of POST /v1/passphrases. */
export class RotatePassphraseRequest {
  /** How long the earlier passphrases stay valid beside the new one, in seconds; PASSPHRASE_OVERLAP_SECONDS unless told, 0 ends them at once. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(31_536_000)
  readonly overlapSeconds?: number | null;
}

/** A new passphrase, which is in a file and nowhere else. */
export class PassphraseRotation {
  readonly passphraseId!: string;
  /** RFC 3339. */
  readonly createdAt!: string;
  /** Until then the earlier ones are valid as well, RFC 3339. */
  readonly earlierRetireAt!: string;
  /** The replica on whose machine the file is. */
  readonly replica!: string;
  /**
   * Where it is there, readable to the owner alone.
   * @example '/var/lib/configuration-server/connection.passphrase'
   */
  readonly file!: string;
}

/** A passphrase, which nobody can read again. */
export class PassphraseDto {
  readonly passphraseId!: string;
  /** RFC 3339. */
  readonly createdAt!: string;
  /** From then on it lets nobody in, RFC 3339; null for the one of now. */
  readonly retiresAt!: string | null;
}

/** One page, in the order in which they were made. */
export class PassphraseList {
  readonly items!: PassphraseDto[];
  /** Null on the last page. */
  readonly nextCursor!: string | null;
  /** RFC 3339. */
  readonly asOf!: string;
}

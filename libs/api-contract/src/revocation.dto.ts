import { IsInt, Max, MaxLength, Min } from 'class-validator';
import { IsDisplayText } from './validators.js';

/** Body of POST /v1/process-servers/{hostId}/revoke-credential. */
export class RevokeCredentialRequest {
  /** The generation that the caller read: the credential of a newer registration is not revoked. */
  @IsInt()
  @Min(1)
  @Max(4_294_967_295)
  readonly generation!: number;

  /**
   * Reason for the audit log; one line.
   * @example 'its disk was copied'
   */
  @IsDisplayText(500)
  @MaxLength(500)
  readonly reason!: string;
}

/** The credential is revoked; the process server is instructed to register again. A repeated call returns the same. */
export class RevokeCredentialResponse {
  readonly hostId!: string;
  readonly generation!: number;
  readonly credentialRevoked!: true;
}

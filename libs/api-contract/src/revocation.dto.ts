import { IsInt, Max, MaxLength, Min } from 'class-validator';
import { IsDisplayText } from './validators.js';

/** Body of POST /v1/process-servers/{hostId}/revoke-credential. */
export class RevokeCredentialRequest {
  /** The generation that you saw: one that has registered since keeps its credential. */
  @IsInt()
  @Min(1)
  @Max(4_294_967_295)
  readonly generation!: number;

  /**
   * Why, for the audit log; one line.
   * @example 'its disk was copied'
   */
  @IsDisplayText(500)
  @MaxLength(500)
  readonly reason!: string;
}

/** Its credential counts no more; it is told to register again. Asked again, the same. */
export class RevokeCredentialResponse {
  readonly hostId!: string;
  readonly generation!: number;
  readonly credentialRevoked!: true;
}

import { randomBytes } from 'node:crypto';
import { EnrolmentTokenIssuer } from '@app/fleet';
import { constantTimeEqual, OneShotHmac, sha256 } from './secrets.js';

export const ENROLMENT_TOKEN_PREFIX = 'pse_';
const SITE_BYTES = 16;
const RANDOM_BYTES = 32;
/** The canonical encoding of 16 + 32 + 32 bytes: the last two bits of the last digit are zero. */
const TOKEN_FORM = new RegExp(`^${ENROLMENT_TOKEN_PREFIX}[\\w-]{106}[AEIMQUYcgkosw048]$`);

/** The result of a check without a database: the SHA-256 of a genuine token, or why it is none. */
export type VerifiedEnrolmentToken =
  | { readonly verdict: 'genuine'; readonly hash: Buffer }
  | { readonly verdict: 'forged' }
  | { readonly verdict: 'unknown_site' };

/** `pse_` and, in base64url, the site id, 256 random bits, and an HMAC over both: a forgery is detected without a database. */
export class EnrolmentTokens extends EnrolmentTokenIssuer {
  private readonly hmac: OneShotHmac;

  constructor(key: Buffer) {
    super();
    this.hmac = new OneShotHmac(key);
  }

  issue(siteId: string): { readonly token: string; readonly tokenHash: string } {
    const body = Buffer.concat([siteBytes(siteId), randomBytes(RANDOM_BYTES)]);
    const token = ENROLMENT_TOKEN_PREFIX + Buffer.concat([body, this.hmac.digest(body)]).toString('base64url');
    return { token, tokenHash: sha256(token).toString('hex') };
  }

  /** A token that names another site was issued there, or is forged: this site cannot tell which. */
  verify(siteId: string, token: string): VerifiedEnrolmentToken {
    if (!TOKEN_FORM.test(token)) return { verdict: 'forged' };
    const bytes = Buffer.from(token.slice(ENROLMENT_TOKEN_PREFIX.length), 'base64url');
    if (!bytes.subarray(0, SITE_BYTES).equals(siteBytes(siteId))) return { verdict: 'unknown_site' };
    const body = bytes.subarray(0, SITE_BYTES + RANDOM_BYTES);
    if (!constantTimeEqual(this.hmac.digest(body), bytes.subarray(body.length))) return { verdict: 'forged' };
    return { verdict: 'genuine', hash: sha256(token) };
  }
}

const siteBytes = (siteId: string): Buffer => Buffer.from(siteId.replaceAll('-', ''), 'hex');

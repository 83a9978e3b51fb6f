import { describe, expect, it } from '@jest/globals';
import { EnrolmentTokens } from './enrolment-tokens.js';
import { sha256 } from './secrets.js';

const SITE = '0199f0c4-3f5e-7cc1-9d43-5f4c5b3a2e10';
const OTHER_SITE = '0199f0c4-3f5e-7cc1-9d43-5f4c5b3a2e11';
const tokens = new EnrolmentTokens(Buffer.alloc(32, 1));
const { token, tokenHash } = tokens.issue(SITE);

/** The token with one bit of this byte inverted. */
function withChangedByte(index: number): string {
  const bytes = Buffer.from(token.slice(4), 'base64url');
  bytes[index] = (bytes[index] ?? 0) ^ 1;
  return `pse_${bytes.toString('base64url')}`;
}

describe('an enrolment token', () => {
  it('has 256 random bits, and is genuine at its site', () => {
    expect(token).toMatch(/^pse_[\w-]{107}$/);
    expect(tokens.issue(SITE).token).not.toBe(token);
    expect(tokens.verify(SITE, token)).toEqual({ verdict: 'genuine', hash: sha256(token) });
    expect(tokenHash).toBe(sha256(token).toString('hex'));
  });

  it.each([
    ['a changed random part', withChangedByte(20)],
    ['a changed HMAC', withChangedByte(79)],
    ['an HMAC with another key', new EnrolmentTokens(Buffer.alloc(32, 2)).issue(SITE).token],
    ['another encoding of the same bytes', `${token.slice(0, -1)}${String.fromCharCode(token.charCodeAt(110) + 1)}`],
    ['one digit more', `${token}A`],
    ['no digits', 'pse_'],
    ['no prefix', token.slice(4)],
  ])('is forged with %s', (_case, forged) => {
    expect(tokens.verify(SITE, forged)).toEqual({ verdict: 'forged' });
  });

  it.each([
    ['issued there', new EnrolmentTokens(Buffer.alloc(32, 2)).issue(OTHER_SITE).token],
    ['issued there with the same key', tokens.issue(OTHER_SITE).token],
    ['with a changed site', withChangedByte(15)],
  ])('of another site is recognised: %s', (_case, foreign) => {
    expect(tokens.verify(SITE, foreign)).toEqual({ verdict: 'unknown_site' });
  });
});

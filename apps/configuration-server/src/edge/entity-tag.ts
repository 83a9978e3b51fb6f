import { createHash } from 'node:crypto';

/** The strong entity tag of a representation. */
export const entityTagOf = (representation: string | Buffer): string =>
  `"${createHash('sha256').update(representation).digest('base64url').slice(0, 27)}"`;

/** Whether If-None-Match names this entity tag; weak comparison, as RFC 9110 requires for reads. */
export const matchesEtag = (etag: string, ifNoneMatch: string | undefined): boolean =>
  ifNoneMatch
    ?.split(',')
    .some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag.replace(/^W\//, '')) ?? false;

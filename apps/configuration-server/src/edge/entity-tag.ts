import { createHash } from 'node:crypto';

/** The entity tag of a representation, strong as it is returned. */
export const entityTagOf = (representation: string | Buffer): string =>
  `"${createHash('sha256').update(representation).digest('base64url').slice(0, 27)}"`;

/** Whether the value of If-None-Match names this entity tag; weak comparison, as RFC 9110 has it for reads. */
export const matchesEtag = (etag: string, ifNoneMatch: string | undefined): boolean =>
  ifNoneMatch
    ?.split(',')
    .some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag.replace(/^W\//, '')) ?? false;

type Header = readonly [name: string, value: string];

/**
 * What keeps a browser from doing more with an answer than showing it. Accepted heartbeats, which nobody but an agent asks for,
 * say only that they are JSON and not to be stored.
 */
const SECURITY_HEADERS: readonly Header[] = [
  ['x-content-type-options', 'nosniff'],
  ['cache-control', 'no-store'],
  ['content-security-policy', `default-src 'none'; frame-ancestors 'none'`],
  ['referrer-policy', 'no-referrer'],
];

/** The page of the documentation runs its own scripts, and none from elsewhere. */
export const DOCS_CSP = `default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'`;

/** Over TLS: a browser that has been here once comes no other way for a year. */
const HSTS_HEADER: Header = ['strict-transport-security', 'max-age=31536000'];

export const securityHeaders = (isTls: boolean): readonly Header[] =>
  isTls ? [...SECURITY_HEADERS, HSTS_HEADER] : SECURITY_HEADERS;

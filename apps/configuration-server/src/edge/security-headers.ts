type Header = readonly [name: string, value: string];

/**
 * Headers that keep a browser from doing more with a response than showing it. Accepted heartbeats, which only agents request, have
 * just a content type and `no-store`.
 */
const SECURITY_HEADERS: readonly Header[] = [
  ['x-content-type-options', 'nosniff'],
  ['cache-control', 'no-store'],
  ['content-security-policy', `default-src 'none'; frame-ancestors 'none'`],
  ['referrer-policy', 'no-referrer'],
];

/** The documentation page runs its own scripts only. */
export const DOCS_CSP = `default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'`;

/** With TLS, a browser that has been here uses HTTPS only for a year. */
const HSTS_HEADER: Header = ['strict-transport-security', 'max-age=31536000'];

export const securityHeaders = (isTls: boolean): readonly Header[] =>
  isTls ? [...SECURITY_HEADERS, HSTS_HEADER] : SECURITY_HEADERS;

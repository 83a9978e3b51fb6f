import type { IncomingMessage } from 'node:http';
import { RequestProblem, truncateName } from '../problems/request-problem.js';

const CHARSET = /;\s*charset\s*=\s*"?([^\s;"]*)/i;

/** Finds a reason to reject a request by its head, because serving it would ignore a part of the head. Null without one. */
export function findHeaderProblem({
  httpVersion,
  method,
  url = '',
  headers,
  rawHeaders,
}: Pick<IncomingMessage, 'httpVersion' | 'method' | 'url' | 'headers' | 'rawHeaders'>): RequestProblem | null {
  const {
    host,
    expect = '100-continue',
    'content-encoding': coding = 'identity',
    'transfer-encoding': transfer = 'chunked',
    'content-type': type = '',
  } = headers;
  if (host === undefined && httpVersion !== '1.0')
    return new RequestProblem('malformed_request', 'An HTTP/1.1 request must have a Host header.');
  const duplicate = findDuplicateHeader(rawHeaders);
  if (duplicate) return new RequestProblem('malformed_request', `The header ${duplicate} is repeated.`);
  if (expect.toLowerCase() !== '100-continue')
    return new RequestProblem('expectation_failed', 'The only supported expectation is 100-continue.');
  if (coding.toLowerCase() !== 'identity' || transfer.toLowerCase() !== 'chunked') {
    return new RequestProblem('unsupported_media_type', 'Send the body without a content coding such as gzip.');
  }
  const [, charset = 'utf-8'] = CHARSET.exec(type) ?? [];
  if (!/^utf-?8$/i.test(charset)) return new RequestProblem('unsupported_media_type', 'Send the body in UTF-8.');
  if (
    (method === 'GET' || method === 'HEAD') &&
    (Number(headers['content-length'] ?? 0) > 0 || 'transfer-encoding' in headers)
  ) {
    return RequestProblem.field('body', 'this call must not have a body');
  }
  const name = findUndecodableQueryParameter(url);
  return name === null ? null : RequestProblem.field(name, `${name} is not percent-encoded UTF-8`);
}

/** Headers that must not be repeated. */
const SINGLETON_HEADERS = ['host', 'authorization', 'content-type'];

/** The first repeated header of these: Node would use one of the two values. */
function findDuplicateHeader(rawHeaders: readonly string[]): string | undefined {
  return SINGLETON_HEADERS.find((name) => {
    let times = 0;
    for (let at = 0; at < rawHeaders.length; at += 2) {
      const header = rawHeaders[at];
      if (header?.length === name.length && header.toLowerCase() === name) times += 1;
    }
    return times > 1;
  });
}

/** The first query parameter that cannot be decoded; the query parser would use it undecoded. */
function findUndecodableQueryParameter(url: string): string | null {
  const [, query = ''] = /\?(.*)/.exec(url) ?? [];
  const undecodable = query.includes('%') ? query.split('&').find((pair) => !isDecodable(pair)) : undefined;
  return undecodable === undefined ? null : truncateName(undecodable.split('=', 1)[0] ?? '');
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

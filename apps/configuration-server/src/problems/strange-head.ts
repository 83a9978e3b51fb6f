import type { IncomingMessage } from 'node:http';
import { RequestProblem, shownName } from './request-problem.js';

const CHARSET = /;\s*charset\s*=\s*"?([^\s;"]*)/i;

/** What keeps a request from being understood by its head alone: to go on would be to pass over something that it says. Null when nothing does. */
export function strangeHead({ httpVersion, url = '', headers }: Pick<IncomingMessage, 'httpVersion' | 'url' | 'headers'>): RequestProblem | null {
  const { host, expect = '100-continue', 'content-encoding': coding = 'identity', 'transfer-encoding': transfer = 'chunked', 'content-type': type = '' } = headers;
  if (host === undefined && httpVersion !== '1.0') return new RequestProblem('malformed_request', 'A request of HTTP/1.1 names its Host.');
  if (expect.toLowerCase() !== '100-continue') return new RequestProblem('expectation_failed', 'The only expectation that is understood is 100-continue.');
  if (coding.toLowerCase() !== 'identity' || transfer.toLowerCase() !== 'chunked') {
    return new RequestProblem('unsupported_media_type', 'Send the body as it is, without a content coding such as gzip.');
  }
  const [, charset = 'utf-8'] = CHARSET.exec(type) ?? [];
  if (!/^utf-?8$/i.test(charset)) return new RequestProblem('unsupported_media_type', 'Send the body in UTF-8.');
  const name = undecodableParameter(url);
  return name === null ? null : RequestProblem.field(name, `${name} is not UTF-8 in percent-encoding`);
}

/** The first query parameter that means nothing; the parser of queries would take it as it is written. */
function undecodableParameter(url: string): string | null {
  const [, query = ''] = /\?(.*)/.exec(url) ?? [];
  const strange = query.includes('%') ? query.split('&').find((pair) => !isDecodable(pair)) : undefined;
  return strange === undefined ? null : shownName(strange.split('=', 1)[0] ?? '');
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

import { isAscii } from 'node:buffer';
import { canonicalHostId, compileValidator, HeartbeatRequest } from '@app/api-contract';
import type { ForwardingHeaders } from '../../edge/client-address.js';

/** An ordinary heartbeat: one complete request without unusual headers. */
export interface ParsedHeartbeatRequest {
  readonly hostId: string;
  readonly authorization: string;
  readonly body: HeartbeatRequest;
  readonly forwarding: ForwardingHeaders;
}

const REQUEST_HEAD =
  /^POST \/v1\/process-servers\/([0-9A-Fa-f-]{36})\/heartbeats HTTP\/1\.1((?:\r\n[A-Za-z-]+: [!-~](?:[ -~]*[!-~])?)+)$/;
const HEAD_TERMINATOR = '\r\n\r\n';
const MAX_HEAD_BYTES = 4_096;
const CONTENT_LENGTH = /^[1-9]\d{0,4}$/;
const JSON_TYPE = /^application\/json(?:; ?charset=utf-8)?$/i;
/** Headers that never change a response. */
const IGNORED_HEADERS: ReadonlySet<string> = new Set([
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'sec-fetch-mode',
  'user-agent',
  'via',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-real-ip',
]);

const isHeartbeat = compileValidator(HeartbeatRequest);

/**
 * Parses bytes that are exactly one complete heartbeat; null otherwise. The parser accepts far less than HTTP allows, and Node reads
 * accepted bytes the same way. Names that reach a prototype are unknown members to the validator.
 */
export function parseHeartbeatRequest(bytes: Buffer): ParsedHeartbeatRequest | null {
  const headEnd = bytes.indexOf(HEAD_TERMINATOR);
  if (headEnd < 0 || headEnd > MAX_HEAD_BYTES || !isAscii(bytes)) return null;
  const [, uuid = '', headerLines = ''] = REQUEST_HEAD.exec(bytes.toString('latin1', 0, headEnd)) ?? [];
  const hostId = canonicalHostId(uuid);
  const headers = hostId && parseHeaders(headerLines);
  if (!headers) return null;
  const { host, authorization, connection = 'keep-alive', type = '', length = '' } = headers;
  if (
    !host ||
    !authorization ||
    connection.toLowerCase() !== 'keep-alive' ||
    !JSON_TYPE.test(type) ||
    !CONTENT_LENGTH.test(length)
  )
    return null;
  const bodyStart = headEnd + HEAD_TERMINATOR.length;
  if (bytes.length !== bodyStart + Number(length)) return null;
  try {
    const body: unknown = JSON.parse(bytes.toString('latin1', bodyStart));
    return isHeartbeat(body) ? { hostId, authorization, body: body as HeartbeatRequest, forwarding: headers } : null;
  } catch {
    return null;
  }
}

interface ParsedHeaders extends ForwardingHeaders {
  host?: string;
  authorization?: string;
  connection?: string;
  type?: string;
  length?: string;
}

const HANDLED_HEADERS: ReadonlyMap<string, keyof ParsedHeaders> = new Map([
  ['host', 'host'],
  ['authorization', 'authorization'],
  ['connection', 'connection'],
  ['content-type', 'type'],
  ['content-length', 'length'],
  ['forwarded', 'forwarded'],
  ['x-forwarded-for', 'xForwardedFor'],
]);

/** Null if a header is repeated, or neither handled nor ignored. */
function parseHeaders(headerLines: string): ParsedHeaders | null {
  const headers: { -readonly [Name in keyof ParsedHeaders]: ParsedHeaders[Name] } = {};
  for (const headerLine of headerLines.split('\r\n')) {
    const colon = headerLine.indexOf(':');
    const name = headerLine.slice(0, colon).toLowerCase();
    const handled = HANDLED_HEADERS.get(name);
    if (handled && headers[handled] === undefined) headers[handled] = headerLine.slice(colon + 2);
    else if (headerLine !== '' && !IGNORED_HEADERS.has(name)) return null;
  }
  return headers;
}

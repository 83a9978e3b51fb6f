import { isAscii } from 'node:buffer';
import { canonicalHostId, compiledCheck, HeartbeatRequest } from '@app/wire';
import type { ForwardingHeaders } from '../edge/client-address.js';
import { secureJsonOf } from '../problems/json-body.js';

/** A heartbeat about whose request nothing is unusual. */
export interface PlainHeartbeat {
  readonly hostId: string;
  readonly authorization: string;
  readonly body: HeartbeatRequest;
  readonly forwarding: ForwardingHeaders;
}

const HEAD =
  /^POST \/v1\/process-servers\/([0-9A-Fa-f-]{36})\/heartbeats HTTP\/1\.1((?:\r\n[A-Za-z-]+: [!-~](?:[ -~]*[!-~])?)+)$/;
const HEAD_END = '\r\n\r\n';
const LONGEST_HEAD_BYTES = 4_096;
const LENGTH = /^[1-9]\d{0,4}$/;
const JSON_TYPE = /^application\/json(?:; ?charset=utf-8)?$/i;
/** Headers that change nothing about an answer of ours, whatever they say. */
const PASSED_OVER: ReadonlySet<string> = new Set([
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

const isHeartbeat = compiledCheck(HeartbeatRequest);

/**
 * The one heartbeat that these bytes are, whole and with nothing after it. Null when that is not sure: far less is read here than
 * HTTP allows, and what is read means the same to Node. What the compiled check lets pass has no strange shape.
 */
export function readPlainHeartbeat(bytes: Buffer): PlainHeartbeat | null {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd < 0 || headEnd > LONGEST_HEAD_BYTES || !isAscii(bytes)) return null;
  const [, uuid = '', lines = ''] = HEAD.exec(bytes.toString('latin1', 0, headEnd)) ?? [];
  const hostId = canonicalHostId(uuid);
  const headers = hostId && headersOf(lines);
  if (!headers) return null;
  const { host, authorization, connection = 'keep-alive', type = '', length = '' } = headers;
  if (
    !host ||
    !authorization ||
    connection.toLowerCase() !== 'keep-alive' ||
    !JSON_TYPE.test(type) ||
    !LENGTH.test(length)
  )
    return null;
  const bodyStart = headEnd + HEAD_END.length;
  if (bytes.length !== bodyStart + Number(length)) return null;
  try {
    const body = secureJsonOf(bytes.toString('latin1', bodyStart));
    return isHeartbeat(body) ? { hostId, authorization, body: body as HeartbeatRequest, forwarding: headers } : null;
  } catch {
    return null;
  }
}

interface PlainHeaders extends ForwardingHeaders {
  host?: string;
  authorization?: string;
  connection?: string;
  type?: string;
  length?: string;
}

const KNOWN: ReadonlyMap<string, keyof PlainHeaders> = new Map([
  ['host', 'host'],
  ['authorization', 'authorization'],
  ['connection', 'connection'],
  ['content-type', 'type'],
  ['content-length', 'length'],
  ['forwarded', 'forwarded'],
  ['x-forwarded-for', 'xForwardedFor'],
]);

/** Null when one is not known or stands there twice. */
function headersOf(lines: string): PlainHeaders | null {
  const headers: { -readonly [Name in keyof PlainHeaders]: PlainHeaders[Name] } = {};
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const known = KNOWN.get(name);
    if (known && headers[known] === undefined) headers[known] = line.slice(colon + 2);
    else if (line !== '' && !PASSED_OVER.has(name)) return null;
  }
  return headers;
}

import { isIP } from 'node:net';
import { canonicalAddress } from '@app/api-contract';

/** The PROXY protocol header at the beginning of a connection. */
export interface ProxyProtocolHeader {
  /** Length of the header in bytes; later bytes belong to the connection. */
  readonly length: number;
  /** The canonical address of the client; null if the proxy speaks for itself or does not know the client. */
  readonly source: string | null;
}

const SIGNATURE_V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const SIGNATURE_V1 = Buffer.from('PROXY ', 'latin1');
/** Maximum length in the specification, with the end of line. */
const MAX_V1_BYTES = 107;
const PREFIX_V2_BYTES = 16;
/** A version 2 header can have 64 KB of additional values; proxies send a few hundred bytes. */
const MAX_V2_BYTES = 4_096;

const PORT = '(?:0|[1-9]\\d{0,4})';
const V1 = new RegExp(`^PROXY (?:UNKNOWN(?: [ -~]*)?|TCP([46]) (\\S+) (\\S+) ${PORT} ${PORT})$`);

const LOCAL = 0x20;
const PROXY = 0x21;
/** Protocol and family of version 2, with the length of the source address for a TCP client. */
const SOURCE_BYTES: ReadonlyMap<number, { readonly source: number; readonly addresses: number }> = new Map([
  [0x00, { source: 0, addresses: 0 }], // unspecified
  [0x11, { source: 4, addresses: 12 }], // TCP over IPv4
  [0x12, { source: 0, addresses: 12 }], // UDP over IPv4
  [0x21, { source: 16, addresses: 36 }], // TCP over IPv6
  [0x22, { source: 0, addresses: 36 }], // UDP over IPv6
  [0x31, { source: 0, addresses: 216 }], // UNIX stream
  [0x32, { source: 0, addresses: 216 }], // UNIX datagram
]);

/** Parses the header at the beginning of a connection, version 1 or 2; `incomplete` until all bytes are there, `malformed` for anything else. */
export function readProxyHeader(bytes: Buffer): ProxyProtocolHeader | 'incomplete' | 'malformed' {
  if (beginsWith(bytes, SIGNATURE_V2)) return bytes.length < PREFIX_V2_BYTES ? 'incomplete' : readV2(bytes);
  return beginsWith(bytes, SIGNATURE_V1) ? readV1(bytes) : 'malformed';
}

/** Compares the bytes that have arrived. */
function beginsWith(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length);
  return bytes.compare(signature, 0, length, 0, length) === 0;
}

function readV1(bytes: Buffer): ProxyProtocolHeader | 'incomplete' | 'malformed' {
  const text = bytes.toString('latin1', 0, MAX_V1_BYTES);
  const end = text.indexOf('\r\n');
  if (end < 0) return bytes.length < MAX_V1_BYTES ? 'incomplete' : 'malformed';
  const [line, family, source = '', destination = ''] = V1.exec(text.slice(0, end)) ?? [];
  if (line === undefined) return 'malformed';
  const length = end + 2;
  if (family === undefined) return { length, source: null };
  if (isIP(source) !== Number(family) || isIP(destination) !== Number(family)) return 'malformed';
  const address = canonicalAddress(source);
  return address === null ? 'malformed' : { length, source: address };
}

function readV2(bytes: Buffer): ProxyProtocolHeader | 'incomplete' | 'malformed' {
  const [versionAndCommand, familyAndProtocol = 0] = bytes.subarray(SIGNATURE_V2.length);
  const length = PREFIX_V2_BYTES + bytes.readUInt16BE(SIGNATURE_V2.length + 2);
  const isLocal = versionAndCommand === LOCAL;
  const kind = SOURCE_BYTES.get(familyAndProtocol);
  if ((!isLocal && versionAndCommand !== PROXY) || length > MAX_V2_BYTES) return 'malformed';
  if (!isLocal && (!kind || length < PREFIX_V2_BYTES + kind.addresses)) return 'malformed';
  if (bytes.length < length) return 'incomplete';
  if (isLocal || !kind?.source) return { length, source: null };
  return { length, source: addressOf(bytes.subarray(PREFIX_V2_BYTES, PREFIX_V2_BYTES + kind.source)) };
}

function addressOf(bytes: Buffer): string | null {
  if (bytes.length === 4) return bytes.join('.');
  const groups = Array.from({ length: 8 }, (_, group) => bytes.readUInt16BE(2 * group).toString(16));
  return canonicalAddress(groups.join(':'));
}

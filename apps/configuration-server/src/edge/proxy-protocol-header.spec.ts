import { describe, expect, it } from '@jest/globals';
import { readProxyHeader } from './proxy-protocol-header.js';

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const v2 = (versionAndCommand: number, family: number, rest: string, length = rest.length / 2): Buffer =>
  Buffer.concat([
    SIGNATURE,
    Buffer.from([versionAndCommand, family, length >> 8, length & 0xff]),
    Buffer.from(rest, 'hex'),
  ]);
const V4 = 'c0000207c0000201c8a801bb'; // 192.0.2.7 to 192.0.2.1, ports 51368 and 443
const V6 = '20010db8000000000000000000000007' + '20010db8000000000000000000000001' + 'c8a801bb';
const MAPPED = '00000000000000000000ffffc0000207' + '00000000000000000000ffffc0000201' + 'c8a801bb';
const TLV = '0300043bd9c2a1'; // a checksum

const HEADERS: readonly [what: string, bytes: Buffer, source: string | null][] = [
  ['version 1 over IPv4', Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.1 51368 443\r\n'), '192.0.2.7'],
  ['version 1 over IPv6', Buffer.from('PROXY TCP6 2001:DB8:0::7 2001:db8::1 51368 443\r\n'), '2001:db8::7'],
  ['version 1 of the maximum length', Buffer.from(`PROXY UNKNOWN ${'f'.repeat(91)}\r\n`), null],
  ['version 1 of an unknown client', Buffer.from('PROXY UNKNOWN\r\n'), null],
  ['version 2 over IPv4', v2(0x21, 0x11, V4), '192.0.2.7'],
  ['version 2 over IPv6', v2(0x21, 0x21, V6), '2001:db8::7'],
  ['version 2 of an IPv4 address written as IPv6', v2(0x21, 0x21, MAPPED), '192.0.2.7'],
  ['version 2 with additional values', v2(0x21, 0x11, V4 + TLV), '192.0.2.7'],
  ['version 2 of the proxy itself', v2(0x20, 0x00, ''), null],
  ['version 2 of the proxy itself, with addresses', v2(0x20, 0x11, V4), null],
  ['version 2 of an unspecified client', v2(0x21, 0x00, TLV), null],
  ['version 2 over a Unix socket', v2(0x21, 0x31, '00'.repeat(216)), null],
  ['version 2 over UDP', v2(0x21, 0x12, V4), null],
  ['version 2 of the maximum length', v2(0x21, 0x11, V4 + '00'.repeat(4_096 - 16 - 12)), '192.0.2.7'],
];

describe('PROXY protocol header', () => {
  it.each(HEADERS)('reads %s, with or without later bytes', (_what, bytes, source) => {
    for (const rest of ['', 'GET / HTTP/1.1\r\n\r\n']) {
      expect(readProxyHeader(Buffer.concat([bytes, Buffer.from(rest)]))).toEqual({ length: bytes.length, source });
    }
  });

  it.each(HEADERS)('reports %s as incomplete before its last byte', (_what, bytes) => {
    const results = Array.from(bytes, (_byte, length) => readProxyHeader(bytes.subarray(0, length)));
    expect(new Set(results)).toEqual(new Set(['incomplete']));
  });

  it.each<[string, Buffer]>([
    ['a request', Buffer.from('GET / HTTP/1.1\r\n')],
    ['a TLS handshake', Buffer.from([0x16, 0x03, 0x01])],
    ['another word', Buffer.from('PROXI')],
    ['lower case', Buffer.from('proxy TCP4 192.0.2.7 192.0.2.1 51368 443\r\n')],
    ['another protocol', Buffer.from('PROXY UDP4 192.0.2.7 192.0.2.1 51368 443\r\n')],
    ['an address of the other family', Buffer.from('PROXY TCP4 2001:db8::7 2001:db8::1 51368 443\r\n')],
    ['an invalid address', Buffer.from('PROXY TCP4 192.0.2.256 192.0.2.1 51368 443\r\n')],
    ['an address with a zone', Buffer.from('PROXY TCP6 fe80::1%eth0 2001:db8::1 51368 443\r\n')],
    ['a missing port', Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.1 51368\r\n')],
    ['an additional space', Buffer.from('PROXY TCP4  192.0.2.7 192.0.2.1 51368 443\r\n')],
    ['a line without an end', Buffer.from(`PROXY UNKNOWN ${'f'.repeat(93)}`)],
    ['another version', v2(0x11, 0x11, V4)],
    ['another command', v2(0x22, 0x11, V4)],
    ['another family', v2(0x21, 0x41, V4)],
    ['another transport', v2(0x21, 0x13, V4)],
    ['truncated addresses', v2(0x21, 0x11, V4.slice(2))],
    ['addresses of the other family', v2(0x21, 0x21, V4)],
    ['too many additional values', v2(0x21, 0x11, V4, 4_097 - 16)],
  ])('rejects %s', (_what, bytes) => {
    expect(readProxyHeader(bytes)).toBe('malformed');
  });
});

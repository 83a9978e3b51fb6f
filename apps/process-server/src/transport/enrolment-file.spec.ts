import { describe, expect, it } from '@jest/globals';
import { parseEnrolment } from './enrolment-file.js';

const TOKEN = 'pse_AaIIXSs8cFGMbl0vOgucEY';
const FILE = {
  format: 1,
  siteId: '01a2085d-2b3c-7051-8c6e-5d2f3a0b9c11',
  addresses: ['cs.example.net', '192.0.2.1'],
  port: 443,
  tls: true,
  tlsCertificateSha256: 'ab'.repeat(32),
  token: TOKEN,
};
const ENROLMENT = { url: 'https://cs.example.net:443', certificateSha256: 'ab'.repeat(32), token: TOKEN };

describe('parseEnrolment', () => {
  it.each([
    ['with TLS', {}, {}],
    ['behind a proxy that terminates TLS', { tlsCertificateSha256: null }, { certificateSha256: null }],
    [
      'without TLS',
      { tls: false, port: 8080, addresses: ['127.0.0.1'], tlsCertificateSha256: null },
      { url: 'http://127.0.0.1:8080', certificateSha256: null },
    ],
    ['with an IPv6 address', { addresses: ['2001:db8::1'] }, { url: 'https://[2001:db8::1]:443' }],
    ['with members of later versions', { more: 1 }, {}],
  ])('reads a file %s', (_what, members, expected) => {
    expect(parseEnrolment(JSON.stringify({ ...FILE, ...members }))).toEqual({ ...ENROLMENT, ...expected });
  });

  it.each([
    ['of another format', { format: 2 }],
    ['without a token', { token: undefined }],
    ['with a token that is none', { token: 'pse_\r\nX: y' }],
    ['without an address', { addresses: [] }],
    ['with a path in its address', { addresses: ['a/b'] }],
    ['with a login in its address', { addresses: ['a@b'] }],
    ['without a port', { port: undefined }],
    ['with an impossible port', { port: 65_536 }],
    ['with a fingerprint that is none', { tlsCertificateSha256: 'AB' }],
  ])('rejects a file %s', (_what, members) => {
    expect(parseEnrolment(JSON.stringify({ ...FILE, ...members }))).toBeNull();
  });

  it.each(['', 'null', '[]', '{', '"text"'])('rejects %j', (text) => {
    expect(parseEnrolment(text)).toBeNull();
  });
});

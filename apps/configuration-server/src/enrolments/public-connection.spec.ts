import type { NetworkInterfaceInfo } from 'node:os';
import { describe, expect, it } from '@jest/globals';
import { readSettings } from '@app/platform';
import { publicConnection } from './public-connection.js';

const settings = (environment: Record<string, string>): ReturnType<typeof readSettings> =>
  readSettings({ environment, insecure: true, packageVersion: '1.0.0' });
const aNetwork = (address: string, internal = false): NetworkInterfaceInfo =>
  ({ address, internal, family: 'IPv4' }) as NetworkInterfaceInfo;
const INTERFACES = {
  lo: [aNetwork('127.0.0.1', true)],
  eth0: [aNetwork('192.0.2.5'), aNetwork('fe80::1'), aNetwork('2001:db8::5')],
  eth1: [aNetwork('169.254.1.1')],
};
const listeningOn = (address: string): { address: string; port: number; family: string } => ({
  address,
  port: 8443,
  family: 'IPv4',
});

describe('the public connection', () => {
  it.each([
    ['is PUBLIC_URL', { PUBLIC_URL: 'https://cs.example.net' }, '0.0.0.0', ['cs.example.net'], 443, true],
    [
      'is PUBLIC_URL with several addresses',
      { PUBLIC_URL: 'http://192.0.2.1:8080, http://[2001:db8::1]:8080/' },
      '127.0.0.1',
      ['192.0.2.1', '2001:db8::1'],
      8080,
      false,
    ],
    ['is the listening address by default', {}, '192.0.2.9', ['192.0.2.9'], 8443, false],
    ['has the interfaces for a wildcard', {}, '0.0.0.0', ['192.0.2.5', '2001:db8::5'], 8443, false],
    ['has the interfaces for an IPv6 wildcard', {}, '::', ['192.0.2.5', '2001:db8::5'], 8443, false],
  ])('%s', (_case, environment, host, addresses, port, tls) => {
    expect(publicConnection(settings(environment), listeningOn(host), () => INTERFACES)).toEqual({
      addresses,
      port,
      tls,
    });
  });

  it('is the loopback address without a network', () => {
    const { addresses } = publicConnection(settings({}), listeningOn('0.0.0.0'), () => ({ lo: INTERFACES.lo }));
    expect(addresses).toEqual(['127.0.0.1']);
  });

  it('is the configured address before the server listens', () => {
    expect(publicConnection(settings({ HTTP_PORT: '9000' }), null, () => INTERFACES)).toEqual({
      addresses: ['127.0.0.1'],
      port: 9000,
      tls: false,
    });
  });
});

it.each([
  ['ftp://cs.example.net', 'http'],
  ['cs.example.net', 'URL'],
  ['https://user:secret@cs.example.net', 'only'],
  ['https://cs.example.net/path', 'only'],
  ['https://a.example.net,http://b.example.net', 'same'],
  ['https://a.example.net,https://b.example.net:8443', 'same'],
  ['https://a.example.net,,', 'URL'],
])('PUBLIC_URL %s is rejected', (url, reason) => {
  expect(() => settings({ PUBLIC_URL: url })).toThrow(new RegExp(`PUBLIC_URL.*${reason}`));
});

import { describe, expect, it } from '@jest/globals';
import { TrustedProxies } from './trusted-proxies.js';

describe('trusted proxies', () => {
  it.each([
    ['', '127.0.0.1', false],
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.7', '192.0.2.8', false],
    ['192.0.2.64/26', '192.0.2.127', true],
    ['192.0.2.64/26', '192.0.2.128', false],
    ['192.0.2.99/24', '192.0.2.1', true],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['2001:db8::/32', '2001:db8:ffff::1', true],
    ['2001:db8::/32', '2001:db9::1', false],
    ['2001:DB8:0::1', '2001:db8::1', true],
    ['::1 , 10.0.0.0/8,', '10.255.0.1', true],
    ['::1 , 10.0.0.0/8,', '::1', true],
  ])('"%s" includes %s: %s', (text, address, isTrusted) => {
    expect(TrustedProxies.parse(text).includes(address)).toBe(isTrusted);
  });

  it.each([
    'localhost',
    '10.0.0.0/33',
    '2001:db8::/129',
    '10.1',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.1/8/8',
    'fe80::1%eth0',
    '010.0.0.1',
    '10.0.0.1:80',
    '10.0.0.1 10.0.0.2',
  ])('rejects "%s" by name', (text) => {
    expect(() => TrustedProxies.parse(`192.0.2.1, ${text}`)).toThrow(
      `"${text}" is neither an address nor a CIDR network`,
    );
  });
});

import { describe, expect, it } from '@jest/globals';
import { TrustedProxies } from '@app/platform';
import { clientAddress } from './client-address.js';

const PROXY = '10.0.0.1';
const trusted = TrustedProxies.parse('10.0.0.0/8, 2001:db8:aaaa::/48');
const byForwarded = (forwarded: string, peer = PROXY): string => clientAddress(peer, { forwarded }, trusted);
const byXForwardedFor = (xForwardedFor: string, peer = PROXY): string =>
  clientAddress(peer, { xForwardedFor }, trusted);

describe('client address', () => {
  it('is the peer without a header, or if the peer is untrusted', () => {
    expect(clientAddress(PROXY, {}, trusted)).toBe(PROXY);
    expect(byForwarded('for=192.0.2.7', '198.51.100.1')).toBe('198.51.100.1');
    expect(byXForwardedFor('192.0.2.7', '198.51.100.1')).toBe('198.51.100.1');
    expect(clientAddress('198.51.100.1', { forwarded: 'for=192.0.2.7', xForwardedFor: '192.0.2.7' }, trusted)).toBe(
      '198.51.100.1',
    );
  });

  it.each([
    ['192.0.2.7', '192.0.2.7'],
    ['192.0.2.7:51234', '192.0.2.7'],
    ['[2001:DB8:0::7]:443', '2001:db8::7'],
    ['[2001:db8::7]', '2001:db8::7'],
    ['2001:db8::7', '2001:db8::7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['203.0.113.1, 192.0.2.7', '192.0.2.7'], // the client's own entry precedes the proxy's
    ['192.0.2.7, 10.0.0.2', '192.0.2.7'], // two hops
    ['203.0.113.1, 192.0.2.7, 10.0.0.3, 10.0.0.2', '192.0.2.7'],
    ['192.0.2.7, 2001:db8:aaaa::1', '192.0.2.7'],
    ['10.0.0.9, 10.0.0.2', '10.0.0.9'], // proxies only: the farthest one
    ['192.0.2.7, unknown', PROXY], // the proxy does not know its client
    ['192.0.2.7, unknown, 10.0.0.2', '10.0.0.2'],
    ['192.0.2.7, garbage', PROXY],
    ['192.0.2.7, 192.0.2.256', PROXY],
    ['192.0.2.7, 192.0.2', PROXY],
    ['192.0.2.7, fe80::1%eth0', PROXY],
    ['192.0.2.7, [192.0.2.8]', PROXY],
    ['192.0.2.7, "192.0.2.8"', PROXY],
    ['192.0.2.7,, ,', '192.0.2.7'], // empty elements of a list
    ['', PROXY],
    [','.repeat(16_000), PROXY],
  ])('reads X-Forwarded-For %s as %s', (header, address) => {
    expect(byXForwardedFor(header)).toBe(address);
  });

  it.each([
    ['for=192.0.2.7', '192.0.2.7'],
    ['For="192.0.2.7:51234";proto=https;by=10.0.0.1', '192.0.2.7'],
    ['proto=http ; FOR=192.0.2.7', '192.0.2.7'],
    ['for="[2001:DB8:0::7]:_port"', '2001:db8::7'],
    ['for="[2001:db8::7]";host="a,b;c"', '2001:db8::7'],
    [String.raw`for="192.0.2\.7";host="a\"b,c"`, '192.0.2.7'],
    [';for=192.0.2.7;', '192.0.2.7'],
    ['for=203.0.113.1, for=192.0.2.7', '192.0.2.7'],
    ['for=192.0.2.7, for=10.0.0.3;by=_a, for=10.0.0.2', '192.0.2.7'],
    ['for=192.0.2.7,, for=10.0.0.2, ', '192.0.2.7'],
    ['for=192.0.2.7, for=unknown', PROXY],
    ['for=192.0.2.7, for=_hidden, for=10.0.0.2', '10.0.0.2'],
    ['for=192.0.2.7, proto=https', PROXY],
    ['for=192.0.2.7, for=[2001:db8::7]', PROXY], // brackets need quotes
    ['for=192.0.2.7, for=192.0.2.8;for=192.0.2.9', PROXY],
    ['for=192.0.2.7, for = 192.0.2.8', PROXY],
    ['for=192.0.2.7, for="192.0.2.8', PROXY],
    ['for=192.0.2.7, for=192.0.2.8 secret', PROXY],
    ['192.0.2.7', PROXY],
    ['', PROXY],
    ['for=";host=", for=192.0.2.7', '192.0.2.7'], // quotes in the client's entry do not affect the proxy's
    ['for=", for="[2001:db8::7]"', '2001:db8::7'],
    ['a=", for=192.0.2.7;host=";for=203.0.113.6;x=1"', '192.0.2.7'],
    ['for=192.0.2.7;host=",for=203.0.113.6;x="', '192.0.2.7'],
    [`for=192.0.2.7;${'"'.repeat(15_999)}`, PROXY],
    [`for=192.0.2.7${' ;'.repeat(8_000)} x`, PROXY],
  ])('reads Forwarded %s as %s', (header, address) => {
    expect(byForwarded(header)).toBe(address);
  });

  it.each([
    ['for=192.0.2.7', '192.0.2.7', '192.0.2.7'],
    ['for=203.0.113.1', '192.0.2.7', PROXY], // the client wrote one of them
    ['for=192.0.2.7', '203.0.113.1, 192.0.2.7', '192.0.2.7'],
    ['nothing', '192.0.2.7', PROXY],
  ])('reads Forwarded %s and X-Forwarded-For %s as %s', (forwarded, xForwardedFor, address) => {
    expect(clientAddress(PROXY, { forwarded, xForwardedFor }, trusted)).toBe(address);
  });
});

import { expect, it } from '@jest/globals';
import { addressBlockOf } from './failed-attempts.js';

it.each([
  ['192.0.2.7', '192.0.2.8', false],
  ['192.0.2.7', '192.0.2.7', true],
  ['2001:db8::1', '2001:db8::3c', true],
  ['2001:db8:0:0:1::', '2001:db8::ffff:0:0:1', true],
  ['fd00::1', 'fd00::2', true],
  ['2001:db8:1:2::1', '2001:db8:1:2:3:4:5:6', true],
  ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
  ['fe80::1%eth0', 'fe80::2%eth0', true],
])('%s and %s share an address block: %s', (one, other, isOne) => {
  expect(addressBlockOf(one) === addressBlockOf(other)).toBe(isOne);
});

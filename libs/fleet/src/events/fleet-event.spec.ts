import { describe, expect, it } from '@jest/globals';
import { rejectionKey } from './fleet-event.js';
import { HOST_ID, msAfter, NOON } from '../testing/examples.js';

const KIND = 'refused_credential_revoked';

describe('rejectionKey', () => {
  const key = rejectionKey(HOST_ID, KIND, NOON, 'anna');

  it('is the same for one host, kind, hour and caller', () => {
    expect(rejectionKey(HOST_ID, KIND, msAfter(NOON, 3_599_999), 'anna')).toBe(key);
  });

  it.each([
    ['host', rejectionKey('another', KIND, NOON, 'anna')],
    ['kind', rejectionKey(HOST_ID, 'refused_version', NOON, 'anna')],
    ['hour', rejectionKey(HOST_ID, KIND, msAfter(NOON, 3_600_000), 'anna')],
    ['caller', rejectionKey(HOST_ID, KIND, NOON, 'boris')],
  ])('differs for another %s', (_what, other) => {
    expect(other).not.toBe(key);
  });

  it('contains only host, kind and hour without a caller', () => {
    expect(rejectionKey(HOST_ID, KIND, new Date(7_200_000))).toBe(`${HOST_ID} ${KIND} 2`);
  });
});

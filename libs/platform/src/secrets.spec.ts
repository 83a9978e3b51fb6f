import { expect, it } from '@jest/globals';
import { createHmac, randomBytes } from 'node:crypto';
import { HmacCredentials, OneShotHmac } from './secrets.js';

it('two credentials of one host id and generation differ in their random part', () => {
  const credentials = new HmacCredentials(randomBytes(32));
  const [first, second] = [1, 2].map(() =>
    Buffer.from(
      credentials.issue('5f2b7c1e-9a4d-4c3b-8e6f-0a1b2c3d4e5f', 1).credential.slice('psc_'.length),
      'base64url',
    ).subarray(4, 36),
  );
  expect(first).toHaveLength(32);
  expect(first).not.toEqual(second);
});

it('a credential is valid only for its host id and only unchanged', () => {
  const credentials = new HmacCredentials(randomBytes(32));
  const hostId = '5f2b7c1e-9a4d-4c3b-8e6f-0a1b2c3d4e5f';
  const { credential, credentialHash } = credentials.issue(hostId, 7);
  expect(credentials.verify(hostId, credential)).toEqual({ generation: 7, credentialHash });
  expect(credentials.verify('5f2b7c1e-9a4d-4c3b-8e6f-0a1b2c3d4e50', credential)).toBeNull();
  expect(new HmacCredentials(randomBytes(32)).verify(hostId, credential)).toBeNull();
  for (let at = 4; at < credential.length; at += 1) {
    const other = credential[at] === 'A' ? 'B' : 'A';
    expect(credentials.verify(hostId, `${credential.slice(0, at)}${other}${credential.slice(at + 1)}`)).toBeNull();
  }
});

it.each([
  [0, 0],
  [32, 72],
  [63, 1],
  [64, 64],
  [64, 1_000],
])('equals HMAC-SHA-256 of Node for a key of %d and a message of %d bytes', (keyBytes, messageBytes) => {
  const [key, message] = [randomBytes(keyBytes), randomBytes(messageBytes)];
  expect(new OneShotHmac(key).digest(message)).toEqual(createHmac('sha256', key).update(message).digest());
});

it('rejects an HMAC key that is longer than a block', () => {
  expect(() => new OneShotHmac(randomBytes(65))).toThrow(RangeError);
});

it.each([
  '',
  'psc_',
  `psc_${'A'.repeat(90)}`,
  `psc_${'A'.repeat(92)}`,
  `psc_${'A'.repeat(90)}B`,
  `psc_${'A'.repeat(90)}=`,
])('rejects the malformed credential %j', (credential) => {
  expect(new HmacCredentials(randomBytes(32)).verify('5f2b7c1e-9a4d-4c3b-8e6f-0a1b2c3d4e5f', credential)).toBeNull();
});

it('accepts only the canonical encoding of a credential', () => {
  const credentials = new HmacCredentials(randomBytes(32));
  const hostId = '5f2b7c1e-9a4d-4c3b-8e6f-0a1b2c3d4e5f';
  const { credential } = credentials.issue(hostId, 1);
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = digits.indexOf(credential.at(-1) ?? '');
  const equivalent = [1, 2, 3].map((bits) => credential.slice(0, -1) + digits[last + bits]);
  for (const other of equivalent) {
    expect(Buffer.from(other.slice(4), 'base64url')).toEqual(Buffer.from(credential.slice(4), 'base64url'));
    expect(credentials.verify(hostId, other)).toBeNull();
  }
});

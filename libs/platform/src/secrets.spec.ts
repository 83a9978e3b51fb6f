import { expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { HmacCredentials } from './secrets.js';

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

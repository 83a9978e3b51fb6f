import { describe, expect, it } from '@jest/globals';
import { FleetError } from '../fleet-error.js';
import {
  assertCallerKeyValid,
  createApiKey,
  isRetired,
  keyListingDecision,
  revokeApiKey,
  rotatePassphrase,
  type ApiKey,
  type KeyRingSnapshot,
  type GeneratedSecret,
} from './key-ring.js';
import { NOON } from '../testing/examples.js';

const actor = { name: 'operator:admin', address: '192.0.2.7', requestId: 'request-1' };
const generated: GeneratedSecret = { id: 'new', hash: 'ab', prefix: 'csk_12345678' };
const after = (seconds: number): Date => new Date(NOON.getTime() + seconds * 1000);
const snapshot = (over: Partial<KeyRingSnapshot> = {}): KeyRingSnapshot => ({
  now: NOON,
  isCallerKeyValid: true,
  apiKey: null,
  otherAdminKeys: 0,
  passphrases: [],
  ...over,
});
const aKey = (over: Partial<ApiKey> = {}): ApiKey => ({
  keyId: 'key-1',
  name: 'portal',
  role: 'reader',
  prefix: 'csk_abcdefgh',
  createdAt: NOON,
  createdBy: 'operator:admin',
  expiresAt: null,
  revokedAt: null,
  lastUsedAt: null,
  ...over,
});
const rejectionOf = (work: () => unknown): string => {
  try {
    work();
    return 'none';
  } catch (error) {
    return error instanceof FleetError ? error.details.code : 'another error';
  }
};

describe('a new API key', () => {
  it.each<[string, Date | null, ApiKey | null, string]>([
    ['that never expires', null, null, 'none'],
    ['that expires in a second', after(1), null, 'none'],
    ['that expires now', NOON, null, 'expiry_not_in_future'],
    ['that has expired', after(-1), null, 'expiry_not_in_future'],
    ['of an existing name', null, aKey(), 'api_key_name_taken'],
    ['of the name of a revoked key', null, aKey({ revokedAt: NOON }), 'api_key_name_taken'],
  ])('%s', (_what, expiresAt, apiKey, rejection) => {
    expect(
      rejectionOf(() =>
        createApiKey({ name: 'portal', role: 'reader', expiresAt, actor }, generated, snapshot({ apiKey })),
      ),
    ).toBe(rejection);
  });

  it('has an event with the actor, its address and the prefix, but not the key', () => {
    const { result, change } = createApiKey(
      { name: 'portal', role: 'operator', expiresAt: after(60), actor },
      generated,
      snapshot(),
    );
    expect(result).toMatchObject({
      keyId: 'new',
      name: 'portal',
      role: 'operator',
      createdAt: NOON,
      createdBy: 'operator:admin',
      revokedAt: null,
      lastUsedAt: null,
    });
    expect(change?.write).toEqual({ to: 'api_key_created', apiKey: result, hash: 'ab' });
    expect(change?.event).toEqual({
      kind: 'api_key_created',
      actor: 'operator:admin',
      sourceAddress: '192.0.2.7',
      requestId: 'request-1',
      detail: {
        keyId: 'new',
        name: 'portal',
        role: 'operator',
        prefix: 'csk_12345678',
        expiresAt: after(60).toISOString(),
      },
    });
  });
});

describe('revoking', () => {
  it.each<[string, ApiKey | null, number, string]>([
    ['a reader’s key', aKey(), 0, 'none'],
    ['an operator’s key', aKey({ role: 'operator' }), 0, 'none'],
    ['an admin’s key when another exists', aKey({ role: 'admin' }), 1, 'none'],
    ['the last admin’s key', aKey({ role: 'admin' }), 0, 'last_admin_key'],
    ['the last admin’s key that has expired', aKey({ role: 'admin', expiresAt: after(-1) }), 0, 'last_admin_key'],
    ['an unknown key', null, 5, 'api_key_not_found'],
  ])('%s', (_what, apiKey, otherAdminKeys, rejection) => {
    expect(rejectionOf(() => revokeApiKey(actor, snapshot({ apiKey, otherAdminKeys })))).toBe(rejection);
  });

  it('ends a key now, with an event', () => {
    const { result, change } = revokeApiKey(actor, snapshot({ apiKey: aKey() }));
    expect(result.revokedAt).toBe(NOON);
    expect(change?.write).toEqual({ to: 'api_key_revoked', keyId: 'key-1', at: NOON });
    expect(change?.event).toMatchObject({
      kind: 'api_key_revoked',
      actor: 'operator:admin',
      sourceAddress: '192.0.2.7',
      detail: { keyId: 'key-1', name: 'portal' },
    });
  });

  it('a second time changes nothing and returns the same', () => {
    const revoked = aKey({ role: 'admin', revokedAt: after(-60) });
    expect(revokeApiKey(actor, snapshot({ apiKey: revoked }))).toEqual({ result: revoked });
  });
});

describe('a rotation', () => {
  it.each([0, 60, 86_400])('expires the earlier passphrases after an overlap of %d s', (overlapSeconds) => {
    const earlier = { passphraseId: 'old', createdAt: after(-60), retiresAt: null };
    const { result, change } = rotatePassphrase(actor, overlapSeconds, generated, snapshot({ passphrases: [earlier] }));
    expect(result).toEqual({ passphraseId: 'new', createdAt: NOON, earlierRetireAt: after(overlapSeconds) });
    expect(change?.write).toEqual({
      to: 'passphrase_rotated',
      passphrase: { passphraseId: 'new', createdAt: NOON, retiresAt: null },
      hash: 'ab',
      earlierRetireAt: after(overlapSeconds),
    });
    expect(change?.event).toMatchObject({
      kind: 'passphrase_rotated',
      detail: { passphraseId: 'new', earlier: ['old'], earlierRetireAt: after(overlapSeconds).toISOString() },
    });
  });
});

it.each(['api_keys_listed', 'passphrases_listed'] as const)('a listing writes only an event: %s', (kind) => {
  expect(keyListingDecision(kind, actor)).toEqual({
    result: undefined,
    change: {
      event: { kind, actor: 'operator:admin', sourceAddress: '192.0.2.7', requestId: 'request-1', detail: {} },
    },
  });
});

it('a caller whose key was revoked during the call is rejected', () => {
  expect(() => assertCallerKeyValid(snapshot({ isCallerKeyValid: false }))).toThrow('api_key_rejected');
  expect(() => assertCallerKeyValid(snapshot({ isCallerKeyValid: true }))).not.toThrow();
});

it.each([
  ['has no end', null, false],
  ['ends in a second', after(1), false],
  ['ends now', NOON, true],
  ['ended a second ago', after(-1), true],
])('a passphrase that %s', (_what, retiresAt, retired) => {
  expect(isRetired({ retiresAt }, NOON)).toBe(retired);
});

import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { KeyRingStore, SecretStore } from '@app/fleet-mysql';
import { TestStores } from '../support/test-stores.js';

let stores: TestStores;
let one: SecretStore;
let other: SecretStore;
let keys: KeyRingStore;
beforeAll(async () => {
  stores = await TestStores.open();
  one = new SecretStore(stores.database, stores.clock, stores.identifiers);
  keys = new KeyRingStore(stores.database, stores.clock, stores.identifiers);
  other = new SecretStore(stores.connect(), stores.clock, stores.identifiers);
});
const firstKey = (hash: Buffer): { hash: Buffer; prefix: string } => ({ hash, prefix: 'csk_first' });
beforeEach(async () => {
  for (const table of ['shared_secret', 'passphrase', 'api_key', 'event'])
    await stores.testDatabase.write('DELETE FROM ??', [table]);
});
afterAll(() => stores.close());

describe('a shared key', () => {
  it('is the same for two replicas, also when both create it at the same time', async () => {
    const [mine, yours] = [randomBytes(32), randomBytes(32)];
    const [first, second] = await Promise.all([
      one.getOrCreateSharedKey('credential_hmac', mine),
      other.getOrCreateSharedKey('credential_hmac', yours),
    ]);
    expect(first.equals(second)).toBe(true);
    expect([mine, yours].some((candidate) => candidate.equals(first))).toBe(true);
    expect((await one.getOrCreateSharedKey('credential_hmac', randomBytes(32))).equals(first)).toBe(true);
  });
});

describe('the initial secrets', () => {
  it('are created by one of two concurrent replicas, and only this replica gets true', async () => {
    const hashes = Array.from({ length: 4 }, () => randomBytes(32)) as [Buffer, Buffer, Buffer, Buffer];
    expect([await one.hasInitialSecrets(), await other.hasInitialSecrets()]).toEqual([false, false]);
    const won = await Promise.all([
      one.createInitialSecrets(hashes[0], firstKey(hashes[1])),
      other.createInitialSecrets(hashes[2], firstKey(hashes[3])),
    ]);
    expect([...won].sort()).toEqual([false, true]);
    const [passphraseHash, keyHash] = won[0] ? [hashes[0], hashes[1]] : [hashes[2], hashes[3]];
    const passphrases = await keys.validPassphrases();
    expect(passphrases).toHaveLength(1);
    expect(passphrases[0]?.hash.equals(passphraseHash)).toBe(true);
    expect(await keys.findValidApiKey(keyHash)).toMatchObject({ name: 'admin', role: 'admin' });
    expect(await stores.testDatabase.count('api_key')).toBe(1);
    const kinds = await stores.testDatabase.rows<{ kind: string }>('SELECT kind FROM event');
    expect(kinds.map(({ kind }) => kind).sort()).toEqual(['api_key_created', 'passphrase_created']);
    expect([await one.hasInitialSecrets(), await other.hasInitialSecrets()]).toEqual([true, true]);
  });

  it('are not created again, even if their passphrase is gone', async () => {
    expect(await one.createInitialSecrets(randomBytes(32), firstKey(randomBytes(32)))).toBe(true);
    await stores.testDatabase.write('DELETE FROM passphrase');
    expect(await other.createInitialSecrets(randomBytes(32), firstKey(randomBytes(32)))).toBe(false);
    expect(await keys.validPassphrases()).toEqual([]);
  });

  it('have events without a secret', async () => {
    const [passphraseHash, keyHash] = [randomBytes(32), randomBytes(32)];
    await one.createInitialSecrets(passphraseHash, firstKey(keyHash));
    const text = JSON.stringify(await stores.testDatabase.rows('SELECT CAST(detail AS CHAR) AS detail FROM event'));
    for (const hash of [passphraseHash, keyHash]) {
      expect(text).not.toContain(hash.toString('hex'));
      expect(text).not.toContain(hash.toString('base64'));
    }
  });
});

describe('the validity of credentials', () => {
  const inMs = (ms: number | null): Date | null => (ms === null ? null : new Date(stores.clock.now().getTime() + ms));

  it.each([
    [null, true],
    [1, true],
    [0, false],
    [-1, false],
  ])('a passphrase that expires in %j ms is valid: %s', async (ms, valid) => {
    await stores.testDatabase.write('INSERT INTO passphrase (id, hash, created_at, expires_at) VALUES (?, ?, ?, ?)', [
      randomUUID(),
      randomBytes(32),
      stores.clock.now(),
      inMs(ms),
    ]);
    expect(await keys.validPassphrases()).toHaveLength(valid ? 1 : 0);
  });

  it.each([
    [null, null, true],
    [1, null, true],
    [0, null, false],
    [-1, null, false],
    [null, -1, false],
    [1, -1, false],
  ])('a key that expires in %j ms and was revoked at %j ms is valid: %s', async (expiresMs, revokedMs, valid) => {
    const hash = randomBytes(32);
    await stores.testDatabase.write(
      'INSERT INTO api_key (id, name, hash, role, created_at, expires_at, revoked_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
      [randomUUID(), 'portal', hash, 'reader', stores.clock.now(), inMs(expiresMs), inMs(revokedMs)],
    );
    expect((await keys.findValidApiKey(hash)) !== null).toBe(valid);
    expect(await keys.findValidApiKey(randomBytes(32))).toBeNull();
  });
});

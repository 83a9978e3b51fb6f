import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createApiKey, KeyService, revokeApiKey, type ApiKey, type Role } from '@app/fleet';
import { KeyRingStore } from '@app/fleet-mysql';
import { sha256, RandomSecretGenerator } from '@app/platform';
import { OptimisticLockError } from '../../libs/fleet-mysql/src/database.js';
import { InMemoryPassphraseFile } from '../support/in-memory-passphrase-file.js';
import { TestStores } from '../support/test-stores.js';

const actor = { name: 'operator:admin', address: '192.0.2.7', requestId: 'request-1' };

let stores: TestStores;
let one: KeyRingStore;
let other: KeyRingStore;
let keyService: KeyService;
const file = new InMemoryPassphraseFile();
beforeAll(async () => {
  stores = await TestStores.open();
  one = new KeyRingStore(stores.database, stores.clock, stores.identifiers);
  other = new KeyRingStore(stores.connect(), stores.clock, stores.identifiers);
  keyService = new KeyService(one, new RandomSecretGenerator(), file, stores.identifiers, stores.clock, 86_400);
});
beforeEach(async () => {
  for (const table of ['shared_secret', 'passphrase', 'api_key', 'event'])
    await stores.testDatabase.write('DELETE FROM ??', [table]);
  // The key of the caller, last in the list.
  await stores.testDatabase.write(
    "INSERT INTO api_key (id, name, name_key, hash, role, created_at) VALUES (?, 'admin', 'admin', ?, 'operator', NOW(3))",
    ['f'.repeat(36), randomBytes(32)],
  );
});
afterAll(() => stores.close());

const make = (
  name: string,
  role: Role = 'reader',
  expiresAt: Date | null = null,
): Promise<{ apiKey: ApiKey; key: string }> => keyService.createApiKey({ name, role, expiresAt, actor });
const outcomes = async (works: readonly Promise<unknown>[]): Promise<string[]> =>
  (await Promise.allSettled(works))
    .map((outcome) => (outcome.status === 'fulfilled' ? 'done' : String((outcome.reason as Error).message)))
    .sort();
const kinds = async (): Promise<string[]> =>
  (await stores.testDatabase.rows<{ kind: string }>('SELECT kind FROM event ORDER BY id')).map(({ kind }) => kind);

describe('an API key', () => {
  it('is valid until it is revoked', async () => {
    const { apiKey, key } = await make('portal');
    expect(await other.findValidApiKey(sha256(key))).toEqual({ keyId: apiKey.keyId, name: 'portal', role: 'reader' });
    await keyService.revokeApiKey(apiKey.keyId, actor);
    expect(await other.findValidApiKey(sha256(key))).toBeNull();
    expect(await kinds()).toEqual(['api_key_created', 'api_key_revoked']);
  });

  it('is created once for a name, for concurrent requests and any letter case', async () => {
    const hash = (): { id: string; hash: string; prefix: string } => ({
      id: stores.identifiers.newId(stores.clock.now()),
      hash: randomBytes(32).toString('hex'),
      prefix: 'csk_',
    });
    const requests = ['portal', 'Portal', 'PORTAL', 'portal'].map(
      (name, index) =>
        [one, other][index % 2]?.change(actor, { name }, (locked) =>
          createApiKey({ name, role: 'reader', expiresAt: null, actor }, hash(), locked),
        ) ?? Promise.reject(new Error('no replica')),
    );
    expect(await outcomes(requests)).toEqual([
      'api_key_name_taken',
      'api_key_name_taken',
      'api_key_name_taken',
      'done',
    ]);
    expect([await stores.testDatabase.count('api_key'), await kinds()]).toEqual([2, ['api_key_created']]);
  });

  it('is returned when a retry finds the commit of the pending attempt', async () => {
    const database = stores.connect();
    const whole = database.transaction.bind(database);
    database.transaction = async (work, options) => {
      const response = await whole(work, options);
      await whole(async (transaction) => expect(work(transaction, true)).rejects.toThrow(OptimisticLockError));
      return response;
    };
    const retried = new KeyService(
      new KeyRingStore(database, stores.clock, stores.identifiers),
      new RandomSecretGenerator(),
      file,
      stores.identifiers,
      stores.clock,
      86_400,
    );
    const { key } = await retried.createApiKey({ name: 'portal', role: 'reader', expiresAt: null, actor });
    expect(await other.findValidApiKey(sha256(key))).toMatchObject({ name: 'portal' });
    expect(await kinds()).toEqual(['api_key_created']);
  });

  it('of the last admin is not revoked, even if two admins revoke each other at the same time', async () => {
    for (let round = 0; round < 10; round += 1) {
      await stores.testDatabase.write("DELETE FROM api_key WHERE role = 'admin'");
      const created = [await make('anna', 'admin'), await make('berta', 'admin')];
      const requests = created.map(
        ({ apiKey }, index) =>
          [one, other][index]?.change(actor, { keyId: apiKey.keyId }, (locked) => revokeApiKey(actor, locked)) ??
          Promise.reject(new Error('no replica')),
      );
      expect(await outcomes(requests)).toEqual(['done', 'last_admin_key']);
    }
  });

  it.each<[string, Role, number | null, string]>([
    ['an admin key that is valid', 'admin', null, 'done'],
    ['an admin key that has expired', 'admin', 60, 'last_admin_key'],
    ['an admin key that will expire', 'admin', 120, 'last_admin_key'],
    ['an operator key', 'operator', null, 'last_admin_key'],
  ])('of an admin can be revoked when there is %s: %s', async (_what, role, expiresInSeconds, outcome) => {
    const { apiKey } = await make('anna', 'admin');
    await make(
      'other',
      role,
      expiresInSeconds === null ? null : new Date(stores.clock.now().getTime() + expiresInSeconds * 1000),
    );
    stores.clock.advanceSeconds(60);
    expect(await outcomes([keyService.revokeApiKey(apiKey.keyId, actor)])).toEqual([outcome]);
  });

  it('that was revoked while its requests waited changes nothing, and the requests are rejected', async () => {
    const { apiKey } = await make('anna', 'operator');
    const anna = { ...actor, name: 'operator:anna' };
    await keyService.revokeApiKey(apiKey.keyId, actor);
    const calls = [
      keyService.createApiKey({ name: 'late', role: 'admin', expiresAt: null, actor: anna }),
      keyService.rotatePassphrase(anna, 0),
      keyService.apiKeys(anna, 10, null),
      keyService.revokeApiKey(apiKey.keyId, anna),
    ];
    expect(await outcomes(calls)).toEqual(Array.from(calls, () => 'api_key_rejected'));
    expect([await stores.testDatabase.count('passphrase'), await kinds()]).toEqual([
      0,
      ['api_key_created', 'api_key_revoked'],
    ]);
  });

  it('is listed with its last use, which is written periodically', async () => {
    const [{ key }, second] = [await make('portal'), await make('csctl', 'operator')];
    stores.clock.advanceSeconds(60);
    const usedAt = stores.clock.now();
    await one.findValidApiKey(sha256(key));
    stores.clock.advanceSeconds(60);
    await one.flushKeyUsage();
    const first = await keyService.apiKeys(actor, 1, null);
    expect(first.items).toMatchObject([
      { name: 'portal', prefix: key.slice(0, 12), lastUsedAt: usedAt, createdBy: 'operator:admin' },
    ]);
    expect((await keyService.apiKeys(actor, 1, first.next)).items).toEqual([{ ...second.apiKey, lastUsedAt: null }]);
    expect((await keyService.apiKeys(actor, 3, null)).next).toBeNull();
    expect((await kinds()).filter((kind) => kind === 'api_keys_listed')).toHaveLength(3);
  });
});

describe('a rotation', () => {
  const validHashes = async (): Promise<string[]> =>
    (await other.validPassphrases()).map(({ hash }) => hash.toString('hex')).sort();
  const hashesOf = (passphrases: readonly string[]): string[] =>
    passphrases.map((passphrase) => sha256(passphrase).toString('hex')).sort();

  it('leaves the previous passphrase valid for the overlap, then only the new one', async () => {
    await keyService.rotatePassphrase(actor, null);
    await keyService.rotatePassphrase(actor, 60);
    const [first = '', second = ''] = file.put.slice(-2);
    expect(await validHashes()).toEqual(hashesOf([first, second]));
    stores.clock.advanceSeconds(60);
    expect(await validHashes()).toEqual(hashesOf([second]));
    expect(await kinds()).toEqual(['passphrase_rotated', 'passphrase_rotated']);
  });

  it('does not extend the expiry of an earlier rotation', async () => {
    await keyService.rotatePassphrase(actor, null);
    await keyService.rotatePassphrase(actor, 10);
    await keyService.rotatePassphrase(actor, 1_000);
    const [, second = '', third = ''] = file.put.slice(-3);
    stores.clock.advanceSeconds(10);
    expect(await validHashes()).toEqual(hashesOf([second, third]));
  });

  it('runs one at a time: the last file has the passphrase that does not expire', async () => {
    await Promise.all(Array.from({ length: 5 }, () => keyService.rotatePassphrase(actor, 0)));
    expect(await validHashes()).toEqual(hashesOf(file.put.slice(-1)));
    const { items } = await keyService.passphrases(actor, 100, null);
    expect(items.map(({ retiresAt }) => retiresAt === null)).toEqual([false, false, false, false, true]);
  });
});

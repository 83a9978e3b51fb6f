import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { KeyService } from '@app/fleet';
import { KeyRingStore, SecretStore } from '@app/fleet-mysql';
import { newApiKey, constantTimeEqual, sha256, RandomSecretGenerator } from '@app/platform';
import {
  issueAdditionalAdminKey,
  SecretFiles,
  ensureInitialSecrets,
} from '../../apps/configuration-server/src/data-directory/secret-files.js';
import { TestStores } from '../support/test-stores.js';

const actor = { name: 'operator:admin', address: '192.0.2.7', requestId: 'request-1' };

let stores: TestStores;
let secrets: SecretStore;
let keys: KeyRingStore;
let folder: string;
let files: SecretFiles;
beforeAll(async () => {
  stores = await TestStores.open();
  secrets = new SecretStore(stores.database, stores.clock, stores.identifiers);
  keys = new KeyRingStore(stores.database, stores.clock, stores.identifiers);
});
afterAll(() => stores.close());
beforeEach(async () => {
  for (const table of ['shared_secret', 'passphrase', 'api_key', 'event'])
    await stores.testDatabase.write('DELETE FROM ??', [table]);
  folder = await mkdtemp(join(tmpdir(), 'secret-files-'));
  files = new SecretFiles(folder);
  await start();
});
afterEach(() => rm(folder, { recursive: true }));

const start = async (): Promise<void> => {
  await ensureInitialSecrets(secrets, keys, files, () => undefined);
  await keyService().recoverRotation();
};
const passphrase = async (): Promise<string> => (await readFile(files.passphrase, 'utf8')).trim();
const isValid = async (text: string): Promise<boolean> =>
  (await keys.validPassphrases()).some(({ hash }) => constantTimeEqual(hash, sha256(text)));
const keyService = (): KeyService =>
  new KeyService(keys, new RandomSecretGenerator(), files, stores.identifiers, stores.clock, 60);

describe('a rotated passphrase', () => {
  it('is written to the file of the first one, readable by its owner only', async () => {
    const first = await passphrase();
    expect((await keyService().rotatePassphrase(actor, null)).file).toBe(files.passphrase);
    const second = await passphrase();
    expect([second === first, await isValid(first), await isValid(second)]).toEqual([false, true, true]);
    expect([(await stat(files.passphrase)).mode & 0o777, (await readdir(folder)).sort()]).toEqual([
      0o600,
      ['admin.key', 'connection.passphrase'],
    ]);
  });

  it('is committed by the next start when the server was killed after the commit in the database', async () => {
    class Killed extends SecretFiles {
      override commit(): Promise<string> {
        return Promise.reject(new Error('killed'));
      }
    }
    const first = await passphrase();
    const dying = new KeyService(
      keys,
      new RandomSecretGenerator(),
      new Killed(folder),
      stores.identifiers,
      stores.clock,
      0,
    );
    await expect(dying.rotatePassphrase(actor, null)).rejects.toThrow('killed');
    expect([await passphrase(), await isValid(first)]).toEqual([first, false]);
    await start();
    expect([await isValid(await passphrase()), (await readdir(folder)).sort()]).toEqual([
      true,
      ['admin.key', 'connection.passphrase'],
    ]);
  });

  it.each([
    ['is committed if the database has it', true],
    ['is discarded if the database does not have it', false],
  ])('whose database response was lost %s, while the server runs', async (_what, isCommitted) => {
    class ResponseLost extends KeyRingStore {
      override async change<A>(...[caller, about, decide]: Parameters<KeyRingStore['change']>): Promise<A> {
        if (isCommitted) await super.change(caller, about, decide);
        throw new Error('database_unavailable');
      }
    }
    const first = await passphrase();
    const retried = new KeyService(
      new ResponseLost(stores.database, stores.clock, stores.identifiers),
      new RandomSecretGenerator(),
      files,
      stores.identifiers,
      stores.clock,
      0,
    );
    await expect(retried.rotatePassphrase(actor, null)).rejects.toThrow('database_unavailable');
    expect(await passphrase()).toBe(first);
    await retried.recoverRotation();
    expect([(await passphrase()) === first, await isValid(await passphrase()), (await readdir(folder)).sort()]).toEqual(
      [!isCommitted, true, ['admin.key', 'connection.passphrase']],
    );
  });

  it('is discarded by the next start when the database does not have it', async () => {
    const first = await passphrase();
    await files.stage('AAAAA-AAAAA-AAAAA-AAAAA-AAAAA-AAAAA');
    await start();
    expect([await passphrase(), await isValid(first), (await readdir(folder)).sort()]).toEqual([
      first,
      true,
      ['admin.key', 'connection.passphrase'],
    ]);
  });

  it('is not created when it cannot be stored', async () => {
    const first = await passphrase();
    await rm(folder, { recursive: true });
    await writeFile(folder, '');
    await expect(keyService().rotatePassphrase(actor, 0)).rejects.toThrow(/ENOTDIR/);
    expect(await isValid(first)).toBe(true);
  });
});

describe('an additional admin key', () => {
  const adminKey = async (): Promise<string> => (await readFile(files.adminKey, 'utf8')).trim();
  const names = async (): Promise<string[]> => (await keys.apiKeys(10, null)).map(({ name }) => name);

  it('is written to the file of the first key, which stays valid', async () => {
    const first = await adminKey();
    await issueAdditionalAdminKey(secrets, files);
    const second = await adminKey();
    expect(await Promise.all([first, second].map((key) => keys.findValidApiKey(sha256(key))))).toMatchObject([
      { role: 'admin' },
      { role: 'admin' },
    ]);
    expect([second === first, (await readdir(folder)).sort()]).toEqual([false, ['admin.key', 'connection.passphrase']]);
  });

  it.each([
    ['in the first replica', async () => undefined],
    ['in another replica, which has no passphrase', () => rm(files.passphrase)],
    ['during a rotation', () => files.stage('AAAAA-AAAAA-AAAAA-AAAAA-AAAAA-AAAAA')],
  ])(
    'is committed by the next start when the server was killed after the commit in the database, %s',
    async (_where, prepare) => {
      class Killed extends SecretStore {
        override async addAdminKey(...created: Parameters<SecretStore['addAdminKey']>): Promise<never> {
          await super.addAdminKey(...created);
          throw new Error('killed');
        }
      }
      await expect(
        issueAdditionalAdminKey(new Killed(stores.database, stores.clock, stores.identifiers), files),
      ).rejects.toThrow('killed');
      await prepare();
      const before = await readdir(folder);
      await ensureInitialSecrets(secrets, keys, files, (line) => expect(line).toBe('no message'));
      expect([await keys.findValidApiKey(sha256(await adminKey())), (await names()).length]).toMatchObject([
        { name: (await names())[1] },
        2,
      ]);
      expect((await readdir(folder)).sort()).toEqual(before.filter((name) => name !== 'admin.key.renewed').sort());
    },
  );

  it('is discarded by the next start when the database does not have it', async () => {
    const first = await adminKey();
    await writeFile(`${files.adminKey}.renewed`, newApiKey(), { mode: 0o600 });
    await start();
    expect([await adminKey(), await names(), (await readdir(folder)).sort()]).toEqual([
      first,
      ['admin'],
      ['admin.key', 'connection.passphrase'],
    ]);
  });
});

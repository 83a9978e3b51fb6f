import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Database, KeyRingStore, PlanStore, RemovalStore, RestoreStore, SecretStore } from '@app/fleet-mysql';
import { UuidIdentifiers } from '@app/platform';
import { fixedFraction } from '../support/manual-clock.js';
import { TogglableProxy } from '../support/togglable-proxy.js';
import { codeOf, OUR_RULES, TestStores } from '../support/test-stores.js';

const HASH = Buffer.alloc(32, 1);
const ids = new UuidIdentifiers();

/** The calls that are not on the path of a heartbeat, registration or page. */
const COLD_CALLS: Record<string, (database: Database) => Promise<unknown>> = {
  'a list of API keys': (database) => keyRing(database).apiKeys(10, null),
  'a list of passphrases': (database) => keyRing(database).passphrases(10, null),
  'the state of a passphrase': (database) => keyRing(database).passphraseState(HASH),
  'the check of an API key': (database) => keyRing(database).findValidApiKey(HASH),
  'the check of a passphrase': (database) => keyRing(database).isValidPassphrase(HASH.toString('hex')),
  'a shared key': (database) => secrets(database).getOrCreateSharedKey('credential_hmac', HASH),
  'the check for initial secrets': (database) => secrets(database).hasInitialSecrets(),
  'a purge plan': (database) => new PlanStore(database, stores.clock, OUR_RULES).find(randomUUID()),
  'the last clean-up run': (database) => removals(database).lastRun(),
  'the end of a clean-up run': (database) =>
    removals(database).recordRun({ at: stores.clock.now(), by: 'a replica', removed: 0, error: null }),
  'the site': (database) => new RestoreStore(database, stores.clock, ids).findOrCreate(randomUUID()),
};
const keyRing = (database: Database): KeyRingStore => new KeyRingStore(database, stores.clock, ids);
const secrets = (database: Database): SecretStore => new SecretStore(database, stores.clock, ids);
const removals = (database: Database): RemovalStore => new RemovalStore(database, stores.clock, ids);

let stores: TestStores;
let proxy: TogglableProxy;
let database: Database;
const outcomes = new Map<string, Promise<string | null>>();
beforeAll(async () => {
  stores = await TestStores.open();
  proxy = await TogglableProxy.inFrontOf(stores.testDatabase.address);
  const connections = Object.keys(COLD_CALLS).length;
  const { user, password, database: name } = stores.testDatabase.address;
  const address = { user, password, database: name, ...proxy.address };
  database = new Database(address, fixedFraction(0), { connections, lockWaitSeconds: 1 });
  await openConnections(connections);
  proxy.freeze();
  for (const [call, run] of Object.entries(COLD_CALLS)) outcomes.set(call, codeOf(run(database)));
});
afterAll(async () => {
  await database.close();
  await stores.close();
  await proxy.close();
});

/** So that every call has a connection that hangs. */
async function openConnections(count: number): Promise<void> {
  let open = 0;
  let release = (): void => undefined;
  const all = new Promise<void>((resolve) => (release = resolve));
  const hold = (): Promise<void> =>
    database.transaction(async (transaction) => {
      await transaction.rows('SELECT 1');
      open += 1;
      if (open === count) release();
      await all;
    });
  await Promise.all(Array.from({ length: count }, hold));
}

describe('while the database does not respond', () => {
  it.each(Object.keys(COLD_CALLS))('%s ends with an error', async (name) => {
    expect(await outcomes.get(name)).toBe('database_unavailable');
  });
});

describe('when the database responds again', () => {
  it.each(Object.entries(COLD_CALLS))('%s succeeds', async (_, call) => {
    await Promise.all(outcomes.values());
    expect(await codeOf(call(database))).toBeNull();
  });
});

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestStores } from '../support/test-stores.js';

let stores: TestStores;
beforeAll(async () => {
  stores = await TestStores.open();
  await stores.fresh();
});
afterAll(() => stores.close());

const CHILDREN = ['process_server_lease', 'process_server_health', 'process_server_name_history'] as const;
const NO_PARENT_ROW = { errno: 1452 };
const CHILD_ROW_EXISTS = { errno: 1451 };

describe('the database rejects', () => {
  it('a lease without its process server', async () => {
    const { hostId } = await stores.registered();
    const lease = { ...(await stores.lease({ hostId })), host_id: randomUUID() };
    await expect(stores.testDatabase.write('INSERT INTO process_server_lease SET ?', [lease])).rejects.toMatchObject(
      NO_PARENT_ROW,
    );
  });

  it('health without its process server', async () => {
    await expect(
      stores.testDatabase.write('INSERT INTO process_server_health SET host_id = ?, load_severity = 0', [randomUUID()]),
    ).rejects.toMatchObject(NO_PARENT_ROW);
  });

  it('a name without its process server', async () => {
    const name = { host_id: randomUUID(), valid_from: stores.clock.now(), name_key: 'n' };
    await expect(
      stores.testDatabase.write('INSERT INTO process_server_name_history SET ?', [name]),
    ).rejects.toMatchObject(NO_PARENT_ROW);
  });

  it.each(CHILDREN)('the deletion of a process server that has a row in %s', async (left) => {
    const { hostId } = await stores.registered();
    for (const table of CHILDREN)
      if (table !== left) await stores.testDatabase.write('DELETE FROM ?? WHERE host_id = ?', [table, hostId]);
    await expect(
      stores.testDatabase.write('DELETE FROM process_server WHERE host_id = ?', [hostId]),
    ).rejects.toMatchObject(CHILD_ROW_EXISTS);
  });

  it.each(['process_server', 'process_server_lease', 'process_server_health', 'tombstone'])(
    'a second row for one host id in %s',
    async (table) => {
      const { hostId, generation } = await stores.registered();
      if (table === 'tombstone') await stores.purge({ hostId, generation }, { force: true });
      const [row] = await stores.testDatabase.rows('SELECT * FROM ?? WHERE host_id = ?', [table, hostId]);
      expect(row).toBeDefined();
      await expect(stores.testDatabase.write('INSERT INTO ?? SET ?', [table, row])).rejects.toMatchObject({
        errno: 1062,
      });
    },
  );

  it('a second clock row, a second passphrase with the same hash and a second API key with the same name', async () => {
    const hash = Buffer.alloc(32, 1);
    const at = stores.clock.now();
    const passphrase = (): Promise<number> =>
      stores.testDatabase.write('INSERT INTO passphrase (id, hash, created_at) VALUES (?, ?, ?)', [
        randomUUID(),
        hash,
        at,
      ]);
    const apiKey = (byte: number): Promise<number> =>
      stores.testDatabase.write(
        'INSERT INTO api_key (id, name, name_key, hash, role, created_at) VALUES (?, ?, ?, ?, ?, ?)',
        [randomUUID(), 'one name', 'one name', Buffer.alloc(32, byte), 'reader', at],
      );
    await passphrase();
    await apiKey(1);
    await expect(passphrase()).rejects.toMatchObject({ errno: 1062 });
    await expect(apiKey(2)).rejects.toMatchObject({ errno: 1062 });
    await expect(
      stores.testDatabase.write('INSERT INTO availability_clock (id, available_ms, recorded_at) VALUES (1, 0, ?)', [
        at,
      ]),
    ).rejects.toMatchObject({ errno: 1062 });
  });
});

it('has a primary key in every table, as a cluster requires', async () => {
  const tables = await stores.testDatabase.rows<{ name: string; keys_: number }>(
    `SELECT t.TABLE_NAME AS name, COUNT(c.CONSTRAINT_NAME) AS keys_
       FROM information_schema.TABLES AS t
       LEFT JOIN information_schema.TABLE_CONSTRAINTS AS c
         ON c.TABLE_SCHEMA = t.TABLE_SCHEMA AND c.TABLE_NAME = t.TABLE_NAME AND c.CONSTRAINT_TYPE = 'PRIMARY KEY'
      WHERE t.TABLE_SCHEMA = ? GROUP BY t.TABLE_NAME`,
    [stores.testDatabase.address.database],
  );
  expect(tables.length).toBeGreaterThanOrEqual(12);
  expect(tables.filter(({ keys_ }) => keys_ !== 1)).toEqual([]);
});

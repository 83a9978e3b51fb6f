import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { Database, DatabaseServers, type ServerChange } from '@app/fleet-mysql';
import { fixedFraction } from '../support/manual-clock.js';
import { DedicatedDatabaseServer } from '../support/dedicated-database-server.js';
import { eventually } from '../support/eventually.js';
import { ServerFolder } from '../support/server-program.js';

jest.setTimeout(240_000);
let first: DedicatedDatabaseServer;
let second: DedicatedDatabaseServer;
let folder: ServerFolder | undefined;
beforeAll(async () => {
  [first, second] = await Promise.all([
    DedicatedDatabaseServer.start(['--server-id=1']),
    DedicatedDatabaseServer.start(['--server-id=2']),
  ]);
  for (const server of [first, second]) await server.root.query('CREATE TABLE fleet.t (id INT PRIMARY KEY)');
});
afterAll(async () => {
  await folder?.remove();
  await first.stop();
  await second.stop();
});

it('leaves a primary that became read-only, with all pools, and closes the connections to it', async () => {
  const changes: ServerChange[] = [];
  const servers = new DatabaseServers(
    { ...first.address, others: [{ host: '127.0.0.1', port: second.port }] },
    (change) => void changes.push(change),
  );
  const pools = [1, 2].map(() => new Database(servers, fixedFraction(0), { connections: 3, lockWaitSeconds: 1 }));
  const write = async (pool: Database | undefined, id: number): Promise<void> =>
    void (await pool?.transaction((transaction) => transaction.write('INSERT INTO t VALUES (?)', [id])));
  await Promise.all(pools.map((pool, id) => write(pool, id)));
  expect(await first.rows('SELECT id FROM fleet.t')).toHaveLength(2);
  await first.readOnly(true);
  await write(pools[0], 10);
  expect(await pools[1]?.rows('SELECT @@server_id AS id')).toEqual([{ id: 2 }]);
  expect(await second.rows('SELECT id FROM fleet.t')).toEqual([{ id: 10 }]);
  expect([changes.length, servers.changes]).toEqual([1, 1]);
  expect(await first.connections()).toBe(0);
  for (const pool of pools) await pool.close();
});

it('is not ready while its only server is read-only, and recovers without intervention', async () => {
  const { user, password, port, database } = first.address;
  await first.root.query('DROP TABLE fleet.t');
  await first.readOnly(false);
  folder = await ServerFolder.make({ DATABASE_URL: `mysql://${user}:${password}@127.0.0.1:${port}/${database}` });
  const program = await folder.start();
  const readiness = async (): Promise<string> => {
    const response = await fetch(`${program.url}/health/ready`);
    return `${response.status} ${((await response.json()) as { code?: string }).code ?? ''}`.trim();
  };
  expect(await readiness()).toBe('200');
  await first.readOnly(true);
  await eventually('it is not ready', 30_000, async () => (await readiness()) === '503 database_unavailable');
  await first.readOnly(false);
  await eventually('it is ready again', 30_000, async () => (await readiness()) === '200');
  expect((await program.stop()).code).toBe(0);
});

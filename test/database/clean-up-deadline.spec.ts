import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { SystemClock } from '@app/platform';
import { TestCluster } from '../support/test-cluster.js';

/** More than two batches. */
const MANY = 1_300;

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open({ replicas: 2 });
});
beforeEach(async () => {
  await cluster.database.empty();
  await cluster.recordAvailability();
});
afterAll(() => cluster.close());

/** Writes entries whose grace period has just ended directly into the tables. */
async function writeDueEntries(): Promise<void> {
  const left = new Date(cluster.clock.now().getTime() - 300_000);
  const ids = Array.from({ length: MANY }, () => randomUUID());
  await cluster.database.write(
    `INSERT INTO process_server (host_id, generation, friendly_name, ip_address, data_port, os_type, os_version, agent_version, version_key,
       machine_id, environment, cpu_cores, memory_bytes, cache_disk_bytes, passphrase_id, registered_at, decommissioned_at, decommissioned_by, remove_by) VALUES ?`,
    [
      ids.map((id) => [
        id,
        1,
        'n',
        '192.0.2.1',
        9443,
        'o',
        'v',
        '9.63.7187.1',
        '0'.repeat(16),
        'm',
        'VMware',
        1,
        1,
        1,
        id,
        left,
        left,
        'test',
        left,
      ]),
    ],
  );
  await cluster.database.write(
    `INSERT INTO process_server_lease (host_id, generation, credential_hash, retired, revoked, report_fingerprint, last_seen_available_ms, expires_available_ms,
       assigned_interval_seconds, source_address) VALUES ?`,
    [ids.map((id) => [id, 1, Buffer.alloc(32), 1, 0, Buffer.alloc(16), 0, 0, 30, '127.0.0.1'])],
  );
  await cluster.database.write('INSERT INTO process_server_health (host_id, load_severity) VALUES ?', [
    ids.map((id) => [id, 0]),
  ]);
  await cluster.database.rebuildCounters();
}

const rowsLeft = async (): Promise<number[]> =>
  Promise.all(
    ['process_server', 'process_server_lease', 'process_server_health'].map((table) => cluster.database.count(table)),
  );

it('removes all due entries in one run, in any number', async () => {
  await writeDueEntries();
  const { removed } = await cluster.replica().cleanUp.run();
  expect(removed).toBe(MANY);
  expect(await rowsLeft()).toEqual([0, 0, 0]);
  expect(await cluster.database.count('tombstone')).toBe(MANY);
  expect(await cluster.database.rows('SELECT kind, COUNT(*) AS count FROM event GROUP BY kind')).toEqual([
    { kind: 'removed', count: MANY },
  ]);
});

it('removes the entries of a replica that died during its run', async () => {
  await writeDueEntries();
  const dying = await cluster.database.connect();
  await dying.query('START TRANSACTION');
  await dying.query('SELECT host_id FROM process_server_lease ORDER BY host_id LIMIT 500 FOR UPDATE');
  await cluster.replica(1).cleanUp.run();
  const [left] = await rowsLeft();
  dying.destroy();
  expect(left).toBe(500);
  for (let tries = 0; (await rowsLeft())[0] !== 0 && tries < 100; tries += 1) await cluster.replica(1).cleanUp.run();
  expect(await rowsLeft()).toEqual([0, 0, 0]);
});

it('records and reports a failed run, and the next run removes its entries', async () => {
  await writeDueEntries();
  await cluster.database.write('RENAME TABLE tombstone TO tombstone_away');
  await expect(cluster.replica().cleanUp.run()).rejects.toThrow();
  expect(await rowsLeft()).toEqual([MANY, MANY, MANY]);
  expect(
    (await cluster.read<{ cleanUp: { lastPassError: string } }>('/v1/configuration-server')).body.cleanUp.lastPassError,
  ).toContain('tombstone');
  await cluster.database.write('RENAME TABLE tombstone_away TO tombstone');
  await cluster.replica().cleanUp.run();
  expect(await rowsLeft()).toEqual([0, 0, 0]);
});

it('uses the clock of the database, whatever the clock of the host', async () => {
  const anHourAhead = async (): Promise<{ at: Date; server: string }> => ({
    at: new Date(Date.now() + 3_600_000),
    server: 'a',
  });
  const clock = new SystemClock(anHourAhead);
  await clock.synchronise();
  const { at } = (await cluster.database.rows<{ at: Date }>('SELECT UTC_TIMESTAMP(3) AS at'))[0] ?? { at: new Date(0) };
  expect(Math.abs(clock.now().getTime() - 3_600_000 - at.getTime())).toBeLessThan(30_000);
});

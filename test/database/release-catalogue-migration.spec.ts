import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { DataSource } from 'typeorm';
import { osKeyOf } from '@app/fleet';
import { fleetDataSource } from '../../libs/fleet-mysql/src/data-source.js';
import { InitialSchema1796000000001 } from '../../migrations/1796000000001-initial-schema.js';
import { ReleaseCatalogue1796000000003 } from '../../migrations/1796000000003-release-catalogue.js';
import { TestDatabase } from '../support/test-database.js';

const OS_TYPES = ['Windows', 'WINDOWS', 'windows', 'Linux', 'linux', 'Wíndows', 'Solaris', 'Windows 11'];

let database: TestDatabase;
let dataSource: DataSource;
beforeEach(async () => {
  database = await TestDatabase.makeEmpty();
  dataSource = await fleetDataSource(database.address, [InitialSchema1796000000001]).initialize();
  await dataSource.runMigrations({ transaction: 'none' });
  await database.write(
    `INSERT INTO process_server (host_id, generation, friendly_name, ip_address, data_port, os_type, os_version, agent_version, version_key,
       machine_id, environment, cpu_cores, memory_bytes, cache_disk_bytes, passphrase_id, registered_at, decommissioned_at) VALUES ?`,
    [
      Array.from({ length: 2_500 }, (_, n) => [
        `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`,
        ...[1, 'ps', '192.0.2.1', 9443, OS_TYPES[n % OS_TYPES.length], 'v', '9.63.0.0', `0009003f0000000${n % 2}`],
        ...['m', 'VMware', 1, 1, 1, 'p', new Date(), n % 10 === 0 ? new Date() : null],
      ]),
    ],
  );
  await database.write(
    'INSERT INTO fleet_counter_delta (version_key, decommissioned, entries) SELECT version_key, decommissioned_at IS NOT NULL, COUNT(*) FROM process_server GROUP BY 1, 2',
  );
});
afterEach(async () => {
  await dataSource.destroy();
  await database.drop();
});

it('classifies existing entries as the rules do and counts them by operating system, also when it runs twice', async () => {
  const migration = new ReleaseCatalogue1796000000003();
  for (let run = 0; run < 2; run += 1) {
    await migration.up(dataSource.createQueryRunner());
    const entries = await database.rows<{ os_type: string; os_key: string }>(
      'SELECT os_type, os_key FROM process_server',
    );
    expect(entries.filter(({ os_type, os_key }) => os_key !== osKeyOf(os_type))).toEqual([]);
    expect(entries).toHaveLength(2_500);
    expect(await database.counterErrors()).toEqual([]);
  }
  const counters = await database.rows<{ os_key: string }>(
    'SELECT os_key, SUM(entries) AS entries FROM fleet_counter_delta GROUP BY os_key HAVING SUM(entries) <> 0',
  );
  expect(counters.map(({ os_key }) => os_key).sort()).toEqual(['', 'Linux', 'Windows']);
});

it('can be taken back', async () => {
  const before = await database.rows('SHOW CREATE TABLE process_server');
  const migration = new ReleaseCatalogue1796000000003();
  await migration.up(dataSource.createQueryRunner());
  await migration.down(dataSource.createQueryRunner());
  expect(await database.rows('SHOW CREATE TABLE process_server')).toEqual(before);
});

import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { DataSource, QueryRunner } from 'typeorm';
import { fleetDataSource } from '../../libs/fleet-mysql/src/data-source.js';
import { InitialSchema1796000000001 } from '../../migrations/1796000000001-initial-schema.js';
import { HealthWindows1796000000002 } from '../../migrations/1796000000002-health-windows.js';
import { TestDatabase } from '../support/test-database.js';

/** More than two statements of the conversion change. */
const ENTRIES = 2_500;
const hostIdOf = (n: number): string => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
const REPORTED_AT = new Date('2026-01-02T03:04:05.678Z');

let database: TestDatabase;
let dataSource: DataSource;
let runner: QueryRunner;
beforeEach(async () => {
  database = await TestDatabase.makeEmpty();
  dataSource = await fleetDataSource(database.address, [InitialSchema1796000000001]).initialize();
  await dataSource.runMigrations({ transaction: 'none' });
  runner = dataSource.createQueryRunner();
  const hosts = Array.from({ length: ENTRIES }, (_, n) => n);
  await database.write(
    `INSERT INTO process_server (host_id, generation, friendly_name, ip_address, data_port, os_type, os_version, agent_version, version_key,
       machine_id, environment, cpu_cores, memory_bytes, cache_disk_bytes, passphrase_id, registered_at) VALUES ?`,
    [
      hosts.map((n) => [
        ...[hostIdOf(n), 1, 'ps', '192.0.2.1', 9443, 'Windows', 'v', '9.63.0.0', '0009003f00000000'],
        ...['m', 'VMware', 1, 1, 1, 'p', REPORTED_AT],
      ]),
    ],
  );
  await database.write(
    `INSERT INTO process_server_health (host_id, load_severity, load_report_bucket, load_reported_at, cpu_percent, services, services_down_at,
       protected_machine_count, certificate_expires_at, certificate_reported_at) VALUES ?`,
    [
      hosts.map((n) => [
        ...[hostIdOf(n), n % 4, n % 4 === 0 ? null : 7, n % 4 === 0 ? null : REPORTED_AT, n % 100],
        ...['[{"name":"cxps","state":"stopped"}]', REPORTED_AT, n, REPORTED_AT, REPORTED_AT],
      ]),
    ],
  );
});
afterEach(async () => {
  await runner.release();
  await dataSource.destroy();
  await database.drop();
});

/** What the migration keeps of each row. */
const reports = (): Promise<unknown[]> =>
  database.rows(
    `SELECT host_id, load_reported_at, cpu_percent, CAST(services AS CHAR) AS services, services_down_at, protected_machine_count,
       certificate_expires_at, certificate_reported_at FROM process_server_health ORDER BY host_id`,
  );
const isReset = 'load_severity = 0 AND load_report_bucket IS NULL';
const hasNoState = `load_available_ms IS NULL AND load_above = 0 AND load_raised = 0 AND cpu_warning_since_available_ms IS NULL
  AND upload_critical_since_available_ms IS NULL AND services_available_ms IS NULL AND services_down IS NULL AND services_raised = 0
  AND certificate_available_ms IS NULL AND published_health IS NULL AND published_errors IS NULL`;

it('keeps the reports, makes their status unknown and every health due for review', async () => {
  const before = await reports();
  expect(before).toHaveLength(ENTRIES);
  await new HealthWindows1796000000002().up(runner);
  expect(await reports()).toEqual(before);
  const [changed] = await database.rows(
    `SELECT COUNT(*) AS entries, SUM(${isReset}) AS reset, SUM(${hasNoState}) AS withoutState, SUM(review_due = 1) AS due FROM process_server_health`,
  );
  expect(Object.values(changed ?? {}).map(Number)).toEqual([ENTRIES, ENTRIES, ENTRIES, ENTRIES]);
});

it('completes a conversion that was interrupted, and does not change later reports', async () => {
  const migration = new HealthWindows1796000000002();
  await migration.up(runner);
  await database.write('UPDATE process_server_health SET load_severity = 3, load_report_bucket = 9');
  await database.write(
    'UPDATE process_server_health SET load_available_ms = 5, load_raised = 16 WHERE protected_machine_count < 10',
  );
  await migration.up(runner);
  expect(
    await database.rows(
      'SELECT load_severity, load_report_bucket, load_raised, COUNT(*) AS entries FROM process_server_health GROUP BY 1, 2, 3 ORDER BY 1',
    ),
  ).toEqual([
    { load_severity: 0, load_report_bucket: null, load_raised: 0, entries: ENTRIES - 10 },
    { load_severity: 3, load_report_bucket: 9, load_raised: 16, entries: 10 },
  ]);
});

it('can be taken back, also twice, with all rows', async () => {
  const [schema, before] = [await database.rows('SHOW CREATE TABLE process_server_health'), await reports()];
  const migration = new HealthWindows1796000000002();
  await migration.up(runner);
  for (let run = 0; run < 2; run += 1) {
    await migration.down(runner);
    expect(await database.rows('SHOW CREATE TABLE process_server_health')).toEqual(schema);
    expect(await reports()).toEqual(before);
  }
  await migration.up(runner);
  expect(await reports()).toEqual(before);
});

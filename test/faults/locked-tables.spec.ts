import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { RunningFleet } from '../support/running-fleet.js';
import { ServerFolder } from '../support/server-program.js';

jest.setTimeout(120_000);

const LEASE_SECONDS = 6;
const INTERVAL_MS = 400;

let folder: ServerFolder;
let fleet: RunningFleet;

beforeAll(async () => {
  folder = await ServerFolder.make({
    HEARTBEAT_INTERVAL_SECONDS: '1',
    LEASE_SECONDS: String(LEASE_SECONDS),
    API_KEY_REQUESTS_PER_SECOND: '1000',
  });
  await folder.prepare();
  fleet = await RunningFleet.of(folder, await folder.start(), 5, INTERVAL_MS);
});
afterAll(async () => {
  await fleet.stop();
  await folder.remove();
});

const isReady = async (): Promise<boolean> => (await fleet.read('/health/ready')).status === 200;

describe('a table of heartbeats that is locked by another client for longer than a lease', () => {
  it.each([
    ['process_server_health', 'rows'],
    ['process_server_health', 'tables'],
    ['process_server_lease', 'rows'],
    ['process_server_lease', 'tables'],
  ])('%s (%s) ends no lease: the replica is not ready, and the availability clock stops', async (table, how) => {
    await fleet.until(
      'every heartbeat is accepted',
      async () => (await isReady()) && fleet.servers.every(({ statuses }) => statuses.at(-1) === 200),
    );
    for (const { statuses, rejections } of fleet.servers) {
      statuses.length = 0;
      rejections.clear();
    }
    const lockHolder = await folder.connect();
    await lockHolder.query(how === 'tables' ? `LOCK TABLES ${table} WRITE` : 'BEGIN');
    if (how === 'rows') await lockHolder.query(`SELECT COUNT(*) FROM ${table} FOR UPDATE`);
    const since = performance.now();
    await fleet.until('the replica is not ready', async () => !(await isReady()));
    const failed = (statuses: readonly number[]): number => statuses.filter((status) => status === 503).length;
    await fleet.until(
      'heartbeats have failed for longer than a lease',
      () =>
        performance.now() - since > 1.3 * LEASE_SECONDS * 1000 &&
        fleet.servers.every(({ statuses }) => failed(statuses) >= 3),
    );
    expect(await isReady()).toBe(false);
    await lockHolder.query(how === 'tables' ? 'UNLOCK TABLES' : 'ROLLBACK');
    await lockHolder.end();

    expect(await Promise.all(fleet.servers.map((server) => fleet.stateOf(server)))).toEqual(
      fleet.servers.map(() => 'Connected'),
    );
    await fleet.until(
      'heartbeats are accepted again',
      async () => (await isReady()) && fleet.servers.every(({ statuses }) => statuses.at(-1) === 200),
    );
    for (const { rejections } of fleet.servers)
      for (const rejection of rejections)
        expect(['database_unavailable retry', 'replica_not_ready retry']).toContain(rejection);
    const kinds = await fleet.kinds();
    expect(kinds).not.toContain('silence_ended');
    expect(kinds).toContain('service_outage');
  });
});

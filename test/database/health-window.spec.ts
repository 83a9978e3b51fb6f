import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import {
  afterReport,
  HEALTH_WINDOW_MS,
  LOAD_SIGNALS,
  loadSides,
  loadStatus,
  rewriteAfterMs,
  statusRank,
  type Load,
  type ServiceState,
  type SignalState,
} from '@app/fleet';
import { seededRandom } from '../../libs/platform/src/seeded-random.js';
import { TestStores, type StoredServer } from '../support/test-stores.js';

let stores: TestStores;
beforeAll(async () => {
  stores = await TestStores.open();
});
afterAll(() => stores.close());
beforeEach(() => stores.fresh());

const SERVERS = 30;
const REPORTS = 80;
const LEASE_SECONDS = 180;
const SINCE_COLUMNS = ['warning', 'critical'].flatMap((level) =>
  LOAD_SIGNALS.map((signal) => `${signal}_${level}_since_available_ms`),
);
type Row = Record<string, number | null> & { host_id: string };

/** A process server with the state that the rules expect. */
interface Simulated {
  readonly server: StoredServer;
  load: Load | null;
  services: readonly ServiceState[] | null;
  loadState: SignalState;
  servicesState: SignalState;
}

it('follows the rules with random reports: values at the thresholds, gaps, unknown values, outages and repetitions', async () => {
  const random = seededRandom(18);
  const oneOf = <Value>(...values: readonly Value[]): Value => values[Math.floor(random() * values.length)] as Value;
  const randomLoad = (): Load => ({
    cpuPercent: oneOf(10, 80, 80.01, 95, 95.01, null),
    totalMemoryBytes: 1_000,
    availableMemoryBytes: oneOf(900, 200, 199, 49, null),
    totalCacheBytes: oneOf(1_000, 1_000, 0),
    freeCacheBytes: oneOf(900, 300, 299, 249),
    throughputBytesPerSecond: 100,
    pendingUploadBytes: oneOf(0, 180_000, 180_001, 270_001),
  });
  const simulated: Simulated[] = [];
  for (let number = 0; number < SERVERS; number += 1)
    simulated.push({
      server: await stores.registered(),
      load: null,
      services: null,
      loadState: { reportedAvailableMs: null, above: 0, raised: 0, sinceAvailableMs: Array<null>(8).fill(null) },
      servicesState: { reportedAvailableMs: null, above: 0, raised: 0, sinceAvailableMs: [null] },
    });
  let [availableMs, raised, cleared] = [5_000, 0, 0];
  for (let report = 0; report < REPORTS; report += 1) {
    stores.clock.advanceSeconds(oneOf(30, 60, 7_200));
    availableMs += 1000 * (random() < 0.05 ? LEASE_SECONDS + 1 : oneOf(0, 20, 60, 90, 120, 120, LEASE_SECONDS));
    const moment = { at: stores.clock.now(), availableMs };
    const sent = simulated.map((each) => {
      // A value stays for several reports, otherwise nothing would be raised.
      const load = random() < 0.05 || !each.load ? randomLoad() : each.load;
      const services = random() < 0.06 ? oneOf([], [{ name: 'a', state: oneOf('running', 'stopped') }]) : each.services;
      return { each, load: random() < 0.03 ? null : load, services: random() < 0.03 ? null : services };
    });
    await stores.leases.writeBatch(
      sent.map(({ each, load, services }) => stores.heartbeat(each.server, { load, services })),
      () => moment,
      5_000,
    );
    for (const { each, load, services } of sent) {
      const before = [each.loadState, each.servicesState];
      const common = { availableMs, leaseMs: LEASE_SECONDS * 1000 };
      if (load) {
        const unchanged = JSON.stringify(load) === JSON.stringify(each.load);
        each.loadState = afterReport(each.loadState, { ...common, ...loadSides(load), unchanged }, HEALTH_WINDOW_MS);
        each.load = load;
      }
      if (services) {
        const unchanged = JSON.stringify(services) === JSON.stringify(each.services);
        const above = Number(services.some(({ state }) => state === 'stopped'));
        if (services.length > 0)
          each.servicesState = afterReport(
            each.servicesState,
            { ...common, known: 1, above, unchanged },
            HEALTH_WINDOW_MS,
          );
        each.services = services;
      }
      for (const [index, after] of [each.loadState, each.servicesState].entries()) {
        raised += Number((after.raised & ~(before[index]?.raised ?? 0)) > 0);
        cleared += Number(((before[index]?.raised ?? 0) & ~after.raised) > 0);
      }
    }
    const rows = await stores.testDatabase.rows<Row>('SELECT * FROM process_server_health');
    for (const { server, load, loadState, servicesState } of simulated) {
      const row = rows.find(({ host_id }) => host_id === server.hostId);
      const { known } = load ? loadSides(load) : { known: 0 };
      expect({
        report,
        above: row?.['load_above'],
        raised: row?.['load_raised'],
        reported: row?.['load_available_ms'],
        since: SINCE_COLUMNS.map((column) => row?.[column]),
        severity: row?.['load_severity'],
        services: ['reported', 'raised', 'since'].map(
          (name) => row?.[`services_${name === 'raised' ? name : `${name === 'since' ? 'since_' : ''}available_ms`}`],
        ),
      }).toEqual({
        report,
        above: loadState.above,
        raised: loadState.raised,
        reported: loadState.reportedAvailableMs,
        since: loadState.sinceAvailableMs,
        severity: statusRank(loadStatus(known, loadState.raised)),
        services: [servicesState.reportedAvailableMs, servicesState.raised, servicesState.sinceAvailableMs[0]],
      });
    }
  }
  expect(raised).toBeGreaterThan(20);
  expect(cleared).toBeGreaterThan(10);
});

const CALM: Load = {
  cpuPercent: 10,
  totalMemoryBytes: 100,
  availableMemoryBytes: 90,
  totalCacheBytes: 100,
  freeCacheBytes: 90,
  throughputBytesPerSecond: 100,
  pendingUploadBytes: 0,
};
const BUSY = { ...CALM, cpuPercent: 85 };
const STOPPED = [{ name: 'cxps', state: 'stopped' }];
const RUNNING = [{ name: 'cxps', state: 'running' }];

it('marks an entry for review at its registration, and when the state of its health changes, otherwise not', async () => {
  const server = await stores.registered();
  const reviewDue = async (): Promise<boolean> => {
    const [row] = await stores.testDatabase.rows<{ review_due: number | null }>(
      'SELECT review_due FROM process_server_health WHERE host_id = ?',
      [server.hostId],
    );
    await stores.testDatabase.write('UPDATE process_server_health SET review_due = NULL');
    return row?.review_due === 1;
  };
  const report = async (over: Parameters<TestStores['heartbeat']>[1], minutes = 1): Promise<boolean> => {
    for (let minute = 0; minute < minutes; minute += 1) {
      await stores.advance(60);
      await stores.write(stores.heartbeat(server, over));
    }
    return reviewDue();
  };
  const certificateExpiresAt = new Date('2027-06-30T00:00:00Z');
  expect(await reviewDue()).toBe(true);
  expect(await report({})).toBe(false);
  expect(await report({ load: CALM, services: RUNNING, certificateExpiresAt })).toBe(true);
  expect(await report({ load: CALM, services: RUNNING, certificateExpiresAt }, 3)).toBe(false);
  expect(await report({ load: BUSY, services: STOPPED, certificateExpiresAt }, 15)).toBe(false);
  expect(await report({ load: BUSY, services: RUNNING, certificateExpiresAt })).toBe(true);
  expect(await report({ load: BUSY, services: STOPPED, certificateExpiresAt }, 15)).toBe(false);
  expect(await report({ load: BUSY, services: STOPPED, certificateExpiresAt })).toBe(true);
  expect(await report({ load: CALM, services: STOPPED, certificateExpiresAt }, 5)).toBe(false);
  expect(await report({ load: CALM, services: STOPPED, certificateExpiresAt })).toBe(true);
  expect(await report({ load: { ...CALM, cpuPercent: null } })).toBe(true);
  expect(await report({ certificateExpiresAt: new Date('2027-07-30T00:00:00Z') })).toBe(true);
  expect(await report({ withdrawn: ['services'] })).toBe(true);
  await stores.advance(180);
  await stores.register(server.hostId);
  expect(await reviewDue()).toBe(true);
});

it('writes an unchanged heartbeat without load to the lease only', async () => {
  const server = await stores.registered();
  await stores.write(stores.heartbeat(server, { load: CALM }));
  const before = await stores.testDatabase.rows('SELECT * FROM process_server_health');
  await stores.advance(rewriteAfterMs(HEALTH_WINDOW_MS) / 1000);
  stores.heartbeatDatabase.statements.length = 0;
  await stores.write(stores.heartbeat(server));
  expect(stores.heartbeatDatabase.statements).toHaveLength(1);
  expect(await stores.testDatabase.rows('SELECT * FROM process_server_health')).toEqual(before);
});

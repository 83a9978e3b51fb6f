import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  capacityOf,
  HEALTH_WINDOW_MS,
  connectionStateAt,
  healthAt,
  lifecycleOf,
  siteRoomOf,
  type Capacity,
  type Moment,
} from '@app/fleet';
import { CapacityQuery, type CapacityEntry } from '@app/fleet-mysql';
import { GIGABYTE } from '../../libs/fleet/src/registration/sizing.js';
import { OUR_RULES, TestStores } from '../support/test-stores.js';

let stores: TestStores;
let capacity: CapacityQuery;
beforeAll(async () => {
  stores = await TestStores.open();
  capacity = new CapacityQuery(stores.database, stores.clock, stores.releases);
});
afterAll(() => stores.close());
beforeEach(() => stores.fresh());

const LOAD = {
  cpuPercent: 1,
  totalMemoryBytes: 100,
  availableMemoryBytes: 50,
  totalCacheBytes: 100,
  freeCacheBytes: 50,
  throughputBytesPerSecond: 1,
  pendingUploadBytes: 0,
};
const id = (number: number): string => `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;

/** By the rules. */
const capacityBy = ({ server, hardware, reported }: CapacityEntry, asOf: Moment): Capacity & { hostId: string } => {
  const connectionState = connectionStateAt(asOf.availableMs, server);
  return {
    hostId: server.hostId,
    ...capacityOf({
      hardware,
      reported,
      lifecycle: lifecycleOf(server),
      connectionState,
      versionStatus: OUR_RULES.known.verdictOf(server.facts.agentVersion, server.facts.osType, asOf.at).status,
      health: healthAt(
        { ...asOf, connected: connectionState === 'Connected', windowMs: HEALTH_WINDOW_MS },
        {
          decommissioned: server.decommission !== null,
          silentMs: asOf.availableMs - server.lease.lastSeenAvailableMs,
          reported: server.health,
        },
      ),
    }),
  };
};

const anyServer = fc.record({
  cpuCores: fc.constantFrom(3, 4, 8, 12),
  memoryBytes: fc.constantFrom(8 * GIGABYTE - 1, 8 * GIGABYTE, 12 * GIGABYTE, 24 * GIGABYTE),
  cacheDiskBytes: fc.constantFrom(300 * GIGABYTE, 600 * GIGABYTE, 1_000 * GIGABYTE),
  agentVersion: fc.constantFrom('9.63.7187.1', '9.63.7187.1', '9.50.0.0'),
  protectedMachineCount: fc.constantFrom(null, 0, 84, 85, 86, 150, 225, 226),
  churnBytesPerDay: fc.constantFrom(null, 0, 250 * GIGABYTE, 250 * GIGABYTE + 1, 2_000 * GIGABYTE, 3_000 * GIGABYTE),
  cpuPercent: fc.constantFrom(1, 99),
  fate: fc.constantFrom('stays', 'stays', 'stays', 'is silent', 'leaves'),
});

it('finds the room of the site by the rules, for every entry of its pages', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyServer, { maxLength: 8 }), async (servers) => {
      await stores.fresh();
      for (const [
        number,
        { fate, protectedMachineCount, churnBytesPerDay, cpuPercent, ...facts },
      ] of servers.entries()) {
        const server = await stores.registered(facts, id(number));
        const report = { protectedMachineCount, churnBytesPerDay, load: { ...LOAD, cpuPercent } };
        await stores.write(stores.heartbeat(server, { ...report, agentVersion: facts.agentVersion }));
        if (cpuPercent === 99)
          await stores.testDatabase.write('UPDATE process_server_health SET load_severity = 3 WHERE host_id = ?', [
            server.hostId,
          ]);
        if (fate === 'leaves') await stores.decommission(server);
        if (fate === 'is silent')
          await stores.testDatabase.write(
            'UPDATE process_server_lease SET expires_available_ms = 0 WHERE host_id = ?',
            [server.hostId],
          );
      }
      const { items, next, asOf } = await capacity.fetchPage(1_000, '');
      expect([items.length, next]).toEqual([servers.length, null]);
      expect(await capacity.siteRoom()).toEqual({
        site: siteRoomOf(items.map((entry) => capacityBy(entry, asOf))),
        asOf,
      });
    }),
    { numRuns: 40 },
  );
});

it('shows every entry on one page, in order of host id', async () => {
  for (const number of [3, 1, 2]) await stores.registered({}, id(number));
  const first = await capacity.fetchPage(2, '');
  const second = await capacity.fetchPage(2, first.next ?? '');
  expect([...first.items, ...second.items].map(({ server }) => server.hostId)).toEqual([id(1), id(2), id(3)]);
  expect([first.next, second.next]).toEqual([id(2), null]);
});

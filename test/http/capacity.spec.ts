import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { CapacityResponse } from '@app/api-contract';
import { expectProblem } from '../support/expect-problem.js';
import { TestCluster, type KnownServer } from '../support/test-cluster.js';

const GB = 1_000_000_000;
const SMALL = { cpuCores: 4, memoryBytes: 8 * GB, cacheDiskBytes: 300 * GB };
const [A, B, C] = ['1', '2', '3'].map((digit) => `00000000-0000-4000-8000-00000000000${digit}`) as [
  string,
  string,
  string,
];

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.open();
});
afterAll(() => cluster.close());
beforeEach(async () => {
  await cluster.database.empty();
  cluster.clock.advanceSeconds(10); // the room of the site is cached for five seconds
  await cluster.recordAvailability();
});

const capacity = async (query = ''): Promise<CapacityResponse> =>
  (await cluster.read<CapacityResponse>(`/v1/fleet/capacity${query}`)).body;
async function working(hostId: string, protectedMachineCount: number, gigabytes: number): Promise<KnownServer> {
  const server = await cluster.registered({ ...SMALL, friendlyName: `ps-${hostId.at(-1)}` }, hostId);
  await cluster.heartbeat(server, { protectedMachineCount, churnBytesPerDay: gigabytes * GB });
  return server;
}

describe('the capacity of the fleet', () => {
  it('needs a process server in an empty site', async () => {
    const { site, items, nextCursor } = await capacity();
    expect([items, nextCursor]).toEqual([[], null]);
    expect(site).toMatchObject({
      usableProcessServerCount: 0,
      bestPlace: null,
      addProcessServer: { needed: true, reason: 'no_usable_process_server', smallestClass: 'UpTo85Machines' },
    });
  });

  it('has room, excess and reasons of each process server, and the best place for a churn', async () => {
    await working(A, 85, 50);
    await working(B, 80, 150);
    await working(C, 86, 251);
    const { site, items, asOf } = await capacity(`?churnBytesPerDay=${100 * GB}`);
    expect(items.map(({ hostId, isPlace, noPlaceReasons }) => [hostId, isPlace, noPlaceReasons])).toEqual([
      [A, false, ['no_machine_room']],
      [B, true, []],
      [C, false, ['no_machine_room', 'no_churn_room']],
    ]);
    expect(items[2]).toMatchObject({
      sizingClass: 'UpTo85Machines',
      limits: { protectedMachineCount: 85, churnBytesPerDay: 250 * GB },
      reported: { protectedMachineCount: 86, churnBytesPerDay: 251 * GB },
      room: { protectedMachineCount: 0, churnBytesPerDay: 0 },
      beyondClass: { protectedMachineCount: 1, churnBytesPerDay: GB },
    });
    expect(site).toEqual({
      usableProcessServerCount: 3,
      room: { protectedMachineCount: 5, churnBytesPerDay: 300 * GB },
      machinesUnknownCount: 0,
      churnUnknownCount: 0,
      bestPlace: { hostId: B, friendlyName: 'ps-2', room: { protectedMachineCount: 5, churnBytesPerDay: 100 * GB } },
      addProcessServer: { needed: false, reason: 'room_available', smallestClass: 'UpTo85Machines' },
      asOf,
    });
    expect((await capacity(`?churnBytesPerDay=${100 * GB + 1}`)).site).toMatchObject({
      bestPlace: null,
      addProcessServer: { needed: true, reason: 'no_room' },
    });
  });

  it('does not take an unreported workload for an empty process server', async () => {
    await cluster.registered(SMALL, A);
    const { site, items } = await capacity();
    expect(items[0]).toMatchObject({
      reported: { protectedMachineCount: null, churnBytesPerDay: null },
      room: { protectedMachineCount: null, churnBytesPerDay: null },
      isPlace: false,
    });
    expect(site).toMatchObject({
      room: { protectedMachineCount: 0, churnBytesPerDay: 0 },
      machinesUnknownCount: 1,
      addProcessServer: { needed: false, reason: 'room_unknown' },
    });
  });

  it('has no place on a Disconnected or Decommissioned process server', async () => {
    await working(A, 0, 0);
    await cluster.advance(200);
    await cluster.unregister(await working(B, 0, 0));
    const { site, items } = await capacity('?churnBytesPerDay=0');
    expect(items.map(({ noPlaceReasons }) => noPlaceReasons)).toEqual([
      ['disconnected'],
      ['decommissioned', 'disconnected'],
    ]);
    expect(site.addProcessServer).toMatchObject({ needed: true, reason: 'no_usable_process_server' });
  });

  it('is paged', async () => {
    for (const hostId of [A, B, C]) await working(hostId, 0, 0);
    const first = await capacity('?limit=2');
    const second = await capacity(`?limit=2&cursor=${first.nextCursor}`);
    expect([...first.items, ...second.items].map(({ hostId }) => hostId)).toEqual([A, B, C]);
    expect(second.nextCursor).toBeNull();
  });

  it.each([
    ['churnBytesPerDay', '-1'],
    ['churnBytesPerDay', '1.5'],
    ['churnBytesPerDay', 'much'],
    ['churnBytesPerDay', ''],
    ['churnBytesPerDay', '9007199254740992'],
    ['limit', '0'],
    ['limit', '1001'],
    ['churn', '1'],
  ])('rejects %s=%s', async (field, value) => {
    const response = await cluster.read(`/v1/fleet/capacity?${field}=${value}`);
    expectProblem(response, 'validation_failed');
    expect(response.body).toMatchObject({ errors: [{ field }] });
  });

  it('rejects a cursor of another list', async () => {
    for (const hostId of [A, B]) await working(hostId, 0, 0);
    const { nextCursor } = (await cluster.read<{ nextCursor: string }>('/v1/process-servers?limit=1')).body;
    expectProblem(await cluster.read(`/v1/fleet/capacity?cursor=${nextCursor}`), 'invalid_cursor');
  });
});

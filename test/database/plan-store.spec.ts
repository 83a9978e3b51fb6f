import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { PlanAlreadyApplied, type PlanResult, type PurgePlan } from '@app/fleet';
import { PlanStore } from '@app/fleet-mysql';
import { OUR_RULES, TestStores } from '../support/test-stores.js';

let stores: TestStores;
beforeAll(async () => {
  stores = await TestStores.open();
});
beforeEach(() => stores.fresh());
afterAll(() => stores.close());

const aPlan = (over: Partial<PurgePlan> = {}): PurgePlan => ({
  planId: randomUUID(),
  filter: { connectionState: 'Disconnected', friendlyName: 'ps-ü' },
  candidates: [
    {
      hostId: randomUUID(),
      generation: 2,
      friendlyName: 'ps-ü',
      ipAddress: '192.0.2.1',
      lastHeartbeatAt: null,
      blockedBy: null,
    },
  ],
  fleetSize: 7,
  createdAt: stores.clock.now(),
  createdBy: 'anna',
  expiresAt: new Date(stores.clock.now().getTime() + 900_000),
  ...over,
});
const aResult = (name: string): PlanResult => ({
  purged: [
    { hostId: randomUUID(), friendlyName: name, ipAddress: '192.0.2.1', purgedAt: stores.clock.now().toISOString() },
  ],
  skipped: [],
});

describe('the candidates of a plan', () => {
  it('match the filter and are Disconnected, whatever the filter', async () => {
    const silent = await stores.registered({ friendlyName: 'ps-1' });
    const disconnected = await stores.registered({ friendlyName: 'ps-2' });
    await stores.write(stores.heartbeat(disconnected));
    const lastHeartbeatAt = stores.clock.now().toISOString();
    await stores.registered({ friendlyName: 'other' });
    await stores.advance(100);
    const connected = await stores.registered({ friendlyName: 'ps-3' });
    await stores.advance(80);
    const found = await stores.plans.candidates({ friendlyName: 'ps-' }, 10);
    expect(found.map(({ hostId }) => hostId)).toEqual([silent, disconnected].map(({ hostId }) => hostId).sort());
    expect(found.find(({ hostId }) => hostId === disconnected.hostId)).toEqual({
      hostId: disconnected.hostId,
      generation: 1,
      friendlyName: 'ps-2',
      ipAddress: '192.0.2.11',
      lastHeartbeatAt,
      blockedBy: null,
    });
    expect(found.find(({ hostId }) => hostId === silent.hostId)?.lastHeartbeatAt).toBeNull();
    expect(await stores.plans.candidates({ connectionState: 'Connected' }, 10)).toEqual([]);
    expect((await stores.registry.find(connected.hostId)).entry).not.toBeNull();
  });

  it.each([
    [179, 0],
    [180, 1],
  ])('after %d s of silence number %d', async (seconds, count) => {
    await stores.registered();
    await stores.advance(seconds);
    expect(await stores.plans.candidates({ friendlyName: 'ps-' }, 10)).toHaveLength(count);
  });

  it.each([
    ['without a heartbeat in any generation', { neverConnected: true }, ['ghost']],
    ['of any kind', { silentForSeconds: 1 }, ['ghost', 'returned', 'sender']],
  ] as const)('%s', async (_what, filter, names) => {
    await stores.registered({ friendlyName: 'ghost' });
    await stores.write(stores.heartbeat(await stores.registered({ friendlyName: 'sender' })));
    const returned = await stores.registered({ friendlyName: 'returned' });
    await stores.write(stores.heartbeat(returned));
    await stores.register(returned.hostId, { friendlyName: 'returned' });
    await stores.advance(400);
    expect((await stores.plans.candidates(filter, 10)).map(({ friendlyName }) => friendlyName).sort()).toEqual(names);
  });

  it.each([
    [null, 0, null],
    [0, 0, null],
    [3, 0, 'machines_protected'],
    [null, 1, 'machines_unknown'],
  ])('with a last count of %j, unusable: %d, are blocked by %j', async (count, unknown, blockedBy) => {
    const { hostId } = await stores.registered();
    await stores.testDatabase.write(
      'UPDATE process_server_health SET protected_machine_count = ?, protected_machines_unknown = ? WHERE host_id = ?',
      [count, unknown, hostId],
    );
    await stores.advance(180);
    expect(await stores.plans.candidates({ friendlyName: 'ps-' }, 10)).toMatchObject([{ hostId, blockedBy }]);
  });

  it('beyond those of the plan are counted up to a limit', async () => {
    const ids = [];
    for (let number = 0; number < 5; number += 1) ids.push((await stores.registered()).hostId);
    await stores.advance(180);
    await stores.registered();
    const second = ids.sort()[1] ?? '';
    expect([
      await stores.plans.remaining({ friendlyName: 'ps-' }, second, 10),
      await stores.plans.remaining({ neverConnected: true }, second, 2),
    ]).toEqual([3, 2]);
  });

  it('do not exceed the limit', async () => {
    for (let number = 0; number < 4; number += 1) await stores.registered();
    await stores.advance(180);
    expect(await stores.plans.candidates({ friendlyName: 'ps-' }, 3)).toHaveLength(3);
  });

  it.each([
    ['100%', 'ps_1', 0],
    ['ps_', 'ps_1', 1],
    ['ps_', 'psx1', 0],
    ['ps\\', 'ps\\1', 1],
    ['ps%', 'ps%1', 1],
    ['ps%', 'psx1', 0],
    ['PS-', 'ps-1', 1],
  ])('by the prefix %j of the name %j number %d: no character is a wildcard', async (friendlyName, name, count) => {
    await stores.registered({ friendlyName: name });
    await stores.advance(180);
    expect(await stores.plans.candidates({ friendlyName }, 10)).toHaveLength(count);
  });
});

describe('plans that are not applied', () => {
  it('are limited to the latest ten of each creator, except plans that are being applied', async () => {
    const saved: PurgePlan[] = [];
    const save = async (createdBy: string): Promise<void> => {
      stores.clock.advanceMs(1);
      const plan = aPlan({ createdBy });
      await stores.plans.save(plan);
      saved.push(plan);
    };
    for (let number = 0; number < 12; number += 1) {
      await save('anna');
      if (number === 0) await stores.testDatabase.write('UPDATE purge_plan SET purges = 1');
      if (number === 1) await stores.plans.saveResult(saved.at(-1)?.planId ?? '', { purged: [], skipped: [] });
    }
    await save('ホスト');
    for (let number = 0; number < 10; number += 1) await save('ポスト');
    const kept = await Promise.all(saved.map(async ({ planId }) => (await stores.plans.find(planId)) !== null));
    expect(kept).toEqual(saved.map(() => true));
    await save('anna');
    expect(await stores.plans.find(saved[2]?.planId ?? '')).toBeNull();
    expect(await stores.testDatabase.count('purge_plan')).toBe(23);
  });
});

describe('a plan', () => {
  it('is found by every replica as saved', async () => {
    const plan = aPlan();
    await stores.plans.save(plan);
    const other = new PlanStore(stores.connect(), stores.clock, OUR_RULES);
    expect(await other.find(plan.planId)).toEqual({ plan, result: null });
    expect(await other.find(randomUUID())).toBeNull();
  });

  it('is unchanged by a second save', async () => {
    const plan = aPlan();
    await stores.plans.save(plan);
    const kept = await stores.plans.saveResult(plan.planId, aResult('first'));
    await stores.plans.save(plan);
    expect(await stores.plans.find(plan.planId)).toEqual({ plan, result: kept });
    expect(await stores.testDatabase.count('purge_plan')).toBe(1);
  });

  it('keeps its first result', async () => {
    const plan = aPlan();
    await stores.plans.save(plan);
    const [first, second] = [aResult('first'), aResult('second')];
    expect(await stores.plans.saveResult(plan.planId, first)).toEqual(first);
    expect(await stores.plans.saveResult(plan.planId, second)).toEqual(first);
  });

  it('keeps one of two concurrent results and returns it to both callers', async () => {
    const plan = aPlan();
    await stores.plans.save(plan);
    const other = new PlanStore(stores.connect(), stores.clock, OUR_RULES);
    const [one, two] = await Promise.all([
      stores.plans.saveResult(plan.planId, aResult('one')),
      other.saveResult(plan.planId, aResult('two')),
    ]);
    expect(one).toEqual(two);
  });
});

describe('a plan with two concurrent applies', () => {
  it('reports as purged what one apply skipped and the other purged', async () => {
    const [purgedByOther, left] = [await stores.registered(), await stores.registered()];
    const planId = await stores.savedPlan(purgedByOther, left);
    await stores.advance(180);
    await stores.purge(purgedByOther, { planId });
    const code = 'process_server_connected' as const;
    const skipped = [purgedByOther, left].map(({ hostId }) => ({ hostId, code }));
    expect(await stores.plans.saveResult(planId, { purged: [], skipped })).toEqual({
      purged: [
        {
          hostId: purgedByOther.hostId,
          friendlyName: 'ps-berlin-1',
          ipAddress: '192.0.2.11',
          purgedAt: stores.clock.now().toISOString(),
        },
      ],
      skipped: [{ hostId: left.hostId, code }],
    });
  });

  it('purges nothing after a result is stored', async () => {
    const server = await stores.registered();
    const planId = await stores.savedPlan(server);
    await stores.advance(180);
    await stores.plans.saveResult(planId, { purged: [], skipped: [] });
    await expect(stores.purge(server, { planId })).rejects.toThrow(PlanAlreadyApplied);
    expect((await stores.registry.find(server.hostId)).entry).not.toBeNull();
  });
});

it('counts every entry of the fleet once', async () => {
  expect(await stores.plans.fleetSize()).toBe(0);
  await stores.registered();
  await stores.decommissioned();
  const purged = await stores.registered();
  await stores.purge(purged, { force: true });
  expect(await stores.plans.fleetSize()).toBe(2);
});

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { AvailabilityAttempt, AvailabilityRecord } from '@app/fleet';
import { AvailabilityClockStore, canCommitHeartbeats, readAvailability } from '@app/fleet-mysql';
import { CommitCuttingProxy } from '../support/commit-cutting-proxy.js';
import { AVAILABILITY, TestStores } from '../support/test-stores.js';

let stores: TestStores;
let other: AvailabilityClockStore;
let proxy: CommitCuttingProxy;
beforeAll(async () => {
  stores = await TestStores.open();
  proxy = await CommitCuttingProxy.inFrontOf(stores.testDatabase.address);
  other = new AvailabilityClockStore(stores.connect(), stores.identifiers, 'replica-2', AVAILABILITY);
});
beforeEach(() => stores.testDatabase.empty());
afterAll(async () => {
  await stores.close();
  await proxy.close();
});

const outages = (): Promise<Record<string, unknown>[]> =>
  stores.testDatabase.rows("SELECT at, actor, detail FROM event WHERE kind = 'service_outage'");
const FIRST: AvailabilityAttempt = { failedBefore: false, elapsedMs: null, witnesses: [], isConfirmed: true };
const record = async (
  store = stores.availabilityStore,
  over: Partial<AvailabilityAttempt> = {},
  now = stores.clock.now(),
): Promise<AvailabilityRecord> => {
  const result = await store.record(now, { ...FIRST, ...over });
  if ('disagreesWith' in result) throw new Error('the clocks disagree');
  return result;
};
const AT_ZERO = {
  availableMs: 0,
  runAheadMs: AVAILABILITY.runAheadMs,
  unsteadyAtAvailableMs: 0,
  steppedAtAvailableMs: null,
  steppedBack: null,
};
const row = () => readAvailability(stores.database, stores.clock.now());

describe('the row of the availability clock', () => {
  it('reads as zero at the current time before the first record', async () => {
    expect(await row()).toEqual({ ...AT_ZERO, runAheadMs: 0, recordedAt: stores.clock.now() });
  });

  it('starts at zero, also when two replicas record at the same time', async () => {
    const begun = { availability: { ...AT_ZERO, recordedAt: stores.clock.now() }, outage: null, step: null };
    expect(await Promise.all([record(), record(other)])).toEqual([begun, begun]);
    expect(await stores.testDatabase.count('availability_clock')).toBe(1);
  });

  it.each([
    [1, 1, false],
    [5_000, 5_000, false],
    [15_000, 15_000, false],
    [15_001, 15_000, true],
    [7_200_000, 15_000, true],
  ])('after %d ms has counted %d ms; an outage: %s', async (ms, countedMs, isOutage) => {
    await record();
    const from = stores.clock.now();
    stores.clock.advanceMs(ms);
    const to = stores.clock.now();
    const outage = isOutage ? { from, to } : null;
    const listening = {
      ...AT_ZERO,
      availableMs: countedMs,
      recordedAt: to,
      unsteadyAtAvailableMs: ms > 3_600_000 ? countedMs : 0,
    };
    expect(await record()).toEqual({ availability: listening, outage, step: null });
    expect(await row()).toEqual(listening);
    const events = await outages();
    expect(events).toHaveLength(isOutage ? 1 : 0);
    if (isOutage) expect(events[0]).toMatchObject({ at: to, actor: 'replica-1' });
  });

  it('does not go back when a replica with a slow clock records', async () => {
    await record();
    stores.clock.advanceMs(5_000);
    await record();
    const before = await row();
    const behind = new Date(stores.clock.now().getTime() - 900);
    expect(await record(other, {}, behind)).toEqual({ availability: before, outage: null, step: null });
    expect(await row()).toEqual(before);
  });

  it('counts time that two replicas were available once, and an outage that both end once', async () => {
    await record();
    stores.clock.advanceMs(60_000);
    const [one, two] = await Promise.all([record(), record(other)]);
    expect(one.availability).toEqual(two.availability);
    expect(await row()).toEqual({ ...AT_ZERO, availableMs: 15_000, recordedAt: stores.clock.now() });
    expect([one.outage, two.outage].filter((outage) => outage !== null)).toHaveLength(1);
    expect(await outages()).toHaveLength(1);
  });

  it.each(['before it is sent', 'while it is processed', 'before the response'] as const)(
    'advances once, with one event, when the connection is cut at the COMMIT %s',
    async (cut) => {
      const cutOff = new AvailabilityClockStore(
        stores.connect(proxy.address),
        stores.identifiers,
        'replica-3',
        AVAILABILITY,
      );
      await record();
      stores.clock.advanceMs(60_000);
      const cuts = proxy.cuts;
      proxy.cutNextCommit(cut);
      expect((await record(cutOff)).availability).toEqual({
        ...AT_ZERO,
        availableMs: 15_000,
        recordedAt: stores.clock.now(),
      });
      expect(proxy.cuts).toBe(cuts + 1);
      expect(await row()).toEqual({ ...AT_ZERO, availableMs: 15_000, recordedAt: stores.clock.now() });
      expect(await outages()).toHaveLength(1);
    },
  );
});

describe('a wall clock that steps', () => {
  const steps = (): Promise<Record<string, unknown>[]> =>
    stores.testDatabase.rows("SELECT at, actor, detail FROM event WHERE kind = 'clock_stepped'");

  it.each([
    [-7_200_000, 0],
    [500 * 86_400_000, 1_000],
  ])(
    'by %d ms advances the availability clock by %d ms with one event, once the step is confirmed',
    async (stepMs, countedMs) => {
      await record();
      const before = await row();
      stores.clock.advanceMs(1_000);
      stores.clock.stepMs(stepMs);
      expect(
        await stores.availabilityStore.record(stores.clock.now(), { ...FIRST, elapsedMs: 1_000, isConfirmed: false }),
      ).toEqual({ disagreesWith: before });
      expect(await row()).toEqual(before);
      expect(await record(stores.availabilityStore, { elapsedMs: 1_000 })).toMatchObject({
        outage: null,
        step: { from: before.recordedAt, to: stores.clock.now() },
      });
      expect(await row()).toMatchObject({
        availableMs: countedMs,
        recordedAt: stores.clock.now(),
        unsteadyAtAvailableMs: countedMs,
      });
      expect(await steps()).toMatchObject([{ at: stores.clock.now(), actor: 'replica-1' }]);
      expect(await outages()).toEqual([]);
      stores.clock.advanceMs(1_000);
      expect((await record(stores.availabilityStore, { elapsedMs: 1_000 })).availability.availableMs).toBe(
        countedMs + 1_000,
      );
    },
  );
});

describe('availability', () => {
  it.each(['process_server_lease', 'process_server_health', 'process_server', 'event', 'fleet_counter_delta'])(
    'is not recorded while %s is locked',
    async (table) => {
      await record();
      const before = await row();
      stores.clock.advanceMs(1_000);
      const lockHolder = await stores.testDatabase.connect();
      await lockHolder.query(`LOCK TABLES ${table} WRITE`);
      await expect(
        record(new AvailabilityClockStore(stores.heartbeatDatabase, stores.identifiers, 'replica-1', AVAILABILITY)),
      ).rejects.toThrow();
      await lockHolder.query('UNLOCK TABLES');
      await lockHolder.end();
      expect(await row()).toEqual(before);
      await record();
      expect((await row()).availableMs).toBe(1_000);
    },
  );

  it.each(['process_server_lease', 'process_server_health'])(
    'is not recorded while heartbeats fail and the rows of all witnesses in %s are locked',
    async (table) => {
      await record();
      const [one, two] = [await stores.registered(), await stores.registered()];
      const witnesses = [one.hostId, two.hostId];
      const lockHolder = await stores.testDatabase.connect();
      await lockHolder.query('BEGIN');
      await lockHolder.query(`SELECT host_id FROM ${table} WHERE host_id = ? FOR UPDATE`, [one.hostId]);
      expect((await record(stores.availabilityStore, { witnesses })).outage).toBeNull();
      await lockHolder.query(`SELECT host_id FROM ${table} FOR UPDATE`);
      await expect(record(stores.availabilityStore, { witnesses })).rejects.toThrow('database_unavailable');
      await lockHolder.query('ROLLBACK');
      await lockHolder.end();
      expect((await record(stores.availabilityStore, { witnesses: ['unknown'] })).outage).toBeNull();
    },
  );
});

describe('the probe of readiness', () => {
  it('fails at the first lock wait timeout, without a retry', async () => {
    let attempts = 0;
    stores.heartbeatDatabase.before = async () => {
      attempts += 1;
      throw Object.assign(new Error('made on purpose'), { errno: 1205 });
    };
    expect([await canCommitHeartbeats(stores.heartbeatDatabase, stores.clock.now()), attempts]).toEqual([false, 1]);
    stores.heartbeatDatabase.before = async () => undefined;
    expect(await canCommitHeartbeats(stores.heartbeatDatabase, stores.clock.now())).toBe(true);
  });
});

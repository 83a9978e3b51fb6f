import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { AvailabilityAttempt, AvailabilityRecord } from '@app/fleet';
import { ListeningStore, readListening } from '@app/fleet-mysql';
import { CuttingProxy } from '../support/cutting-proxy.js';
import { AVAILABILITY, TestStores } from '../support/test-stores.js';

let stores: TestStores;
let other: ListeningStore;
let proxy: CuttingProxy;
beforeAll(async () => {
  stores = await TestStores.open();
  proxy = await CuttingProxy.before(stores.site.address);
  other = new ListeningStore(stores.connect(), stores.identifiers, 'replica-2', AVAILABILITY);
});
beforeEach(() => stores.site.empty());
afterAll(async () => {
  await stores.close();
  await proxy.close();
});

const outages = (): Promise<Record<string, unknown>[]> =>
  stores.site.rows("SELECT at, actor, detail FROM event WHERE kind = 'listening_outage'");
const FIRST: AvailabilityAttempt = { failedBefore: false, elapsedMs: null, witnesses: [], isConfirmed: true };
const note = async (
  store = stores.listening,
  over: Partial<AvailabilityAttempt> = {},
  now = stores.clock.now(),
): Promise<AvailabilityRecord> => {
  const result = await store.note(now, { ...FIRST, ...over });
  if ('disagreesWith' in result) throw new Error('the clocks disagree');
  return result;
};
const AT_ZERO = {
  listenedMs: 0,
  runAheadMs: AVAILABILITY.runAheadMs,
  unsteadyAtListenedMs: 0,
  steppedAtListenedMs: null,
  steppedBack: null,
};
const row = () => readListening(stores.database, stores.clock.now());

describe('the listening row', () => {
  it('is zero and as of now before anybody has noted', async () => {
    expect(await row()).toEqual({ ...AT_ZERO, runAheadMs: 0, notedAt: stores.clock.now() });
  });

  it('begins at zero, also when two replicas note at the same moment', async () => {
    const begun = { listening: { ...AT_ZERO, notedAt: stores.clock.now() }, outage: null, step: null };
    expect(await Promise.all([note(), note(other)])).toEqual([begun, begun]);
    expect(await stores.site.count('listening')).toBe(1);
  });

  it.each([
    [1, 1, false],
    [5_000, 5_000, false],
    [15_000, 15_000, false],
    [15_001, 15_000, true],
    [7_200_000, 15_000, true],
  ])('after %d ms has counted %d ms; an outage: %s', async (ms, countedMs, isOutage) => {
    await note();
    const from = stores.clock.now();
    stores.clock.advanceMs(ms);
    const to = stores.clock.now();
    const outage = isOutage ? { from, to } : null;
    const listening = {
      ...AT_ZERO,
      listenedMs: countedMs,
      notedAt: to,
      unsteadyAtListenedMs: ms > 3_600_000 ? countedMs : 0,
    };
    expect(await note()).toEqual({ listening, outage, step: null });
    expect(await row()).toEqual(listening);
    const events = await outages();
    expect(events).toHaveLength(isOutage ? 1 : 0);
    if (isOutage) expect(events[0]).toMatchObject({ at: to, actor: 'replica-1' });
  });

  it('never goes back by the note of a replica whose clock is behind', async () => {
    await note();
    stores.clock.advanceMs(5_000);
    await note();
    const before = await row();
    const behind = new Date(stores.clock.now().getTime() - 900);
    expect(await note(other, {}, behind)).toEqual({ listening: before, outage: null, step: null });
    expect(await row()).toEqual(before);
  });

  it('counts a time that two replicas listened to once, and an outage that both end once', async () => {
    await note();
    stores.clock.advanceMs(60_000);
    const [one, two] = await Promise.all([note(), note(other)]);
    expect(one.listening).toEqual(two.listening);
    expect(await row()).toEqual({ ...AT_ZERO, listenedMs: 15_000, notedAt: stores.clock.now() });
    expect([one.outage, two.outage].filter((outage) => outage !== null)).toHaveLength(1);
    expect(await outages()).toHaveLength(1);
  });

  it.each(['before it is sent', 'while it is on its way', 'before it is answered'] as const)(
    'is moved once, with one event, when the connection is cut in the COMMIT %s',
    async (cut) => {
      const cutOff = new ListeningStore(stores.connect(proxy.address), stores.identifiers, 'replica-3', AVAILABILITY);
      await note();
      stores.clock.advanceMs(60_000);
      const cuts = proxy.cuts;
      proxy.cutNextCommit(cut);
      expect((await note(cutOff)).listening).toEqual({ ...AT_ZERO, listenedMs: 15_000, notedAt: stores.clock.now() });
      expect(proxy.cuts).toBe(cuts + 1);
      expect(await row()).toEqual({ ...AT_ZERO, listenedMs: 15_000, notedAt: stores.clock.now() });
      expect(await outages()).toHaveLength(1);
    },
  );
});

describe('a wall clock that steps', () => {
  const steps = (): Promise<Record<string, unknown>[]> =>
    stores.site.rows("SELECT at, actor, detail FROM event WHERE kind = 'clock_stepped'");

  it.each([
    [-7_200_000, 0],
    [500 * 86_400_000, 1_000],
  ])(
    'by %d ms moves L by %d ms and is one event; nothing is written before the clock has been measured anew',
    async (stepMs, countedMs) => {
      await note();
      const before = await row();
      stores.clock.advanceMs(1_000);
      stores.clock.stepMs(stepMs);
      expect(
        await stores.listening.note(stores.clock.now(), { ...FIRST, elapsedMs: 1_000, isConfirmed: false }),
      ).toEqual({ disagreesWith: before });
      expect(await row()).toEqual(before);
      expect(await note(stores.listening, { elapsedMs: 1_000 })).toMatchObject({
        outage: null,
        step: { from: before.notedAt, to: stores.clock.now() },
      });
      expect(await row()).toMatchObject({
        listenedMs: countedMs,
        notedAt: stores.clock.now(),
        unsteadyAtListenedMs: countedMs,
      });
      expect(await steps()).toMatchObject([{ at: stores.clock.now(), actor: 'replica-1' }]);
      expect(await outages()).toEqual([]);
      stores.clock.advanceMs(1_000);
      expect((await note(stores.listening, { elapsedMs: 1_000 })).listening.listenedMs).toBe(countedMs + 1_000);
    },
  );
});

describe('availability', () => {
  it.each(['process_server_lease', 'process_server_health', 'process_server', 'event', 'fleet_tally'])(
    'is not recorded while %s is locked from outside',
    async (table) => {
      await note();
      const before = await row();
      stores.clock.advanceMs(1_000);
      const holder = await stores.site.connect();
      await holder.query(`LOCK TABLES ${table} WRITE`);
      await expect(
        note(new ListeningStore(stores.heartbeatDatabase, stores.identifiers, 'replica-1', AVAILABILITY)),
      ).rejects.toThrow();
      await holder.query('UNLOCK TABLES');
      await holder.end();
      expect(await row()).toEqual(before);
      await note();
      expect((await row()).listenedMs).toBe(1_000);
    },
  );

  it.each(['process_server_lease', 'process_server_health'])(
    'is not recorded while heartbeats fail and the rows of %s are locked from outside; of one witness they suffice',
    async (table) => {
      await note();
      const [one, two] = [await stores.registered(), await stores.registered()];
      const witnesses = [one.hostId, two.hostId];
      const holder = await stores.site.connect();
      await holder.query('BEGIN');
      await holder.query(`SELECT host_id FROM ${table} WHERE host_id = ? FOR UPDATE`, [one.hostId]);
      expect((await note(stores.listening, { witnesses })).outage).toBeNull();
      await holder.query(`SELECT host_id FROM ${table} FOR UPDATE`);
      await expect(note(stores.listening, { witnesses })).rejects.toThrow('database_unavailable');
      await holder.query('ROLLBACK');
      await holder.end();
      expect((await note(stores.listening, { witnesses: ['unknown'] })).outage).toBeNull();
    },
  );
});

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { ListeningStore, readListening } from '@app/fleet-mysql';
import { CuttingProxy } from '../support/cutting-proxy.js';
import { TestStores } from '../support/test-stores.js';

let stores: TestStores;
let other: ListeningStore;
let proxy: CuttingProxy;
beforeAll(async () => {
  stores = await TestStores.open();
  proxy = await CuttingProxy.before(stores.site.address);
  other = new ListeningStore(stores.connect(), stores.identifiers, 'replica-2');
});
beforeEach(() => stores.site.empty());
afterAll(async () => {
  await stores.close();
  await proxy.close();
});

const outages = (): Promise<Record<string, unknown>[]> => stores.site.rows("SELECT at, actor, detail FROM event WHERE kind = 'listening_outage'");
const note = (store = stores.listening) => store.note(stores.clock.now());
const row = () => readListening(stores.database, stores.clock.now());

describe('the listening row', () => {
  it('is zero and as of now before anybody has noted', async () => {
    expect(await row()).toEqual({ listenedMs: 0, notedAt: stores.clock.now() });
  });

  it('begins at zero, also when two replicas note at the same moment', async () => {
    const begun = { listening: { listenedMs: 0, notedAt: stores.clock.now() }, outage: null };
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
    expect(await note()).toEqual({ listening: { listenedMs: countedMs, notedAt: to }, outage });
    expect(await row()).toEqual({ listenedMs: countedMs, notedAt: to });
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
    expect(await other.note(behind)).toEqual({ listening: before, outage: null });
    expect(await row()).toEqual(before);
  });

  it('counts a time that two replicas listened to once, and an outage that both end once', async () => {
    await note();
    stores.clock.advanceMs(60_000);
    const [one, two] = await Promise.all([note(), note(other)]);
    expect(one.listening).toEqual(two.listening);
    expect(await row()).toEqual({ listenedMs: 15_000, notedAt: stores.clock.now() });
    expect([one.outage, two.outage].filter((outage) => outage !== null)).toHaveLength(1);
    expect(await outages()).toHaveLength(1);
  });

  it.each(['before it is sent', 'while it is on its way', 'before it is answered'] as const)(
    'is moved once, with one event, when the connection is cut in the COMMIT %s',
    async (cut) => {
      const cutOff = new ListeningStore(stores.connect(proxy.address), stores.identifiers, 'replica-3');
      await note();
      stores.clock.advanceMs(60_000);
      const cuts = proxy.cuts;
      proxy.cutNextCommit(cut);
      expect((await cutOff.note(stores.clock.now())).listening).toEqual({ listenedMs: 15_000, notedAt: stores.clock.now() });
      expect(proxy.cuts).toBe(cuts + 1);
      expect(await row()).toEqual({ listenedMs: 15_000, notedAt: stores.clock.now() });
      expect(await outages()).toHaveLength(1);
    },
  );
});

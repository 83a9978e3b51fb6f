import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Monitor, type CleanUpMoment, type FleetEvent } from '@app/fleet';
import { HealthReviewStore, MonitorProgressStore } from '@app/fleet-mysql';
import type { Database } from '../../libs/fleet-mysql/src/database.js';
import { TestStores, type StoredServer } from '../support/test-stores.js';

const DAY_SECONDS = 86_400;

let stores: TestStores;
beforeAll(async () => {
  stores = await TestStores.open();
});
afterAll(() => stores.close());
beforeEach(() => stores.fresh());

const monitorOn = (database: Database, over: Partial<CleanUpMoment> = {}): Monitor =>
  new Monitor(
    new MonitorProgressStore(database, stores.identifiers),
    new HealthReviewStore(database, stores.identifiers),
    () => ({ ...stores.availabilityClock.cleanUpMoment, ...over }),
  );
const run = (over: Partial<CleanUpMoment> = {}): Promise<number> => monitorOn(stores.database, over).run();
const eventsOf = async ({ hostId }: StoredServer): Promise<FleetEvent[]> => {
  stores.clock.advanceSeconds(20); // pages of events end ten seconds ago
  return (await stores.events.fetchPage({ hostId }, 100, null)).items.filter(({ kind }) => kind !== 'registered');
};
const kindsOf = async ({ hostId }: StoredServer): Promise<string[]> =>
  (await stores.eventKinds(hostId)).filter((kind) => kind !== 'registered');

describe('the end of a lease', () => {
  it('is an event with the time of the end, once, after the time of heartbeats in flight', async () => {
    const server = await stores.registered();
    const lastSeenAt = stores.clock.now().toISOString();
    await stores.advance(184);
    expect([await run(), await kindsOf(server)]).toEqual([0, []]);
    await stores.advance(1);
    expect([await run(), await run()]).toEqual([1, 0]);
    const leaseEndedAt = new Date(Date.parse(lastSeenAt) + 180_000).toISOString();
    expect(await eventsOf(server)).toMatchObject([
      { kind: 'disconnected', generation: 1, actor: 'monitor', detail: { leaseEndedAt, lastSeenAt } },
    ]);
  });

  it.each(['heartbeat', 'registration'])(
    'has a pair of events when a %s ends the silence, with a monitor or without',
    async (call) => {
      for (const monitored of [true, false]) {
        const server = await stores.registered();
        await stores.advance(190);
        if (monitored) await run();
        await (call === 'heartbeat' ? stores.write(stores.heartbeat(server)) : stores.register(server.hostId));
        await stores.advance(10);
        await run();
        const kinds = await kindsOf(server);
        expect(kinds.filter((kind) => kind !== 'registered_again')).toEqual([
          'disconnected',
          'silence_ended',
          'reconnected',
        ]);
        const pair = (await eventsOf(server)).filter(({ kind }) => /connected/.test(kind));
        expect(pair[0]?.detail).toEqual(pair[1]?.detail);
      }
    },
  );

  it('is written by one of several replicas that run at the same moment', async () => {
    const servers: StoredServer[] = [];
    for (let number = 0; number < 7; number += 1) servers.push(await stores.registered());
    await stores.advance(190);
    await run(); // the watermark exists
    await stores.advance(180);
    const more: StoredServer[] = [];
    for (let number = 0; number < 7; number += 1) more.push(await stores.registered());
    await stores.advance(190);
    const replicas = [stores.connect(), stores.connect(), stores.connect()].map((database) => monitorOn(database));
    await Promise.all(replicas.map((monitor) => monitor.run()));
    await run();
    for (const server of [...servers, ...more]) expect(await kindsOf(server)).toEqual(['disconnected']);
  });

  it('is written once for each entry in small batches, also for leases that end at the same moment', async () => {
    const servers = await Promise.all(Array.from({ length: 5 }, () => stores.registered()));
    await stores.advance(190);
    const store = new MonitorProgressStore(stores.database, stores.identifiers);
    const moment = await stores.moment();
    const written: number[] = [];
    for (let more = true; more;) {
      const batch = await store.recordDisconnected(moment, 5_000, 2);
      written.push(batch.written);
      more = batch.more;
    }
    expect(written).toEqual([0, 2, 2, 1]);
    for (const server of servers) expect(await kindsOf(server)).toEqual(['disconnected']);
  });

  it('is written after a batch that failed', async () => {
    const server = await stores.registered();
    await stores.advance(190);
    await run({ availableMs: 0 });
    stores.database.before = async (sql) => {
      if (sql.includes('UPDATE monitor_progress')) throw new Error('killed');
    };
    await expect(run()).rejects.toThrow('killed');
    expect(await kindsOf(server)).toEqual([]);
    stores.database.before = async () => undefined;
    await run();
    expect(await kindsOf(server)).toEqual(['disconnected']);
  });

  it('is no event for a Decommissioned or removed entry, or for an outage of the service', async () => {
    const leaving = await stores.decommissioned();
    const purged = await stores.registered();
    await stores.advance(181);
    await stores.purge(purged);
    const waiting = await stores.registered();
    stores.clock.advanceSeconds(7_200);
    await stores.availabilityClock.tick();
    await stores.advance(20);
    await run();
    expect(await kindsOf(leaving)).toEqual(['decommissioned_by_force']);
    expect(await kindsOf(purged)).toEqual(['purged']);
    expect(await kindsOf(waiting)).toEqual([]);
  });

  it('of a flapping process server is suppressed together with its return', async () => {
    const server = await stores.registered();
    for (let number = 0; number < 14; number += 1) {
      await stores.advance(190);
      await run();
      await stores.write(stores.heartbeat(server));
    }
    const kinds = await kindsOf(server);
    expect(
      ['disconnected', 'silence_ended', 'reconnected'].map((kind) => kinds.filter((one) => one === kind).length),
    ).toEqual([10, 10, 10]);
  });

  it('is written although another scan fails, and the run fails with that error', async () => {
    const server = await stores.registered();
    await run();
    await stores.advance(190);
    stores.database.before = async (sql) => {
      if (sql.includes('ix_certificate_expiry')) throw new Error('certificates cannot be read');
    };
    await expect(run()).rejects.toThrow('certificates cannot be read');
    stores.database.before = async () => undefined;
    expect(await kindsOf(server)).toEqual(['disconnected']);
  });

  it('is not repeated after its event was deleted', async () => {
    const server = await stores.registered();
    await stores.advance(190);
    await run();
    await stores.testDatabase.write("DELETE FROM event WHERE kind = 'disconnected'", []);
    await stores.advance(10);
    await run();
    expect(await kindsOf(server)).toEqual([]);
  });
});

describe('a certificate', () => {
  const withCertificate = async (daysLeft: number): Promise<StoredServer> => {
    const server = await stores.registered();
    const certificateExpiresAt = new Date(stores.clock.now().getTime() + daysLeft * DAY_SECONDS * 1000);
    await stores.write(stores.heartbeat(server, { certificateExpiresAt }));
    return server;
  };
  const stagesOf = async (server: StoredServer): Promise<unknown[]> =>
    (await eventsOf(server))
      .filter(({ kind }) => kind.startsWith('certificate'))
      .map(({ kind, detail }) => (kind === 'certificate_expired' ? 'expired' : detail['daysBefore']));
  const at = (days: number): Partial<CleanUpMoment> => ({
    at: new Date(stores.clock.now().getTime() + days * DAY_SECONDS * 1000),
  });

  it('has an event 60, 30 and 7 days before its expiry, and at its expiry', async () => {
    const server = await withCertificate(90);
    const now = stores.clock.now().getTime();
    const days = [0, 29, 30, 31, 60, 83, 84, 89, 90, 91];
    const written: number[] = [];
    for (const day of days) written.push(await run({ at: new Date(now + day * DAY_SECONDS * 1000) }));
    // with the changes of health to Warning after 60 days, and to Critical at the expiry
    expect(written).toEqual([0, 0, 1, 1, 1, 1, 0, 0, 2, 0]);
    expect(await stagesOf(server)).toEqual([60, 30, 7, 'expired']);
  });

  it('that passed several stages since the last run has an event of the last one', async () => {
    const server = await withCertificate(90);
    await run();
    await run(at(85));
    expect(await stagesOf(server)).toEqual([7]);
  });

  it('has no second event when the clock steps back, and none while it has just stepped', async () => {
    const server = await withCertificate(59);
    await run({ ...at(0), hasJustStepped: true });
    expect(await stagesOf(server)).toEqual([]);
    await run();
    await run(at(-10));
    await run();
    expect(await stagesOf(server)).toEqual([60]);
  });

  it('has its events after a clock that was years ahead is right again, and its health is reviewed', async () => {
    const servers = await Promise.all([0, 0, 0].map(() => withCertificate(90)));
    expect(await run(at(2_000))).toBe(6);
    expect(await run()).toBe(3);
    expect(await run(at(31))).toBe(6);
    const kinds = ['certificate_expiring', 'health_changed', 'certificate_expired', 'health_changed'];
    for (const server of servers) {
      expect((await kindsOf(server)).sort()).toEqual([...kinds, 'health_changed'].sort());
      expect((await stagesOf(server)).sort()).toEqual([60, 'expired']);
    }
  });

  it('is marked for a review in batches when the clock is behind the watermark', async () => {
    const certificateExpiresAt = new Date(stores.clock.now().getTime() + DAY_SECONDS * 1000);
    for (let number = 0; number < 5; number += 1)
      await stores.write(stores.heartbeat(await stores.registered(), { certificateExpiresAt }));
    await run(at(2));
    const due = (): Promise<unknown[]> =>
      stores.testDatabase.rows('SELECT host_id FROM process_server_health WHERE review_due = 1', []);
    expect(await due()).toEqual([]);
    const store = new MonitorProgressStore(stores.database, stores.identifiers);
    const marked: unknown[] = [];
    for (let more = true; more;) {
      ({ more } = await store.recordCertificates(0, stores.clock.now(), 2));
      marked.push([(await due()).length, more]);
    }
    expect(marked).toEqual([
      [2, true],
      [4, true],
      [5, false],
    ]);
  });

  it('of a Decommissioned entry has none', async () => {
    const server = await withCertificate(5);
    await stores.decommission(server);
    await run();
    expect(await stagesOf(server)).toEqual([]);
  });
});

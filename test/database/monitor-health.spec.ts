import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Monitor, type CleanUpMoment, type Heartbeat } from '@app/fleet';
import { HealthReviewStore, MonitorProgressStore } from '@app/fleet-mysql';
import type { Database } from '../../libs/fleet-mysql/src/database.js';
import { TestStores, type StoredServer } from '../support/test-stores.js';

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

const LOAD = {
  cpuPercent: 10,
  totalMemoryBytes: 100,
  availableMemoryBytes: 50,
  totalCacheBytes: 100,
  freeCacheBytes: 80,
  throughputBytesPerSecond: 100,
  pendingUploadBytes: 0,
};
const HOT = { ...LOAD, cpuPercent: 99 };
const beat = (server: StoredServer, over: Partial<Heartbeat> = {}): Promise<unknown> =>
  stores.write(stores.heartbeat(server, over));
/** Heartbeats with this report for a time. */
const beatFor = async (server: StoredServer, minutes: number, over: Partial<Heartbeat>): Promise<void> => {
  for (let minute = 0; minute < minutes; minute += 1) {
    await beat(server, over);
    await stores.advance(60);
  }
  await beat(server, over);
};
/** Each change as `from>to +raised -cleared`. */
const changesOf = async ({ hostId }: StoredServer): Promise<string[]> => {
  const rows = await stores.testDatabase.rows<{ detail: string }>(
    "SELECT CAST(detail AS CHAR) AS detail FROM event WHERE host_id = ? AND kind = 'health_changed' ORDER BY at, id",
    [hostId],
  );
  return rows.map(({ detail }) => {
    const change = JSON.parse(detail) as { from: string; to: string; raised: string[]; cleared: string[] };
    return [
      `${change.from}>${change.to}`,
      ...change.raised.map((code) => `+${code}`),
      ...change.cleared.map((code) => `-${code}`),
    ].join(' ');
  });
};
const healthy = async (): Promise<StoredServer> => {
  const server = await stores.registered();
  await beat(server, { load: LOAD });
  await run();
  return server;
};

describe('a change of health', () => {
  it('is an event when a signal is raised and when it is cleared, not when the first report is Normal', async () => {
    const server = await healthy();
    expect(await changesOf(server)).toEqual([]);
    await beatFor(server, 16, { load: HOT });
    expect([await run(), await run()]).toEqual([1, 0]);
    expect(await changesOf(server)).toEqual(['Normal>Critical +cpu_high']);
    await beatFor(server, 6, { load: LOAD });
    await run();
    expect(await changesOf(server)).toEqual(['Normal>Critical +cpu_high', 'Critical>Normal -cpu_high']);
  });

  it('is Critical after the window without a heartbeat, and back with the next heartbeat', async () => {
    const server = await healthy();
    await stores.advance(899);
    await run();
    expect(await changesOf(server)).toEqual([]);
    await stores.advance(1);
    await run();
    expect(await changesOf(server)).toEqual(['None>Critical +heartbeat_missing']);
    await beat(server, { load: LOAD });
    await run();
    expect((await changesOf(server)).slice(1)).toEqual(['Critical>Normal -heartbeat_missing']);
  });

  it('ends when a raised signal is no longer valid: after the lease, or when only the report is missing', async () => {
    const silent = await healthy();
    await beatFor(silent, 16, { load: HOT });
    await run();
    await stores.advance(190);
    await run();
    expect((await changesOf(silent)).slice(1)).toEqual(['Critical>None -cpu_high']);
    await beat(silent, {}); // the unchanged report is still valid
    await run();
    expect((await changesOf(silent)).slice(2)).toEqual(['None>Critical +cpu_high']);
    await beatFor(silent, 16, {});
    await run();
    expect((await changesOf(silent)).slice(3)).toEqual(['Critical>None -cpu_high']);
  });

  it('of services and certificates is found by the age of the report', async () => {
    const server = await healthy();
    const certificateExpiresAt = new Date(stores.clock.now().getTime() + 86_400_000);
    const services = [{ name: 'svagents', state: 'stopped' }];
    await beatFor(server, 16, { services, certificateExpiresAt });
    await run();
    expect(await changesOf(server)).toEqual(['Normal>Warning +services_not_running +certificate_expiring']);
    await beatFor(server, 17, { load: LOAD });
    await run();
    expect((await changesOf(server)).at(-1)).toBe('Warning>Normal -services_not_running -certificate_expiring');
  });

  it('is written although a scan fails', async () => {
    const server = await healthy();
    await beatFor(server, 16, { load: HOT });
    stores.database.before = async (sql) => {
      if (sql.includes('ix_certificate_expiry')) throw new Error('certificates cannot be read');
    };
    await expect(run()).rejects.toThrow('certificates cannot be read');
    stores.database.before = async () => undefined;
    expect(await changesOf(server)).toEqual(['Normal>Critical +cpu_high']);
  });

  it('is none for an outage of the service, and none for a Decommissioned entry', async () => {
    const [waiting, leaving] = [await healthy(), await healthy()];
    await beatFor(leaving, 16, { load: HOT });
    await beat(waiting, { load: LOAD });
    await run();
    await stores.decommission(leaving);
    stores.clock.advanceSeconds(7_200);
    await stores.availabilityClock.tick();
    await run();
    expect(await changesOf(waiting)).toEqual([]);
    expect(await changesOf(leaving)).toEqual(['Normal>Critical +cpu_high']);
  });

  it('is written once by replicas that run at the same moment', async () => {
    const servers = await Promise.all(Array.from({ length: 9 }, () => healthy()));
    await stores.advance(900);
    const replicas = [stores.connect(), stores.connect(), stores.connect()].map((database) => monitorOn(database));
    await Promise.all(replicas.map((monitor) => monitor.run()));
    await run();
    for (const server of servers) expect(await changesOf(server)).toEqual(['Normal>Critical +heartbeat_missing']);
  });

  it('is written later when another transaction has locked the entry', async () => {
    const server = await healthy();
    await stores.advance(900);
    const release = await stores.lockLease(server);
    await run();
    expect(await changesOf(server)).toEqual([]);
    await release();
    await run();
    expect(await changesOf(server)).toEqual(['Normal>Critical +heartbeat_missing']);
  });

  it('is written with what is published or not at all', async () => {
    const server = await healthy();
    await stores.advance(900);
    stores.database.before = async (sql) => {
      // The insert of the changes: the only one that does not accept a known id.
      if (sql.includes('INTO event') && !sql.includes('ON DUPLICATE')) throw new Error('killed');
    };
    await expect(run()).rejects.toThrow('killed');
    stores.database.before = async () => undefined;
    await run();
    expect(await changesOf(server)).toEqual(['Normal>Critical +heartbeat_missing']);
  });
});

it('a certificate that is first reported after a stage has an event of its present stage only', async () => {
  const server = await healthy();
  const certificateExpiresAt = new Date(stores.clock.now().getTime() + 20 * 86_400_000);
  await beat(server, { certificateExpiresAt });
  await run();
  await run();
  expect((await stores.eventKinds(server.hostId)).slice(1).sort()).toEqual(['certificate_expiring', 'health_changed']);
});

import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  NO_REPORT,
  type ForgettableMember,
  type Heartbeat,
  type IgnoredMembers,
  type Load,
  type ReportedHealth,
  type WithdrawableMember,
} from '@app/fleet';
import { codeOf, TestStores, type StoredServer } from '../support/test-stores.js';

let stores: TestStores;
beforeAll(async () => {
  stores = await TestStores.open();
});
afterAll(() => stores.close());
beforeEach(() => stores.fresh());

const ignored = (fields: readonly string[], ...unusable: readonly ForgettableMember[]): Pick<Heartbeat, 'ignored'> => ({
  ignored: { fields, unusable } satisfies IgnoredMembers,
});
const UNUSABLE_COUNT = ignored(['protectedMachineCount'], 'protectedMachineCount');
const STOPPED = [{ name: 'cxps', state: 'stopped' }];

const entry = async ({ hostId }: StoredServer) => (await stores.registry.find(hostId)).entry;
const health = async (server: StoredServer): Promise<Partial<ReportedHealth> | undefined> =>
  (await entry(server))?.health;
const fields = async (server: StoredServer): Promise<readonly string[] | undefined> =>
  (await entry(server))?.lease.ignoredFields;
const detailsOf = async ({ hostId }: StoredServer, kind: 'version_changed' | 'source_address_changed') =>
  (await stores.events.fetchPage({ hostId, kind }, 1_000, null)).items.map(({ detail }) => detail);

describe('an unusable value', () => {
  it.each<[ForgettableMember & keyof ReportedHealth, Partial<Heartbeat>]>([
    ['services', { services: STOPPED }],
    ['protectedMachineCount', { protectedMachineCount: 0 }],
    ['replicationPairCount', { replicationPairCount: 4 }],
    ['churnBytesPerDay', { churnBytesPerDay: 9_007_199_254_740_991 }],
    ['certificateExpiresAt', { certificateExpiresAt: new Date('2027-01-02T03:04:05.678Z') }],
  ])('makes %s unknown, and nothing else', async (member, reported) => {
    const all = {
      services: STOPPED,
      protectedMachineCount: 1,
      replicationPairCount: 2,
      churnBytesPerDay: 7,
      certificateExpiresAt: new Date('2028-01-01T00:00:00Z'),
      ...reported,
    };
    const server = await stores.registered();
    await stores.write(stores.heartbeat(server, all));
    const before = await health(server);
    await stores.write(stores.heartbeat(server, ignored([member], member)));
    const certificate =
      member === 'certificateExpiresAt'
        ? { certificateReportedAt: null, certificateAvailableMs: null, certificateKnownAt: null }
        : {};
    expect(await health(server)).toEqual({
      ...before,
      ...certificate,
      [member]: null,
      protectedMachinesUnknown: member === 'protectedMachineCount',
    });
    await stores.write(stores.heartbeat(server, reported));
    expect(await health(server)).toEqual({ ...before, ...reported });
  });

  it('does not end an outage of services', async () => {
    const server = await stores.registered();
    await stores.write(stores.heartbeat(server, { services: STOPPED }));
    const since = stores.clock.now();
    await stores.advance(10);
    await stores.write(stores.heartbeat(server, ignored(['services.0.name'], 'services')));
    expect(await health(server)).toMatchObject({ services: null, servicesDownAt: since });
  });

  it('makes the clock skew unknown until it is measured again', async () => {
    const server = await stores.registered();
    const skew = async () => (await entry(server))?.lease.skewMs;
    await stores.write(stores.heartbeat(server, { skewMs: 5_000 }));
    await stores.write(stores.heartbeat(server, ignored(['sentAt'], 'skewMs')));
    expect(await skew()).toBeNull();
    await stores.write(stores.heartbeat(server, ignored(['sentAt'], 'skewMs')));
    expect(await skew()).toBeNull();
    await stores.write(stores.heartbeat(server, { skewMs: 7_000 }));
    expect(await skew()).toBe(7_000);
  });

  it('of the machine count prevents a purge, also after later heartbeats without a count', async () => {
    const server = await stores.registered();
    await stores.write(stores.heartbeat(server, { protectedMachineCount: 0 }));
    await stores.write(stores.heartbeat(server, UNUSABLE_COUNT));
    await stores.write(stores.heartbeat(server));
    await stores.advance(180);
    expect(await codeOf(stores.purge(server))).toBe('machines_unknown');
    await stores.write(stores.heartbeat(server, { protectedMachineCount: 0 }));
    await stores.advance(180);
    expect(await codeOf(stores.purge(server))).toBeNull();
  });

  it('of the machine count is kept at a registration of the same machine, not of another machine', async () => {
    const server = await stores.registered();
    await stores.write(stores.heartbeat(server, UNUSABLE_COUNT));
    await stores.register(server.hostId);
    expect(await health(server)).toMatchObject({ protectedMachinesUnknown: true });
    await stores.advance(180);
    await stores.register(server.hostId, { machineId: 'machine-2' });
    expect(await health(server)).toMatchObject({ protectedMachinesUnknown: false });
  });
});

const LOAD: Load = {
  cpuPercent: 10,
  totalMemoryBytes: 100,
  availableMemoryBytes: 90,
  totalCacheBytes: 100,
  freeCacheBytes: 90,
  throughputBytesPerSecond: 100,
  pendingUploadBytes: 0,
};
const END = new Date('2027-01-02T03:04:05.678Z');
const RUNNING = [{ name: 'cxps', state: 'running' }];

describe('a withdrawn value', () => {
  it.each<[WithdrawableMember, Partial<ReportedHealth>]>([
    [
      'load',
      {
        load: null,
        loadReportedAt: null,
        loadAvailableMs: null,
        loadStatus: 'Unknown',
        loadStatuses: NO_REPORT.loadStatuses,
        loadExceededAt: NO_REPORT.loadExceededAt,
      },
    ],
    ['services', { services: null, servicesReportedAt: null, servicesAvailableMs: null, servicesDownAt: null }],
    [
      'certificateExpiresAt',
      {
        certificateExpiresAt: null,
        certificateReportedAt: null,
        certificateAvailableMs: null,
        certificateKnownAt: null,
      },
    ],
  ])(
    '%s is cleared, and nothing else, until it is reported again; a repetition takes one statement',
    async (member, gone) => {
      const all = {
        load: { ...LOAD, cpuPercent: 99 },
        services: STOPPED,
        protectedMachineCount: 1,
        replicationPairCount: 2,
        certificateExpiresAt: END,
      };
      const server = await stores.registered();
      await stores.write(stores.heartbeat(server, all));
      const before = await health(server);
      await stores.write(stores.heartbeat(server, { withdrawn: [member] }));
      expect(await health(server)).toEqual({ ...before, ...gone });
      stores.heartbeatDatabase.statements.length = 0;
      expect(await stores.outcomes(stores.heartbeat(server, { withdrawn: [member] }))).toEqual(['accepted']);
      expect(stores.heartbeatDatabase.statements).toHaveLength(1);
      await stores.write(stores.heartbeat(server, { [member]: all[member] }));
      expect(await health(server)).toEqual(before);
    },
  );

  it('differs from an unusable value', async () => {
    const server = await stores.registered();
    await stores.write(stores.heartbeat(server, { services: STOPPED }));
    await stores.write(stores.heartbeat(server, ignored(['services'], 'services')));
    expect(await health(server)).toMatchObject({ services: null, servicesDownAt: stores.clock.now() });
    await stores.write(stores.heartbeat(server, { withdrawn: ['services'] }));
    expect(await health(server)).toMatchObject({ services: null, servicesDownAt: null });
  });
});

describe('the time since a load signal exceeds its threshold', () => {
  const exceeded = async (server: StoredServer): Promise<(number | null)[]> =>
    Object.values((await health(server))?.loadExceededAt ?? {}).map(
      (at) => at && (at.getTime() - start.getTime()) / 1000,
    );
  let start: Date;
  beforeEach(() => void (start = stores.clock.now()));

  it('is kept for each signal while reports exceed the threshold, also when the level changes', async () => {
    const server = await stores.registered();
    const seen: (number | null)[][] = [];
    for (const over of [
      { cpuPercent: 81 },
      { cpuPercent: 99, freeCacheBytes: 20 },
      { cpuPercent: 85, freeCacheBytes: 20, availableMemoryBytes: 1, pendingUploadBytes: 1e9 },
      { freeCacheBytes: 29 },
      { cpuPercent: 81 },
    ]) {
      await stores.write(stores.heartbeat(server, { load: { ...LOAD, ...over } }));
      seen.push(await exceeded(server));
      await stores.advance(10);
    }
    expect(seen).toEqual([
      [0, null, null, null],
      [0, null, 10, null],
      [0, 20, 10, 20],
      [null, null, 10, null],
      [40, null, null, null],
    ]);
  });

  it.each([
    [180, 0],
    [181, 181],
  ])('is, %d s after the previous report, %d', async (seconds, since) => {
    const server = await stores.registered();
    const busy = { load: { ...LOAD, cpuPercent: 99 } };
    await stores.write(stores.heartbeat(server, busy));
    await stores.advance(seconds);
    await stores.write(stores.heartbeat(server, busy));
    expect((await exceeded(server))[0]).toBe(since);
  });
});

describe('the report time of services and certificate', () => {
  const reported = async (server: StoredServer): Promise<unknown[]> => {
    const { servicesReportedAt, certificateReportedAt, certificateKnownAt } = (await health(server)) ?? {};
    return [servicesReportedAt, certificateReportedAt, certificateKnownAt];
  };

  it('is written at once for changed values, and once a minute for unchanged ones', async () => {
    const server = await stores.registered();
    const first = stores.clock.now();
    await stores.write(stores.heartbeat(server, { services: RUNNING, certificateExpiresAt: END }));
    await stores.advance(59);
    await stores.write(stores.heartbeat(server, { services: RUNNING, certificateExpiresAt: END }));
    expect(await reported(server)).toEqual([first, first, first]);
    await stores.advance(1);
    const minute = stores.clock.now();
    await stores.write(stores.heartbeat(server, { services: RUNNING, certificateExpiresAt: END }));
    expect(await reported(server)).toEqual([minute, minute, first]);
    await stores.advance(1);
    const other = stores.clock.now();
    await stores.write(
      stores.heartbeat(server, { services: STOPPED, certificateExpiresAt: new Date(END.getTime() + 1) }),
    );
    expect(await reported(server)).toEqual([other, other, other]);
    await stores.advance(10);
    await stores.write(stores.heartbeat(server));
    expect(await reported(server)).toEqual([other, other, other]);
  });

  it('of an empty list of services starts and ends no outage', async () => {
    const server = await stores.registered();
    await stores.write(stores.heartbeat(server, { services: [] }));
    expect(await health(server)).toMatchObject({ services: [], servicesDownAt: null });
    await stores.write(stores.heartbeat(server, { services: STOPPED }));
    const since = stores.clock.now();
    await stores.advance(10);
    await stores.write(stores.heartbeat(server, { services: [] }));
    expect(await health(server)).toMatchObject({ services: [], servicesDownAt: since });
    await stores.write(stores.heartbeat(server, { services: STOPPED }));
    expect(await health(server)).toMatchObject({ servicesDownAt: since });
    await stores.write(stores.heartbeat(server, { services: RUNNING }));
    expect(await health(server)).toMatchObject({ servicesDownAt: null });
  });
});

describe('the names of ignored members', () => {
  it('are stored with the lease until a heartbeat has others, or none', async () => {
    const server = await stores.registered();
    for (const names of [['mood'], ['mood', 'queueDepth'], []]) {
      await stores.write(stores.heartbeat(server, names.length > 0 ? ignored(names) : {}));
      expect(await fields(server)).toEqual(names);
    }
  });

  it('are cleared by a registration', async () => {
    const server = await stores.registered();
    await stores.write(stores.heartbeat(server, ignored(['mood'])));
    await stores.register(server.hostId);
    expect(await fields(server)).toEqual([]);
  });

  it('take one statement when unchanged, like a heartbeat without any', async () => {
    const server = await stores.registered();
    for (const heartbeatFields of [{}, ignored(['protectedMachineCount', 'mood'], 'protectedMachineCount')]) {
      await stores.write(stores.heartbeat(server, heartbeatFields));
      stores.heartbeatDatabase.statements.length = 0;
      expect(await stores.outcomes(stores.heartbeat(server, heartbeatFields))).toEqual(['accepted']);
      expect(stores.heartbeatDatabase.statements).toHaveLength(1);
    }
  });

  it.each(['"', '\\', '€', '𝒳', "'"])('fit into the column at any length and number: %s', async (letter) => {
    const server = await stores.registered();
    const names = Array.from(
      { length: 40 },
      (_, number) => `services.63.${letter.repeat(64 / letter.length)}…${number % 10}`,
    );
    expect(await stores.outcomes(stores.heartbeat(server, ignored(names)))).toEqual(['accepted']);
    expect(await fields(server)).toEqual(names.slice(0, 20));
  });
});

describe('events that heartbeats cause', () => {
  const alternate = async (server: StoredServer, times: number): Promise<void> => {
    for (let turn = 0; turn < times; turn += 1) {
      await stores.write(
        stores.heartbeat(server, { agentVersion: `9.62.0.${turn % 2}`, sourceAddress: `192.0.2.${20 + (turn % 2)}` }),
      );
    }
  };

  it('are limited for each host and kind; the first of the next hour has the number of suppressed ones', async () => {
    const [server, other] = [await stores.registered(), await stores.registered()];
    await alternate(server, 25);
    expect(await detailsOf(server, 'version_changed')).toHaveLength(10);
    expect(await detailsOf(server, 'source_address_changed')).toEqual([{ from: '192.0.2.11', to: '192.0.2.20' }]);
    expect(await entry(server)).toMatchObject({
      facts: { agentVersion: '9.62.0.0' },
      lease: { sourceAddress: '192.0.2.20' },
    });
    await alternate(other, 3);
    expect(await detailsOf(other, 'version_changed')).toHaveLength(3);

    stores.clock.advanceSeconds(3_600);
    await stores.availabilityClock.tick();
    await stores.write(stores.heartbeat(server, { agentVersion: '9.62.0.1', sourceAddress: '192.0.2.21' }));
    expect((await detailsOf(server, 'version_changed')).slice(10)).toEqual([
      { from: '9.62.0.0', to: '9.62.0.1', suppressed: 15 },
    ]);
    expect((await detailsOf(server, 'source_address_changed')).slice(1)).toEqual([
      { from: '192.0.2.20', to: '192.0.2.21', suppressed: 24 },
    ]);
  });

  it('are limited across registrations', async () => {
    const server = await stores.registered();
    await alternate(server, 12);
    await stores.advance(180);
    const again = await stores.registered({ agentVersion: '9.61.0.0' }, server.hostId);
    await alternate(again, 4);
    expect(await detailsOf(server, 'version_changed')).toHaveLength(10);
  });

  it('are limited for versions above that of the configuration server', async () => {
    const server = await stores.registered();
    for (let turn = 0; turn < 15; turn += 1)
      await stores.write(stores.heartbeat(server, { agentVersion: `9.64.0.${turn}` }));
    const kinds = await stores.eventKinds(server.hostId);
    expect(kinds.filter((kind) => kind === 'version_newer_than_configuration_server')).toHaveLength(10);
  });
});

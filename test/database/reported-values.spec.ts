import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ForgettableMember, Heartbeat, IgnoredMembers, ReportedHealth } from '@app/fleet';
import { codeOf, TestStores, type StoredServer } from '../support/test-stores.js';

let stores: TestStores;
beforeAll(async () => {
  stores = await TestStores.open();
});
afterAll(() => stores.close());
beforeEach(() => stores.fresh());

const ignored = (fields: readonly string[], ...unusable: readonly ForgettableMember[]): Pick<Heartbeat, 'ignored'> => ({ ignored: { fields, unusable } satisfies IgnoredMembers });
const UNUSABLE_COUNT = ignored(['protectedMachineCount'], 'protectedMachineCount');
const STOPPED = [{ name: 'cxps', state: 'stopped' }];

const entry = async ({ hostId }: StoredServer) => (await stores.registry.find(hostId)).entry;
const health = async (server: StoredServer): Promise<Partial<ReportedHealth> | undefined> => (await entry(server))?.health;
const fields = async (server: StoredServer): Promise<readonly string[] | undefined> => (await entry(server))?.lease.ignoredFields;
const detailsOf = async ({ hostId }: StoredServer, kind: 'version_changed' | 'source_address_changed') =>
  (await stores.events.page({ hostId, kind }, 1_000, null)).items.map(({ detail }) => detail);

describe('a value that cannot be used', () => {
  it.each<[ForgettableMember & keyof ReportedHealth, Partial<Heartbeat>]>([
    ['services', { services: STOPPED }],
    ['protectedMachineCount', { protectedMachineCount: 0 }],
    ['replicationPairCount', { replicationPairCount: 4 }],
    ['certificateExpiresAt', { certificateExpiresAt: new Date('2027-01-02T03:04:05.678Z') }],
  ])('makes what was known of %s unknown, and nothing else', async (member, reported) => {
    const all = { services: STOPPED, protectedMachineCount: 1, replicationPairCount: 2, certificateExpiresAt: new Date('2028-01-01T00:00:00Z'), ...reported };
    const server = await stores.registered();
    await stores.write(stores.beat(server, all));
    const before = await health(server);
    await stores.write(stores.beat(server, ignored([member], member)));
    expect(await health(server)).toEqual({ ...before, [member]: null, protectedMachinesUnknown: member === 'protectedMachineCount' });
    await stores.write(stores.beat(server, reported));
    expect(await health(server)).toEqual({ ...before, ...reported });
  });

  it('does not end an outage of services', async () => {
    const server = await stores.registered();
    await stores.write(stores.beat(server, { services: STOPPED }));
    const since = stores.clock.now();
    await stores.pass(10);
    await stores.write(stores.beat(server, ignored(['services.0.name'], 'services')));
    expect(await health(server)).toMatchObject({ services: null, servicesDownAt: since });
  });

  it('makes the clock skew unknown until it is measured again', async () => {
    const server = await stores.registered();
    const skew = async () => (await entry(server))?.lease.skewMs;
    await stores.write(stores.beat(server, { skewMs: 5_000 }));
    await stores.write(stores.beat(server, ignored(['sentAt'], 'skewMs')));
    expect(await skew()).toBeNull();
    await stores.write(stores.beat(server, ignored(['sentAt'], 'skewMs')));
    expect(await skew()).toBeNull();
    await stores.write(stores.beat(server, { skewMs: 7_000 }));
    expect(await skew()).toBe(7_000);
  });

  it('of a count of machines keeps the server from being purged, also when later heartbeats carry no count', async () => {
    const server = await stores.registered();
    await stores.write(stores.beat(server, { protectedMachineCount: 0 }));
    await stores.write(stores.beat(server, UNUSABLE_COUNT));
    await stores.write(stores.beat(server));
    await stores.pass(180);
    expect(await codeOf(stores.purge(server))).toBe('machines_unknown');
    await stores.write(stores.beat(server, { protectedMachineCount: 0 }));
    await stores.pass(180);
    expect(await codeOf(stores.purge(server))).toBeNull();
  });

  it('of a count of machines holds for the next registration of the machine, not for another machine', async () => {
    const server = await stores.registered();
    await stores.write(stores.beat(server, UNUSABLE_COUNT));
    await stores.register(server.hostId);
    expect(await health(server)).toMatchObject({ protectedMachinesUnknown: true });
    await stores.pass(180);
    await stores.register(server.hostId, { machineId: 'machine-2' });
    expect(await health(server)).toMatchObject({ protectedMachinesUnknown: false });
  });
});

describe('the names of ignored members', () => {
  it('are kept with the lease until another heartbeat carries others, or none', async () => {
    const server = await stores.registered();
    for (const names of [['mood'], ['mood', 'queueDepth'], []]) {
      await stores.write(stores.beat(server, names.length > 0 ? ignored(names) : {}));
      expect(await fields(server)).toEqual(names);
    }
  });

  it('are forgotten by a registration', async () => {
    const server = await stores.registered();
    await stores.write(stores.beat(server, ignored(['mood'])));
    await stores.register(server.hostId);
    expect(await fields(server)).toEqual([]);
  });

  it('that are the same again cost one statement, as a heartbeat without any', async () => {
    const server = await stores.registered();
    for (const said of [{}, ignored(['protectedMachineCount', 'mood'], 'protectedMachineCount')]) {
      await stores.write(stores.beat(server, said));
      stores.heartbeatDatabase.statements.length = 0;
      expect(await stores.outcomes(stores.beat(server, said))).toEqual(['accepted']);
      expect(stores.heartbeatDatabase.statements).toHaveLength(1);
    }
  });

  it.each(['"', '\\', '€', '𝒳', "'"])('fit the column, however long and many they are: %s', async (letter) => {
    const server = await stores.registered();
    const names = Array.from({ length: 40 }, (_, number) => `services.63.${letter.repeat(64 / letter.length)}…${number % 10}`);
    expect(await stores.outcomes(stores.beat(server, ignored(names)))).toEqual(['accepted']);
    expect(await fields(server)).toEqual(names.slice(0, 20));
  });
});

describe('events that heartbeats cause', () => {
  const alternate = async (server: StoredServer, times: number): Promise<void> => {
    for (let turn = 0; turn < times; turn += 1) {
      await stores.write(stores.beat(server, { agentVersion: `9.62.0.${turn % 2}`, sourceAddress: `192.0.2.${20 + (turn % 2)}` }));
    }
  };

  it('are bounded for each host and kind; the first of the next hour tells how many were suppressed', async () => {
    const [server, other] = [await stores.registered(), await stores.registered()];
    await alternate(server, 25);
    expect(await detailsOf(server, 'version_changed')).toHaveLength(10);
    expect(await detailsOf(server, 'source_address_changed')).toEqual([{ from: '192.0.2.11', to: '192.0.2.20' }]);
    expect(await entry(server)).toMatchObject({ facts: { agentVersion: '9.62.0.0' }, lease: { sourceAddress: '192.0.2.20' } });
    await alternate(other, 3);
    expect(await detailsOf(other, 'version_changed')).toHaveLength(3);

    stores.clock.advanceSeconds(3_600);
    await stores.availability.note();
    await stores.write(stores.beat(server, { agentVersion: '9.62.0.1', sourceAddress: '192.0.2.21' }));
    expect((await detailsOf(server, 'version_changed')).slice(10)).toEqual([{ from: '9.62.0.0', to: '9.62.0.1', suppressed: 15 }]);
    expect((await detailsOf(server, 'source_address_changed')).slice(1)).toEqual([{ from: '192.0.2.20', to: '192.0.2.21', suppressed: 24 }]);
  });

  it('are bounded across registrations', async () => {
    const server = await stores.registered();
    await alternate(server, 12);
    const again = await stores.registered({ agentVersion: '9.61.0.0' }, server.hostId);
    await alternate(again, 4);
    expect(await detailsOf(server, 'version_changed')).toHaveLength(10);
  });

  it('of versions above ours are bounded', async () => {
    const server = await stores.registered();
    for (let turn = 0; turn < 15; turn += 1) await stores.write(stores.beat(server, { agentVersion: `9.64.0.${turn}` }));
    const kinds = await stores.kinds(server.hostId);
    expect(kinds.filter((kind) => kind === 'version_newer_than_configuration_server')).toHaveLength(10);
  });
});

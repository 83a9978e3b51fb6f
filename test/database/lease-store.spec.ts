import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Heartbeat, Load } from '@app/fleet';
import { LeaseStore } from '@app/fleet-mysql';
import { AN_ENTRY, OURS, type StoredServer, TestStores } from '../support/test-stores.js';

let stores: TestStores;
beforeAll(async () => {
  stores = await TestStores.open();
});
beforeEach(() => stores.fresh());
afterAll(() => stores.close());

/** Registers a server and writes a heartbeat, so that the next equal one is unchanged. */
async function sendingHeartbeats(over: Partial<Heartbeat> = {}): Promise<StoredServer> {
  const server = await stores.registered();
  await stores.write(stores.heartbeat(server, over));
  return server;
}

const aLoad = (over: Partial<Load> = {}): Load => ({
  cpuPercent: 12.5,
  totalMemoryBytes: 16_000_000_000,
  availableMemoryBytes: 8_000_000_000,
  totalCacheBytes: 600_000_000_000,
  freeCacheBytes: 500_000_000_000,
  throughputBytesPerSecond: 1_000_000,
  pendingUploadBytes: 0,
  ...over,
});

describe('an unchanged heartbeat', () => {
  it('is written in one statement for a batch of any size', async () => {
    const servers = await Promise.all(Array.from({ length: 20 }, () => sendingHeartbeats()));
    await stores.advance(30);
    stores.heartbeatDatabase.statements.length = 0;
    expect(await stores.outcomes(...servers.map((server) => stores.heartbeat(server)))).toEqual(
      servers.map(() => 'accepted'),
    );
    expect(stores.heartbeatDatabase.statements).toHaveLength(1);
    expect(stores.heartbeatDatabase.statements[0]).toMatch(/^UPDATE/);
    for (const server of servers) {
      expect(await stores.lease(server)).toMatchObject({
        last_heartbeat_at: stores.clock.now(),
        last_seen_available_ms: 30_000,
        expires_available_ms: 210_000,
      });
    }
  });

  it('stores the assigned interval and the clock skew', async () => {
    const server = await sendingHeartbeats();
    await stores.write(stores.heartbeat(server, { skewMs: -17 }, { assignedIntervalSeconds: 60, leaseSeconds: 360 }));
    expect(await stores.lease(server)).toMatchObject({
      assigned_interval_seconds: 60,
      expires_available_ms: 360_000,
      skew_ms: -17,
    });
    await stores.write(stores.heartbeat(server));
    expect(await stores.lease(server)).toMatchObject({ assigned_interval_seconds: 30, skew_ms: -17 });
  });

  it('never decreases the lease expiry, last seen or the last heartbeat time', async () => {
    const server = await sendingHeartbeats();
    await stores.advance(60);
    await stores.write(stores.heartbeat(server, {}, { leaseSeconds: 600 }));
    const before = await stores.lease(server);
    const earlier = new Date(stores.clock.now().getTime() - 40_000);
    expect(
      await stores.leases.writeBatch([stores.heartbeat(server)], () => ({ at: earlier, availableMs: 20_000 }), 5_000),
    ).toMatchObject([{ outcome: 'accepted' }]);
    expect(await stores.lease(server)).toEqual(before);
  });

  it('never decreases them, even with changed members', async () => {
    const server = await sendingHeartbeats();
    await stores.advance(60);
    await stores.write(stores.heartbeat(server, {}, { leaseSeconds: 600 }));
    const earlier = new Date(stores.clock.now().getTime() - 40_000);
    await stores.leases.writeBatch(
      [stores.heartbeat(server, { instanceId: 'new' })],
      () => ({ at: earlier, availableMs: 20_000 }),
      5_000,
    );
    expect(await stores.lease(server)).toMatchObject({
      last_heartbeat_at: stores.clock.now(),
      last_seen_available_ms: 60_000,
      expires_available_ms: 660_000,
      instance_id: 'new',
    });
  });

  it('does not change other rows', async () => {
    const [server, other] = [await sendingHeartbeats(), await sendingHeartbeats()];
    const before = await stores.lease(other);
    await stores.advance(30);
    await stores.write(stores.heartbeat(server));
    expect(await stores.lease(other)).toEqual(before);
  });

  it('gets its verdict in the order of the batch', async () => {
    const [one, gone, two] = [
      await sendingHeartbeats(),
      { hostId: randomUUID(), generation: 1, credentialHash: 'aa'.repeat(32) },
      await sendingHeartbeats(),
    ];
    const batch = [two, gone, one].sort(() => -1);
    expect(await stores.outcomes(...batch.map((server) => stores.heartbeat(server)))).toEqual(
      batch.map((server) => (server === gone ? 'process_server_not_found' : 'accepted')),
    );
  });
});

describe('a rejected heartbeat changes nothing and inserts nothing', () => {
  const REJECTIONS: [string, () => Promise<StoredServer>, string][] = [
    [
      'of an unknown host id',
      async () => ({ hostId: randomUUID(), generation: 1, credentialHash: 'aa'.repeat(32) }),
      'process_server_not_found',
    ],
    ['of a decommissioned entry', () => stores.decommissioned(), 'generation_retired'],
    [
      'of a purged entry',
      async () => {
        const server = await sendingHeartbeats();
        await stores.purge(server, { force: true });
        return server;
      },
      'generation_retired',
    ],
    [
      'of an entry that the clean-up has removed',
      async () => {
        const server = await stores.decommissioned();
        await stores.removals.removeDue({ decommissionedAt: stores.clock.now(), availableMs: -1 }, 500, null);
        return server;
      },
      'generation_retired',
    ],
    [
      'with a revoked credential',
      async () => {
        const server = await sendingHeartbeats();
        await stores.testDatabase.write('UPDATE process_server_lease SET revoked = 1 WHERE host_id = ?', [
          server.hostId,
        ]);
        return server;
      },
      'credential_revoked',
    ],
    [
      'of an earlier generation',
      async () => {
        const server = await sendingHeartbeats();
        await stores.register(server.hostId);
        return server;
      },
      'generation_superseded',
    ],
    ['of a later generation', async () => ({ ...(await sendingHeartbeats()), generation: 2 }), 'generation_unknown'],
    [
      'with another credential',
      async () => ({ ...(await sendingHeartbeats()), credentialHash: 'bb'.repeat(32) }),
      'credential_rejected',
    ],
  ];

  it.each(REJECTIONS)('%s, alone or in a batch with an accepted heartbeat', async (_case, make, code) => {
    const rejected = await make();
    const accepted = await sendingHeartbeats();
    await stores.advance(10);
    const before = await stores.contents();
    const changed = { load: aLoad(), protectedMachineCount: 9, agentVersion: '9.62.0.0' };
    const sameAsBefore = { protectedMachineCount: 9 };
    for (const report of [changed, sameAsBefore]) {
      expect(await stores.outcomes(stores.heartbeat(rejected, report))).toEqual([code]);
      expect(await stores.contents()).toEqual(before);
    }
    expect(await stores.outcomes(stores.heartbeat(rejected, sameAsBefore), stores.heartbeat(accepted))).toEqual([
      code,
      'accepted',
    ]);
    const rowsOf = (contents: Record<string, unknown[]>) =>
      Object.fromEntries(
        Object.entries(contents).map(([table, rows]) => [
          table,
          rows.filter((row) => (row as { host_id: string }).host_id !== accepted.hostId),
        ]),
      );
    expect(rowsOf(await stores.contents())).toEqual(rowsOf(before));
    expect(await stores.lease(accepted)).toMatchObject({ last_seen_available_ms: 10_000 });
  });

  it('from another machine or a replaced instance: a conflict with both addresses', async () => {
    const server = await sendingHeartbeats({ instanceId: 'first' });
    await stores.write(stores.heartbeat(server, { instanceId: 'second', sourceAddress: '192.0.2.20' }));
    const before = await stores.contents();
    for (const report of [{ instanceId: 'first' }, { machineId: 'machine-2' }]) {
      expect(await stores.write(stores.heartbeat(server, { ...report, sourceAddress: '192.0.2.30' }))).toEqual([
        {
          outcome: 'rejected',
          rejection: { code: 'host_id_conflict', registeredAddress: '192.0.2.20', otherAddress: '192.0.2.30' },
        },
      ]);
    }
    expect(await stores.contents()).toEqual(before);
  });

  it('writes one event for a host, kind and hour', async () => {
    const server = await stores.decommissioned();
    for (let heartbeats = 0; heartbeats < 3; heartbeats += 1) await stores.write(stores.heartbeat(server));
    const rejections = async (): Promise<number> =>
      (await stores.eventKinds(server.hostId)).filter((kind) => kind === 'refused_generation_retired').length;
    expect(await rejections()).toBe(1);
    stores.clock.advanceSeconds(3_600);
    await stores.write(stores.heartbeat(server));
    expect(await rejections()).toBe(2);
  });
});

describe('a locked row', () => {
  it('defers its heartbeat until it is unlocked, and the other heartbeats are accepted', async () => {
    const servers = [await sendingHeartbeats(), await sendingHeartbeats(), await sendingHeartbeats()];
    const [first, locked, last] = servers.sort((a, b) => (a.hostId < b.hostId ? -1 : 1)) as [
      StoredServer,
      StoredServer,
      StoredServer,
    ];
    await stores.advance(20);
    const unlock = await stores.lockLease(locked);
    const batch = [stores.heartbeat(first), stores.heartbeat(locked), stores.heartbeat(last)];
    expect(await stores.outcomes(...batch)).toEqual(['accepted', 'deferred', 'accepted']);
    expect(await stores.lease(first)).toMatchObject({ last_seen_available_ms: 20_000 });
    expect(await stores.lease(last)).toMatchObject({ last_seen_available_ms: 20_000 });
    expect(await stores.lease(locked)).toMatchObject({ last_seen_available_ms: 0 });
    expect(await stores.outcomes(stores.heartbeat(locked, {}, { deferred: true }))).toEqual(['deferred']);
    await unlock();
    expect(await stores.outcomes(stores.heartbeat(locked, {}, { deferred: true }))).toEqual(['accepted']);
    expect(await stores.lease(locked)).toMatchObject({ last_seen_available_ms: 20_000 });
  });

  it('rejects the deferred heartbeat when the lock holder removes the host', async () => {
    const server = await stores.decommissioned();
    const other = await sendingHeartbeats();
    const unlock = await stores.lockLease(server);
    expect(await stores.outcomes(stores.heartbeat(server, {}, { deferred: true }), stores.heartbeat(other))).toEqual([
      'deferred',
      'accepted',
    ]);
    await unlock();
    await stores.removals.removeDue({ decommissionedAt: stores.clock.now(), availableMs: -1 }, 500, null);
    expect(await stores.write(stores.heartbeat(server, {}, { deferred: true }))).toEqual([
      { outcome: 'rejected', rejection: { code: 'generation_retired', removal: 'clean_up' } },
    ]);
  });
});

describe('health', () => {
  const health = async ({ hostId }: StoredServer) => (await stores.registry.find(hostId)).entry?.health;
  const RUNNING = [{ name: 'obengine', state: 'Running' }];
  const STOPPED = [{ name: 'obengine', state: 'Stopped' }];

  it('is written with changed and unchanged heartbeats', async () => {
    const server = await stores.registered();
    const certificateExpiresAt = new Date('2027-01-02T03:04:05.678Z');
    const report = {
      load: aLoad(),
      services: RUNNING,
      protectedMachineCount: 0,
      replicationPairCount: 4,
      churnBytesPerDay: 5,
      certificateExpiresAt,
    };
    const now = stores.clock.now();
    const loadExceededAt = { cpu: null, memory: null, cache: null, upload: null };
    const whenReported = {
      loadReportedAt: now,
      servicesReportedAt: now,
      certificateReportedAt: now,
      certificateKnownAt: now,
      loadAvailableMs: await stores.availableMs(),
      servicesAvailableMs: await stores.availableMs(),
      certificateAvailableMs: await stores.availableMs(),
    };
    const expected = {
      ...report,
      ...whenReported,
      loadStatus: 'Healthy',
      loadStatuses: { cpu: 'Healthy', memory: 'Healthy', cache: 'Healthy', upload: 'Healthy' },
      loadExceededAt,
      servicesRaised: false,
      servicesDownAt: null,
      protectedMachinesUnknown: false,
    };
    await stores.write(stores.heartbeat(server, report));
    expect(await health(server)).toEqual(expected);
    await stores.advance(10);
    stores.heartbeatDatabase.statements.length = 0;
    await stores.write(stores.heartbeat(server, { load: aLoad({ cpuPercent: 99 }) }));
    expect(stores.heartbeatDatabase.statements).toHaveLength(2);
    expect(await health(server)).toEqual({
      ...expected,
      load: aLoad({ cpuPercent: 99 }),
      loadReportedAt: stores.clock.now(),
      loadAvailableMs: await stores.availableMs(),
      loadStatus: 'Healthy',
      loadExceededAt: { ...loadExceededAt, cpu: stores.clock.now() },
    });
  });

  it('keeps values that a heartbeat does not report', async () => {
    const server = await sendingHeartbeats({
      load: aLoad(),
      services: RUNNING,
      protectedMachineCount: 3,
      replicationPairCount: 4,
      certificateExpiresAt: stores.clock.now(),
    });
    const before = await health(server);
    await stores.advance(10);
    await stores.write(stores.heartbeat(server));
    expect(await health(server)).toEqual(before);
    await stores.write(stores.heartbeat(server, { protectedMachineCount: 0 }));
    expect(await health(server)).toEqual({ ...before, protectedMachineCount: 0 });
    await stores.write(stores.heartbeat(server, { replicationPairCount: 0 }));
    expect(await health(server)).toEqual({ ...before, protectedMachineCount: 0, replicationPairCount: 0 });
    await stores.write(stores.heartbeat(server, { churnBytesPerDay: 0 }));
    expect((await health(server))?.churnBytesPerDay).toBe(0);
  });

  it('replaces the whole load report: absent values are unknown', async () => {
    const server = await sendingHeartbeats({ load: aLoad() });
    const sparse = aLoad({ cpuPercent: null, totalMemoryBytes: null, pendingUploadBytes: null });
    await stores.write(stores.heartbeat(server, { load: sparse }));
    expect((await health(server))?.load).toEqual(sparse);
  });

  it.each([
    ['all signals healthy', aLoad(), 1],
    ['one unknown', aLoad({ cpuPercent: null }), 0],
    ['a warning', aLoad({ cpuPercent: 81 }), 2],
    ['a critical one', aLoad({ freeCacheBytes: 0 }), 3],
  ])('has a load severity for filters: %s', async (_case, load, rank) => {
    const server = await sendingHeartbeats({ load });
    for (let reports = 0; reports < 6; reports += 1) {
      await stores.advance(150);
      await stores.write(stores.heartbeat(server, { load }));
    }
    expect(
      await stores.testDatabase.rows('SELECT load_severity FROM process_server_health WHERE host_id = ?', [
        server.hostId,
      ]),
    ).toEqual([{ load_severity: rank }]);
  });

  it('stores since when a service is down, until all services run', async () => {
    const server = await sendingHeartbeats({ services: RUNNING });
    await stores.advance(10);
    const since = stores.clock.now();
    await stores.write(stores.heartbeat(server, { services: STOPPED }));
    await stores.advance(10);
    await stores.write(stores.heartbeat(server, { services: [...RUNNING, ...STOPPED] }));
    expect((await health(server))?.servicesDownAt).toEqual(since);
    await stores.write(stores.heartbeat(server));
    expect((await health(server))?.servicesDownAt).toEqual(since);
    await stores.write(stores.heartbeat(server, { services: RUNNING }));
    expect(await health(server)).toMatchObject({ servicesDownAt: null, services: RUNNING });
  });

  it('of one server does not affect another in the batch', async () => {
    const [one, other] = [await sendingHeartbeats(), await sendingHeartbeats()];
    await stores.write(
      stores.heartbeat(one, { protectedMachineCount: 1 }),
      stores.heartbeat(other, { replicationPairCount: 2 }),
    );
    expect(await health(one)).toMatchObject({ protectedMachineCount: 1, replicationPairCount: null });
    expect(await health(other)).toMatchObject({ protectedMachineCount: null, replicationPairCount: 2 });
  });
});

describe('a changed heartbeat', () => {
  it('that ends a silence writes one event, from last seen to the current time', async () => {
    const server = await sendingHeartbeats();
    const from = stores.clock.now();
    await stores.advance(180);
    await stores.write(stores.heartbeat(server));
    await stores.write(stores.heartbeat(server));
    expect(await stores.eventKinds(server.hostId)).toEqual([
      'registered',
      'disconnected',
      'silence_ended',
      'reconnected',
    ]);
    const [event] = (await stores.events.fetchPage({ hostId: server.hostId, kind: 'silence_ended' }, 10, null)).items;
    expect(event).toMatchObject({
      generation: 1,
      at: stores.clock.now(),
      detail: { from: from.toISOString(), to: stores.clock.now().toISOString() },
    });
  });

  it.each([
    [179, ['registered']],
    [180, ['registered', 'disconnected', 'silence_ended', 'reconnected']],
  ])('after %d s of availability has the events %j', async (seconds, kinds) => {
    const server = await sendingHeartbeats();
    await stores.advance(seconds);
    await stores.write(stores.heartbeat(server));
    expect(await stores.eventKinds(server.hostId)).toEqual(kinds);
  });

  it('ends no silence after an outage of the service', async () => {
    const server = await sendingHeartbeats();
    stores.clock.advanceSeconds(7_200);
    await stores.availabilityClock.tick();
    await stores.write(stores.heartbeat(server));
    expect(await stores.eventKinds(server.hostId)).toEqual(['registered']);
  });

  it('with another version writes one event and updates the entry', async () => {
    const server = await sendingHeartbeats();
    await stores.write(stores.heartbeat(server, { agentVersion: '9.62.10.0' }));
    await stores.write(stores.heartbeat(server, { agentVersion: '9.62.10.0' }));
    expect(await stores.eventKinds(server.hostId)).toEqual(['registered', 'version_changed']);
    expect(
      await stores.testDatabase.rows('SELECT agent_version, version_key FROM process_server WHERE host_id = ?', [
        server.hostId,
      ]),
    ).toEqual([{ agent_version: '9.62.10.0', version_key: '0009003e000a0000' }]);
  });

  it('with a version above that of the configuration server writes one event, even if repeated later', async () => {
    const server = await sendingHeartbeats();
    for (const agentVersion of ['9.64.0.0', '9.64.0.0', '9.63.7187.1', '9.64.0.0'])
      await stores.write(stores.heartbeat(server, { agentVersion }));
    const kinds = await stores.eventKinds(server.hostId);
    expect(kinds.filter((kind) => kind === 'version_newer_than_configuration_server')).toHaveLength(1);
    expect(kinds.filter((kind) => kind === 'version_changed')).toHaveLength(3);
  });

  it('writes the version event again after a rollback of the configuration server', async () => {
    const server = await sendingHeartbeats();
    const rolledBack = new LeaseStore(
      stores.heartbeatDatabase,
      stores.identifiers,
      { ...OURS, minor: 62 },
      stores.pendingWrites,
      stores.operatingSystems,
    );
    const moment = await stores.moment();
    for (let heartbeats = 0; heartbeats < 2; heartbeats += 1) {
      expect(await rolledBack.writeBatch([stores.heartbeat(server)], () => moment, 5_000)).toMatchObject([
        { outcome: 'accepted' },
      ]);
    }
    expect(await stores.eventKinds(server.hostId)).toEqual(['registered', 'version_newer_than_configuration_server']);
  });

  it('without a version is evaluated with the registered version', async () => {
    const server = await stores.registered({ agentVersion: '9.61.0.0' });
    expect(await stores.write(stores.heartbeat(server, { agentVersion: null }))).toMatchObject([
      { outcome: 'accepted', agentVersion: '9.61.0.0' },
    ]);
    expect(await stores.eventKinds(server.hostId)).toEqual(['registered']);
  });

  it('with another instance stores it and the replaced ones', async () => {
    const server = await sendingHeartbeats();
    const instances = async () => {
      const row = await stores.lease(server);
      return [row?.['instance_id'], JSON.parse(String(row?.['replaced_instance_ids']))];
    };
    expect(await instances()).toEqual([null, []]);
    await stores.write(stores.heartbeat(server, { instanceId: 'first' }));
    expect(await instances()).toEqual(['first', []]);
    await stores.write(stores.heartbeat(server, { instanceId: 'second' }));
    expect(await instances()).toEqual(['second', ['first']]);
    await stores.write(stores.heartbeat(server));
    expect(await instances()).toEqual(['second', ['first']]);
  });

  it('with another source address stores it and writes an event', async () => {
    const server = await sendingHeartbeats();
    await stores.write(stores.heartbeat(server, { sourceAddress: '2001:db8::2' }));
    expect(await stores.lease(server)).toMatchObject({ source_address: '2001:db8::2' });
    expect(await stores.eventKinds(server.hostId)).toEqual(['registered', 'source_address_changed']);
  });
});

describe('a heartbeat concurrent with a registration of the same host', () => {
  it('renews the previous lease, is superseded or is deferred, and never mixes both leases', async () => {
    for (let round = 0; round < 8; round += 1) {
      const server = await sendingHeartbeats();
      await stores.advance(10);
      const [outcome] = await Promise.all([stores.outcomes(stores.heartbeat(server)), stores.register(server.hostId)]);
      expect(['accepted', 'generation_superseded', 'deferred']).toContain(outcome[0]);
      expect(await stores.lease(server)).toMatchObject({ generation: 2, last_heartbeat_at: null, instance_id: null });
      expect(await stores.rowsOf(server.hostId)).toEqual(AN_ENTRY);
    }
  });
});

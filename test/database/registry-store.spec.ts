import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { callerAuthor, FleetError, NO_REPORT, systemAuthor, type FleetEvent } from '@app/fleet';
import { someFacts } from '../../libs/fleet/src/testing/examples.js';
import {
  A_TOMBSTONE,
  AN_AGENT,
  AN_ENTRY,
  AN_OPERATOR,
  codeOf,
  MINT,
  TestStores,
  type StoredServer,
} from '../support/test-stores.js';

let stores: TestStores;
beforeAll(async () => {
  stores = await TestStores.open();
});
beforeEach(() => stores.fresh());
afterAll(() => stores.close());

const PROXY = { used: true, address: 'proxy.example', port: 3128, authenticated: true };

describe('a registration', () => {
  it('is stored completely and read as given', async () => {
    const hostId = randomUUID();
    const facts = {
      fqdn: 'ps-1.example',
      ipAddress: '2001:db8::1',
      proxy: PROXY,
      friendlyName: 'Prozeßserver 1 🖥',
      memoryBytes: 2 ** 50,
      cacheDiskBytes: 2 ** 52,
    };
    const { credential } = await stores.register(hostId, facts);
    const { entry, tombstone, at: now } = await stores.registry.find(hostId);
    expect(tombstone).toBeNull();
    expect(entry).toMatchObject({
      hostId,
      generation: 1,
      facts: someFacts(facts),
      registeredAt: now,
      decommission: null,
      lease: {
        credentialHash: MINT.verify(hostId, credential)?.credentialHash,
        lastHeartbeatAt: null,
        expiresAvailableMs: 180_000,
        lastSeenAvailableMs: 0,
        sourceAddress: '192.0.2.11',
      },
      health: { load: null, protectedMachineCount: null },
    });
  });

  it('is rejected when its passphrase expired while it was queued; others in the batch are accepted', async () => {
    const [of1, of2, retired, retiring] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
    const now = stores.clock.now();
    await stores.testDatabase.write('INSERT INTO passphrase (id, hash, created_at, expires_at) VALUES ?', [
      [
        [retired, randomBytes(32), now, now],
        [retiring, randomBytes(32), now, new Date(now.getTime() + 60_000)],
      ],
    ]);
    const requests = [
      stores.register(of1, { friendlyName: 'one' }, stores.registry, retired),
      stores.register(of2, { friendlyName: 'two' }, stores.registry, retiring),
    ];
    expect(await Promise.allSettled(requests)).toMatchObject([
      { status: 'rejected', reason: { message: 'passphrase_rejected' } },
      { status: 'fulfilled', value: { generation: 1 } },
    ]);
    expect((await stores.registry.find(of1)).entry).toBeNull();
    expect((await stores.testDatabase.rows('SELECT id FROM event WHERE host_id = ?', [of1])).length).toBe(0);
  });

  it.each([[null], [{ used: false, address: null, port: null, authenticated: false }], [PROXY]])(
    'stores the proxy facts %j',
    async (proxy) => {
      const { hostId } = await stores.registered({ proxy });
      expect((await stores.registry.find(hostId)).entry?.facts.proxy).toEqual(proxy);
    },
  );

  it('again replaces every fact and the credential, and starts a new lease', async () => {
    const old = await stores.registered({ fqdn: 'old.example', proxy: PROXY });
    await stores.write(stores.heartbeat(old, { instanceId: 'i', skewMs: 5 }));
    await stores.testDatabase.write('UPDATE process_server_lease SET revoked = 1 WHERE host_id = ?', [old.hostId]);
    await stores.advance(200);
    const facts = { ipAddress: '192.0.2.99', dataPort: 9444, agentVersion: '9.62.0.0', cpuCores: 4 };
    const { generation, credential } = await stores.register(old.hostId, facts);
    expect(generation).toBe(2);
    expect((await stores.registry.find(old.hostId)).entry).toMatchObject({
      generation: 2,
      facts: someFacts(facts),
      registeredAt: stores.clock.now(),
      lease: {
        credentialHash: MINT.verify(old.hostId, credential)?.credentialHash,
        revoked: false,
        lastHeartbeatAt: null,
        expiresAvailableMs: 380_000,
        instanceId: null,
        replacedInstanceIds: [],
        skewMs: null,
      },
    });
    expect(await stores.eventKinds(old.hostId)).toEqual([
      'registered',
      'disconnected',
      'silence_ended',
      'reconnected',
      'registered_again',
    ]);
  });

  it('again after a silence writes the end of the silence once, also for two concurrent registrations', async () => {
    const server = await stores.registered();
    await stores.write(stores.heartbeat(server));
    const from = stores.clock.now().toISOString();
    await stores.advance(200);
    await Promise.all([
      stores.register(server.hostId),
      stores.register(server.hostId, {}, stores.registryOn(stores.connect())),
    ]);
    const { items } = await stores.events.fetchPage({ hostId: server.hostId, kind: 'silence_ended' }, 10, null);
    expect(items).toMatchObject([
      {
        generation: 1,
        at: stores.clock.now(),
        actor: AN_AGENT.name,
        detail: { from, to: stores.clock.now().toISOString() },
      },
    ]);
    expect((await stores.eventKinds(server.hostId)).sort()).toEqual([
      'disconnected',
      'reconnected',
      'registered',
      'registered_again',
      'registered_again',
      'silence_ended',
    ]);
  });

  it('again from the same machine keeps load and counts but not services and certificate; from another machine clears all reports', async () => {
    const server = await stores.registered();
    const load = {
      cpuPercent: 5,
      totalMemoryBytes: 1,
      availableMemoryBytes: 1,
      totalCacheBytes: 1,
      freeCacheBytes: 1,
      throughputBytesPerSecond: 1,
      pendingUploadBytes: 0,
    };
    await stores.write(
      stores.heartbeat(server, {
        load,
        services: [{ name: 'obengine', state: 'Stopped' }],
        protectedMachineCount: 3,
        certificateExpiresAt: stores.clock.now(),
      }),
    );
    const reported = (await stores.registry.find(server.hostId)).entry?.health;
    expect(reported?.protectedMachineCount).toBe(3);
    await stores.register(server.hostId);
    expect((await stores.registry.find(server.hostId)).entry?.health).toEqual({
      ...NO_REPORT,
      load,
      loadReportedAt: reported?.loadReportedAt,
      loadAvailableMs: reported?.loadAvailableMs,
      loadStatus: 'Healthy',
      loadStatuses: reported?.loadStatuses,
      protectedMachineCount: 3,
    });
    await stores.advance(180);
    await stores.register(server.hostId, { machineId: 'machine-2' });
    expect((await stores.registry.find(server.hostId)).entry?.health).toEqual(NO_REPORT);
    expect(await stores.eventKinds(server.hostId)).toEqual([
      'registered',
      'registered_again',
      'disconnected',
      'silence_ended',
      'reconnected',
      'replaced',
    ]);
  });

  it('cancels a removal and clears its columns', async () => {
    const { hostId } = await stores.decommissioned();
    expect((await stores.registry.find(hostId)).entry?.decommission).not.toBeNull();
    await stores.register(hostId);
    const [row] = await stores.testDatabase.rows(
      'SELECT decommissioned_at, decommissioned_by, decommission_reason, remove_by FROM process_server WHERE host_id = ?',
      [hostId],
    );
    expect(row).toEqual({
      decommissioned_at: null,
      decommissioned_by: null,
      decommission_reason: null,
      remove_by: null,
    });
    expect(await stores.lease({ hostId })).toMatchObject({ retired: 0, generation: 2 });
  });

  it('over a tombstone deletes it and continues its generation', async () => {
    const server = await stores.registered();
    await stores.purge(server, { force: true });
    expect(await stores.rowsOf(server.hostId)).toEqual(A_TOMBSTONE);
    expect((await stores.register(server.hostId)).generation).toBe(2);
    expect(await stores.rowsOf(server.hostId)).toEqual(AN_ENTRY);
  });

  it('over a tombstone that is deleted meanwhile is decided again', async () => {
    const server = await stores.registered();
    await stores.purge(server, { force: true });
    let deletions = 0;
    stores.database.before = async (sql) => {
      if (!/^\s*DELETE FROM tombstone/.test(sql) || (deletions += 1) > 1) return;
      await stores.testDatabase.write('DELETE FROM tombstone WHERE host_id = ?', [server.hostId]);
    };
    expect((await stores.register(server.hostId)).generation).toBe(1);
  });

  it('concurrent with another first one: both are accepted as generations 1 and 2, and the higher credential is valid', async () => {
    for (let round = 0; round < 5; round += 1) {
      const hostId = randomUUID();
      const other = stores.registryOn(stores.connect());
      const responses = await Promise.all([stores.register(hostId), stores.register(hostId, {}, other)]);
      expect(responses.map(({ generation }) => generation).sort()).toEqual([1, 2]);
      const winner = responses.find(({ generation }) => generation === 2);
      const { entry } = await stores.registry.find(hostId);
      expect(entry).toMatchObject({
        generation: 2,
        lease: { credentialHash: MINT.verify(hostId, winner?.credential ?? '')?.credentialHash },
      });
      expect((await stores.eventKinds(hostId)).sort()).toEqual(['registered', 'registered_again']);
    }
  });

  it('ten times concurrently creates ten generations with ten events', async () => {
    const { hostId } = await stores.registered();
    const responses = await Promise.all(Array.from({ length: 10 }, () => stores.register(hostId)));
    expect(responses.map(({ generation }) => generation).sort((a, b) => a - b)).toEqual([
      2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
    ]);
    expect(await stores.eventKinds(hostId)).toHaveLength(11);
  });
});

it('reads the generation floor as a number, 0 without a site row', async () => {
  const readFloor = async (): Promise<number> => (await stores.registry.find(randomUUID())).generationFloor;
  expect(await readFloor()).toBe(0);
  await stores.testDatabase.write(
    'INSERT INTO site (id, site_id, epoch, epoch_id, generation_floor, unfinished) VALUES (1, ?, 1, ?, 7, 0)',
    [randomUUID(), randomUUID()],
  );
  expect(await readFloor()).toBe(7);
  await stores.testDatabase.write('DELETE FROM site');
});

describe('a change', () => {
  it('that is rejected writes nothing', async () => {
    const { hostId } = await stores.registered();
    const before = await stores.contents();
    const rejected = stores.registry.change(hostId, () => {
      throw new FleetError({ code: 'reason_required' });
    });
    expect(await codeOf(rejected)).toBe('reason_required');
    expect(await stores.contents()).toEqual(before);
    expect(await stores.eventKinds(hostId)).toEqual(['registered']);
  });

  it('without a write has no event', async () => {
    const { hostId } = await stores.registered();
    expect(await stores.registry.change(hostId, ({ entry }) => ({ result: entry?.generation }))).toBe(1);
    expect(await stores.eventKinds(hostId)).toEqual(['registered']);
  });

  it('whose guarded statement matches nothing is decided again on the current record', async () => {
    const { hostId } = await stores.registered();
    const seen: (number | undefined)[] = [];
    const changeGeneration = async (sql: string): Promise<void> => {
      if (!/^\s*UPDATE process_server AS p SET/.test(sql) || seen.length > 1) return;
      await stores.testDatabase.write('UPDATE process_server SET generation = 7 WHERE host_id = ?', [hostId]);
    };
    stores.database.before = changeGeneration;
    const result = await stores.registry.change(hostId, ({ entry }) => {
      seen.push(entry?.generation);
      if (!entry) throw new Error('it is gone');
      const next = { ...entry, generation: entry.generation + 1 };
      if (entry.generation === 7) return { result: 'decided again' };
      return {
        result: 'lost',
        change: {
          write: { to: 'registered', entry: next },
          event: { kind: 'registered_again', generation: next.generation, ...systemAuthor('a'), detail: {} },
        },
      };
    });
    expect([result, seen]).toEqual(['decided again', [1, 7]]);
    expect(await stores.eventKinds(hostId)).toEqual(['registered']);
  });

  it('of one host does not wait for a lock on another host', async () => {
    const [one, other] = [await stores.registered(), await stores.registered()];
    const unlock = await stores.lockLease(one);
    await stores.decommission(other);
    expect(await stores.eventKinds(other.hostId)).toContain('decommissioned_by_force');
    await unlock();
  });
});

describe('concurrent changes', () => {
  const locks = (): number =>
    stores.database.statements.filter((sql) => /FROM process_server_lease .* FOR UPDATE/.test(sql)).length;
  const rejected = (hostId: string): Promise<unknown> =>
    stores.registry.change(hostId, () => {
      throw new FleetError({ code: 'reason_required' });
    });

  it.each([
    ['statements sent separately', () => stores.registry],
    ['statements sent in one text', () => stores.registryOn(stores.connect())],
  ])('are written in one batch: first, repeated, renamed, removed and over tombstones; %s', async (_, registryOf) => {
    const registry = registryOf();
    const [again, renamed, leaving, purged, returning] = [
      await stores.registered(),
      await stores.registered(),
      await stores.registered(),
      await stores.registered(),
      await stores.registered(),
    ];
    await stores.purge(returning, { force: true });
    const newcomers = Array.from({ length: 5 }, () => randomUUID());
    stores.database.statements.length = 0;
    const responses = await Promise.all([
      ...newcomers.map((hostId) => stores.register(hostId, {}, registry)),
      stores.register(again.hostId, { machineId: 'machine-1' }, registry),
      stores.register(renamed.hostId, { friendlyName: 'another' }, registry),
      stores.register(returning.hostId, {}, registry),
    ]);
    await Promise.all([stores.decommission(leaving, registry), stores.purge(purged, { force: true }, registry)]);
    expect(responses.map(({ generation }) => generation)).toEqual([1, 1, 1, 1, 1, 2, 2, 2]);
    for (const { hostId } of responses) expect(await stores.rowsOf(hostId)).toEqual(AN_ENTRY);
    expect(await Promise.all(newcomers.map((hostId) => stores.eventKinds(hostId)))).toEqual(
      newcomers.map(() => ['registered']),
    );
    expect(await stores.eventKinds(renamed.hostId)).toEqual(['registered', 'registered_again']);
    expect(await stores.eventKinds(leaving.hostId)).toEqual(['registered', 'decommissioned_by_force']);
    expect(await stores.rowsOf(purged.hostId)).toEqual(A_TOMBSTONE);
    expect(
      await stores.testDatabase.rows(
        'SELECT name_key AS name FROM process_server_name_history WHERE host_id = ? ORDER BY valid_from',
        [renamed.hostId],
      ),
    ).toEqual([{ name: 'ps-berlin-1' }, { name: 'another' }]);
    expect(locks()).toBe(registry === stores.registry ? 2 : 0);
  });

  it('are rejected and accepted individually', async () => {
    const [one, other] = [await stores.registered(), await stores.registered()];
    const outcomes = await Promise.all([codeOf(rejected(one.hostId)), codeOf(stores.decommission(other))]);
    expect(outcomes).toEqual(['reason_required', null]);
    expect(await stores.eventKinds(one.hostId)).toEqual(['registered']);
    expect(await stores.eventKinds(other.hostId)).toEqual(['registered', 'decommissioned_by_force']);
  });

  it('do not wait for a locked host, which is changed when it is unlocked', async () => {
    const [locked, free] = [await stores.registered(), await stores.registered()];
    const unlock = await stores.lockLease(locked);
    const pending = stores.decommission(locked);
    await Promise.all([stores.decommission(free), stores.register(randomUUID())]);
    expect(await stores.eventKinds(free.hostId)).toEqual(['registered', 'decommissioned_by_force']);
    expect(await stores.eventKinds(locked.hostId)).toEqual(['registered']);
    await unlock();
    await pending;
    expect(await stores.eventKinds(locked.hostId)).toEqual(['registered', 'decommissioned_by_force']);
  });

  it('leave a connection for other hosts, even with many changes of one locked host', async () => {
    const locked = await stores.registered();
    const unlock = await stores.lockLease(locked);
    const pending = Promise.all(Array.from({ length: 20 }, () => stores.register(locked.hostId)));
    await stores.register(randomUUID());
    expect(await stores.eventKinds(locked.hostId)).toEqual(['registered']);
    await unlock();
    expect((await pending).map(({ generation }) => generation)).toEqual(
      Array.from({ length: 20 }, (_, number) => number + 2),
    );
  });

  it('are retried individually when one of them makes the batch fail', async () => {
    const [one, other] = [await stores.registered(), await stores.registered()];
    const planId = await stores.savedPlan(one);
    await stores.plans.saveResult(planId, { purged: [], skipped: [] });
    const purged = stores.purge(one, { planId, force: true });
    const outcomes = await Promise.allSettled([purged, stores.decommission(other)]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect(await stores.rowsOf(one.hostId)).toEqual(AN_ENTRY);
    expect(await stores.eventKinds(other.hostId)).toEqual(['registered', 'decommissioned_by_force']);
  });
});

describe('a batch in which one host repeatedly conflicts with another replica', () => {
  it.each([1213, 1062])(
    'is halved after error %d until that host is alone; the other changes succeed',
    async (errno) => {
      const servers = await Promise.all(Array.from({ length: 8 }, () => stores.registered()));
      const [contested] = servers as [StoredServer];
      let [batches, failed] = [0, 0];
      stores.database.before = async (sql, parameters) => {
        if (!/INSERT INTO event/.test(sql)) return;
        batches += 1;
        const rows = parameters[0] as unknown[][];
        const isLost = rows.length > 1 && rows.some((row) => row[3] === contested.hostId);
        if (isLost && (failed += 1)) throw Object.assign(new Error('made on purpose'), { errno });
      };
      const responses = await Promise.all(servers.map(({ hostId }) => stores.register(hostId)));
      expect(responses.map(({ generation }) => generation)).toEqual(servers.map(() => 2));
      expect([batches, failed]).toEqual([7, 3]);
    },
  );
});

describe('a decommissioning', () => {
  it('marks the entry, retires its lease and ends the lease at once', async () => {
    const server = await stores.registered();
    await stores.advance(20);
    const removeBy = await stores.decommission(server);
    expect((await stores.registry.find(server.hostId)).entry).toMatchObject({
      decommission: { at: stores.clock.now(), by: 'anna', reason: 'test', removeBy },
      lease: { expiresAvailableMs: 20_000 - 1_500 },
    });
    expect(await stores.lease(server)).toMatchObject({ retired: 1 });
  });

  it('twice concurrently marks the entry once, with one event and one result', async () => {
    const server = await stores.registered();
    const [one, other] = await Promise.all([
      stores.decommission(server),
      stores.decommission(server, stores.registryOn(stores.connect())),
    ]);
    expect(one).toEqual(other);
    expect(await stores.eventKinds(server.hostId)).toEqual(['registered', 'decommissioned_by_force']);
  });
});

describe('a purge', () => {
  it('leaves only the tombstone and the events', async () => {
    const server = await stores.registered();
    await stores.advance(180);
    const planId = await stores.savedPlan(server);
    await stores.purge(server, { planId });
    expect(await stores.rowsOf(server.hostId)).toEqual(A_TOMBSTONE);
    const { entry, tombstone } = await stores.registry.find(server.hostId);
    expect(entry).toBeNull();
    expect(tombstone).toMatchObject({
      generation: 1,
      removal: 'purge',
      removedBy: 'anna',
      reason: 'scrapped',
      removedAt: stores.clock.now(),
      friendlyName: 'ps-berlin-1',
      ipAddress: '192.0.2.11',
    });
    expect(tombstone?.planId).toBe(planId);
    expect(await stores.eventKinds(server.hostId)).toEqual(['registered', 'purged']);
  });

  it('twice concurrently removes the entry once, with one event and one result', async () => {
    const server = await stores.registered();
    await stores.advance(180);
    const [one, other] = await Promise.all([
      stores.purge(server),
      stores.purge(server, {}, stores.registryOn(stores.connect())),
    ]);
    expect(one).toEqual(other);
    expect(await stores.eventKinds(server.hostId)).toEqual(['registered', 'purged']);
  });

  it('is decided by its statement: a Connected entry is not removed, whatever was decided before', async () => {
    const { hostId } = await stores.registered();
    let attempts = 0;
    const result = await stores.registry.change(hostId, ({ at: now }) => {
      attempts += 1;
      if (attempts > 1) return { result: 'decided again' };
      const tombstone = {
        hostId,
        generation: 1,
        friendlyName: 'n',
        ipAddress: '192.0.2.1',
        removedAt: now,
        removedBy: 'anna',
        reason: null,
        removal: 'purge',
        planId: null,
      } as const;
      return {
        result: 'purged',
        change: {
          write: { to: 'removed', tombstone, allowConnected: false },
          event: { kind: 'purged', generation: 1, ...systemAuthor('anna'), detail: {} },
        },
      };
    });
    expect(result).toBe('decided again');
    expect(await stores.rowsOf(hostId)).toEqual(AN_ENTRY);
    expect(await stores.eventKinds(hostId)).toEqual(['registered']);
  });
});

describe('possible duplicates', () => {
  it('are other entries with the same address, name or machine id, each once', async () => {
    const me = await stores.registered();
    const all = await stores.registered();
    const sameAddress = await stores.registered({ friendlyName: 'another', machineId: 'machine-2' });
    const sameName = await stores.registered({
      friendlyName: 'PS-Berlin-1',
      ipAddress: '192.0.2.99',
      machineId: 'machine-3',
    });
    const sameMachine = await stores.registered({ friendlyName: 'another', ipAddress: '192.0.2.97' });
    await stores.registered({ friendlyName: 'another', ipAddress: '192.0.2.98', machineId: 'machine-4' });
    const found = await stores.registry.findPossibleDuplicates(me.hostId, {
      ipAddress: '192.0.2.11',
      friendlyName: 'ps-berlin-1',
      machineId: 'machine-1',
    });
    expect(found.map(({ hostId }) => hostId).sort()).toEqual(
      [all, sameAddress, sameName, sameMachine].map(({ hostId }) => hostId).sort(),
    );
    expect(found.find(({ hostId }) => hostId === sameMachine.hostId)).toEqual({
      hostId: sameMachine.hostId,
      friendlyName: 'another',
      ipAddress: '192.0.2.97',
      machineId: 'machine-1',
    });
  });

  it('are limited in number', async () => {
    for (let number = 0; number < 12; number += 1) await stores.registered({ friendlyName: `n${number}` });
    expect(
      await stores.registry.findPossibleDuplicates(randomUUID(), {
        ipAddress: '192.0.2.11',
        friendlyName: 'none',
        machineId: 'none',
      }),
    ).toHaveLength(10);
  });
});

describe('a rejection', () => {
  const HOUR_MS = 3_600_000;
  const record = (hostId: string, over: Partial<FleetEvent> = {}, registry = stores.registry): Promise<void> =>
    registry.recordRejection({
      kind: 'refused_host_id_conflict',
      generation: null,
      ...callerAuthor(AN_OPERATOR),
      detail: { first: true },
      ...over,
      hostId,
    });

  it('is recorded once for a host, kind and hour, on any replica', async () => {
    const hostId = randomUUID();
    const other = stores.registryOn(stores.connect());
    stores.clock.advanceMs(HOUR_MS - (stores.clock.now().getTime() % HOUR_MS));
    await Promise.all([record(hostId), record(hostId, {}, other)]);
    stores.clock.advanceMs(59 * 60_000 + 59_999);
    await record(hostId, { detail: { first: false } });
    expect(await stores.eventKinds(hostId)).toEqual(['refused_host_id_conflict']);
    await record(hostId, { kind: 'refused_version' });
    await record(randomUUID());
    expect(await stores.eventKinds(hostId)).toEqual(['refused_host_id_conflict', 'refused_version']);
    stores.clock.advanceMs(1);
    await Promise.all([record(hostId), record(hostId, {}, other)]);
    expect(await stores.eventKinds(hostId)).toEqual([
      'refused_host_id_conflict',
      'refused_version',
      'refused_host_id_conflict',
    ]);
  });

  it('that this replica has recorded causes no further statement', async () => {
    const hostId = randomUUID();
    await record(hostId);
    const before = stores.database.statements.length;
    await record(hostId);
    expect(stores.database.statements.length).toBe(before);
  });
});

describe('a read without a lock', () => {
  it('finds neither entry nor tombstone of an unknown host id', async () => {
    expect(await stores.registry.find(randomUUID())).toMatchObject({ entry: null, tombstone: null });
  });

  it('does not miss a host that registers over its tombstone at the same time', async () => {
    const server = await stores.registered();
    await stores.purge(server, { force: true });
    const other = stores.registryOn(stores.connect());
    stores.database.before = async (sql) => {
      if (!/FROM tombstone/.test(sql)) return;
      stores.database.before = async () => undefined;
      await stores.register(server.hostId, {}, other);
    };
    expect(await stores.registry.find(server.hostId)).toMatchObject({ entry: { generation: 2 }, tombstone: null });
  });
});

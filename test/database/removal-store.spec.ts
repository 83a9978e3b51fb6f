import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { CleanUpBatch, Due, RetentionLimits } from '@app/fleet';
import { RemovalStore } from '@app/fleet-mysql';
import { versionKeyOf } from '../../libs/fleet-mysql/src/statements/counters.js';
import { A_TOMBSTONE, AN_ENTRY, type StoredServer, TestStores } from '../support/test-stores.js';

let stores: TestStores;
let other: RemovalStore;
beforeAll(async () => {
  stores = await TestStores.open();
  other = new RemovalStore(stores.connect(), stores.clock, stores.identifiers);
});
beforeEach(() => stores.fresh());
afterAll(() => stores.close());

/** Limits for rows older than this, and for names that no cursor can need. */
const old = (before: Date): RetentionLimits => ({
  eventsBefore: before,
  plansExpiredBefore: before,
  now: stores.clock.now(),
});
/** Due by the wall clock only. */
const by = (decommissionedAt: Date): Due => ({ decommissionedAt, availableMs: -1 });
/** Removes due entries like a clean-up run, 300 s after the decommission. */
const removeDue = (limit = 500, removals = stores.removals): Promise<CleanUpBatch> =>
  removals.removeDue(by(new Date(stores.clock.now().getTime() - 300_000)), limit, null);

async function decommissioned(count: number): Promise<StoredServer[]> {
  const servers: StoredServer[] = [];
  for (let number = 0; number < count; number += 1)
    servers.push(await stores.decommissioned({ friendlyName: `ps-${number}` }));
  return servers;
}

describe('a decommissioned entry', () => {
  it.each([
    [299_999, AN_ENTRY, 0],
    [300_000, A_TOMBSTONE, 1],
    [300_001, A_TOMBSTONE, 1],
  ])('has, %d ms after its decommission, the rows %j', async (ms, rows, removed) => {
    const [server] = await decommissioned(1);
    stores.clock.advanceMs(ms);
    expect(await removeDue()).toEqual({ removed, next: null });
    expect(await stores.rowsOf(server?.hostId ?? '')).toEqual(rows);
  });

  it('becomes a tombstone with its data, with one event', async () => {
    const [server] = await decommissioned(1);
    const decommissionedAt = stores.clock.now();
    stores.clock.advanceSeconds(300);
    await removeDue();
    const { tombstone } = await stores.registry.find(server?.hostId ?? '');
    expect(tombstone).toEqual({
      hostId: server?.hostId,
      generation: 1,
      friendlyName: 'ps-0',
      ipAddress: '192.0.2.11',
      removedAt: stores.clock.now(),
      removedBy: 'clean-up',
      reason: 'test',
      removal: 'clean_up',
      planId: null,
    });
    const { items } = await stores.events.fetchPage({ hostId: server?.hostId ?? '', kind: 'removed' }, 10, null);
    expect(items).toMatchObject([
      {
        at: stores.clock.now(),
        generation: 1,
        actor: 'clean-up',
        detail: { decommissionedAt: decommissionedAt.toISOString(), decommissionedBy: 'anna' },
      },
    ]);
  });

  it('is removed, and other entries are kept', async () => {
    const [due] = await decommissioned(1);
    const kept = await stores.registered();
    stores.clock.advanceSeconds(3_600);
    expect((await removeDue()).removed).toBe(1);
    expect([await stores.rowsOf(due?.hostId ?? ''), await stores.rowsOf(kept.hostId)]).toEqual([A_TOMBSTONE, AN_ENTRY]);
  });
});

describe('a batch', () => {
  it('removes the oldest entries up to its limit, and returns the next position', async () => {
    const servers: StoredServer[] = [];
    for (let number = 0; number < 5; number += 1) {
      servers.push(...(await decommissioned(1)));
      stores.clock.advanceSeconds(1);
    }
    stores.clock.advanceSeconds(300);
    const dueAt = new Date(stores.clock.now().getTime() - 300_000);
    const first = await stores.removals.removeDue(by(dueAt), 2, null);
    expect([first.removed, first.next?.hostId]).toEqual([2, servers[1]?.hostId]);
    const second = await stores.removals.removeDue(by(dueAt), 2, first.next);
    expect([second.removed, second.next?.hostId]).toEqual([2, servers[3]?.hostId]);
    expect(await stores.removals.removeDue(by(dueAt), 2, second.next)).toEqual({ removed: 1, next: null });
    for (const { hostId } of servers) expect(await stores.rowsOf(hostId)).toEqual(A_TOMBSTONE);
  });

  it('continues by host id within one timestamp', async () => {
    const servers = await decommissioned(5);
    stores.clock.advanceSeconds(300);
    const dueAt = new Date(stores.clock.now().getTime() - 300_000);
    let batch = await stores.removals.removeDue(by(dueAt), 2, null);
    let removed = batch.removed;
    while (batch.next) {
      batch = await stores.removals.removeDue(by(dueAt), 2, batch.next);
      removed += batch.removed;
    }
    expect(removed).toBe(5);
    for (const { hostId } of servers) expect(await stores.rowsOf(hostId)).toEqual(A_TOMBSTONE);
  });

  it('keeps an entry that registers again between read and lock', async () => {
    const [back, gone] = (await decommissioned(2)) as [StoredServer, StoredServer];
    stores.clock.advanceSeconds(300);
    const registry = stores.registryOn(stores.connect());
    stores.database.before = async (sql) => {
      if (!/FOR UPDATE SKIP LOCKED/.test(sql)) return;
      stores.database.before = async () => undefined;
      await stores.register(back.hostId, {}, registry);
    };
    expect((await removeDue()).removed).toBe(1);
    expect([await stores.rowsOf(back.hostId), await stores.rowsOf(gone.hostId)]).toEqual([AN_ENTRY, A_TOMBSTONE]);
    expect(await stores.eventKinds(back.hostId)).toEqual(['registered', 'decommissioned_by_force', 'registered_again']);
    expect((await stores.registry.find(back.hostId)).entry).toMatchObject({ generation: 2, decommission: null });
  });

  it('keeps an entry that has registered and been decommissioned again: its grace period restarts', async () => {
    const [server] = (await decommissioned(1)) as [StoredServer];
    stores.clock.advanceSeconds(300);
    const registry = stores.registryOn(stores.connect());
    stores.database.before = async (sql) => {
      if (!/FOR UPDATE SKIP LOCKED/.test(sql)) return;
      stores.database.before = async () => undefined;
      await stores.register(server.hostId, {}, registry);
      await stores.decommission(server, registry);
    };
    expect((await removeDue()).removed).toBe(0);
    expect(await stores.rowsOf(server.hostId)).toEqual(AN_ENTRY);
  });

  it('skips a locked lease, which the next batch removes', async () => {
    const [locked, free] = (await decommissioned(2)) as [StoredServer, StoredServer];
    stores.clock.advanceSeconds(300);
    const unlock = await stores.lockLease(locked);
    expect((await removeDue()).removed).toBe(1);
    expect([await stores.rowsOf(locked.hostId), await stores.rowsOf(free.hostId)]).toEqual([AN_ENTRY, A_TOMBSTONE]);
    await unlock();
    expect((await removeDue()).removed).toBe(1);
    expect(await stores.rowsOf(locked.hostId)).toEqual(A_TOMBSTONE);
  });

  it('removes each entry once, with one event, when another replica removes concurrently', async () => {
    const servers = await decommissioned(20);
    stores.clock.advanceSeconds(300);
    const batches = await Promise.all([removeDue(), removeDue(500, other), removeDue(), removeDue(500, other)]);
    const rest = await removeDue();
    expect(batches.reduce((sum, { removed }) => sum + removed, rest.removed)).toBe(20);
    for (const { hostId } of servers) {
      expect(await stores.rowsOf(hostId)).toEqual(A_TOMBSTONE);
      expect((await stores.eventKinds(hostId)).filter((kind) => kind === 'removed')).toHaveLength(1);
    }
  });
});

describe('expired data', () => {
  const anEvent = (at: Date): Promise<number> =>
    stores.testDatabase.write(
      "INSERT INTO event (id, at, kind, actor, detail) VALUES (?, ?, 'service_outage', 'test', '{}')",
      [randomUUID(), at],
    );
  const aPlan = (expiresAt: Date): Promise<number> =>
    stores.testDatabase.write(
      "INSERT INTO purge_plan (id, created_at, created_by, expires_at, filter, candidates) VALUES (?, ?, 'anna', ?, '{}', '[]')",
      [randomUUID(), expiresAt, expiresAt],
    );

  it('is deleted: events and plans, but no newer rows', async () => {
    const before = stores.clock.now();
    for (const ms of [-2, -1, 0, 1]) {
      await anEvent(new Date(before.getTime() + ms));
      await aPlan(new Date(before.getTime() + ms));
    }
    expect(await stores.removals.deleteExpired(old(before), 500)).toBe(false);
    expect([await stores.testDatabase.count('event'), await stores.testDatabase.count('purge_plan')]).toEqual([2, 2]);
  });

  it('is deleted: former names two hours after they were replaced, when no cursor can need them', async () => {
    const { hostId } = await stores.registered({ friendlyName: 'old' });
    await stores.register(hostId, { friendlyName: 'new' });
    const names = async (): Promise<unknown[]> => {
      const rows = await stores.testDatabase.rows<{ name: string }>(
        'SELECT name_key AS name FROM process_server_name_history WHERE host_id = ? ORDER BY valid_from',
        [hostId],
      );
      return rows.map(({ name }) => name);
    };
    stores.clock.advanceSeconds(7_200 + 10);
    await stores.removals.deleteExpired(old(new Date(0)), 500);
    expect(await names()).toEqual(['old', 'new']);
    stores.clock.advanceMs(1);
    await stores.removals.deleteExpired(old(new Date(0)), 500);
    expect(await names()).toEqual(['new']);
  });

  it('is deleted in batches, oldest first', async () => {
    const before = stores.clock.now();
    for (const ms of [-5, -4, -3]) await anEvent(new Date(before.getTime() + ms));
    expect(await stores.removals.deleteExpired(old(before), 2)).toBe(true);
    expect(await stores.testDatabase.rows('SELECT at FROM event')).toEqual([{ at: new Date(before.getTime() - 3) }]);
    expect(await stores.removals.deleteExpired(old(before), 2)).toBe(false);
    expect(await stores.testDatabase.count('event')).toBe(0);
  });
});

describe('the fleet counters', () => {
  const rows = (): Promise<unknown[]> =>
    stores.testDatabase.rows('SELECT version_key, decommissioned, entries FROM fleet_counter_delta ORDER BY 1, 2');

  it('are merged into a row for each version and lifecycle, with the same sums', async () => {
    await stores.registered({ agentVersion: '9.62.0.0' });
    await stores.registered();
    await stores.purge(await stores.registered(), { force: true });
    await stores.decommissioned();
    expect(await rows()).toHaveLength(7);
    expect(await stores.removals.deleteExpired(old(new Date(0)), 500)).toBe(false);
    expect(await rows()).toEqual([
      { version_key: versionKeyOf('9.62.0.0'), decommissioned: 0, entries: 1 },
      { version_key: versionKeyOf('9.63.7187.1'), decommissioned: 0, entries: 1 },
      { version_key: versionKeyOf('9.63.7187.1'), decommissioned: 1, entries: 1 },
    ]);
    expect(await stores.testDatabase.counterErrors()).toEqual([]);
  });

  it('follow every change of an entry', async () => {
    const server = await stores.registered();
    const expectCounters = async (change: Promise<unknown>): Promise<void> =>
      void (await change, expect(await stores.testDatabase.counterErrors()).toEqual([]));
    await expectCounters(stores.register(server.hostId, { agentVersion: '9.62.0.0' }));
    await expectCounters(stores.registered());
    const again = await stores.registered({}, server.hostId);
    await expectCounters(stores.write(stores.heartbeat(again, { agentVersion: '9.61.0.0' })));
    await expectCounters(stores.decommission(again));
    await expectCounters(stores.register(server.hostId, { agentVersion: '9.60.0.0' }));
    await expectCounters(stores.decommission(server));
    stores.clock.advanceSeconds(300);
    await expectCounters(stores.removals.removeDue(by(stores.clock.now()), 500, null));
    expect(await stores.rowsOf(server.hostId)).toEqual(A_TOMBSTONE);
    await expectCounters(stores.register(server.hostId));
  });

  it('skip rows that another transaction is merging', async () => {
    await stores.registered();
    await stores.registered();
    const lockHolder = await stores.testDatabase.connect();
    await lockHolder.query('START TRANSACTION');
    await lockHolder.query('SELECT id FROM fleet_counter_delta ORDER BY id LIMIT 1 FOR UPDATE');
    await stores.registered();
    await stores.removals.deleteExpired(old(new Date(0)), 500);
    await lockHolder.query('ROLLBACK');
    await lockHolder.end();
    expect(await stores.testDatabase.counterErrors()).toEqual([]);
    expect(await stores.plans.fleetSize()).toBe(3);
  });
});

describe('the clean-up status', () => {
  it('has the last run of any replica', async () => {
    expect(await stores.removals.lastRun()).toBeNull();
    const at = stores.clock.now();
    await stores.removals.recordRun({ at, by: 'replica-1', removed: 3, error: null });
    expect(await other.lastRun()).toEqual({ at, by: 'replica-1', removed: 3, error: null });
    await other.recordRun({ at, by: 'replica-2', removed: 0, error: 'x'.repeat(900) });
    expect(await stores.removals.lastRun()).toEqual({ at, by: 'replica-2', removed: 0, error: 'x'.repeat(500) });
  });

  it('has the oldest decommissioned entry', async () => {
    await stores.registered();
    expect(await stores.removals.oldestDecommission()).toBeNull();
    await decommissioned(1);
    const at = stores.clock.now();
    stores.clock.advanceSeconds(10);
    await decommissioned(1);
    expect(await stores.removals.oldestDecommission()).toEqual({ at, removeBy: new Date(at.getTime() + 420_000) });
  });
});

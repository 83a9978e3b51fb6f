import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect } from '@jest/globals';
import { LOOPBACK, type KnownServer, type TestCluster } from '../support/test-cluster.js';
import { AvailabilityModel } from './availability-model.js';
import { FleetModel, GRACE_SECONDS, type Rejection } from './fleet-model.js';

const HOSTS = 3;
const REPLICAS = 2;
/** Maximum number of locks in all runs together. */
const MAX_LOCKS = 6;
/** The longest interval between records that counts in full. */
const AVAILABILITY_TICK_SECONDS = 15;

const host = fc.nat(HOSTS - 1);
const replica = fc.nat(REPLICAS - 1);
/** Age of a credential of the host: 0 is the latest, higher values are older. */
const age = fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(3) });
const rarely = fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) });

/** Unknown or unusable members. A heartbeat with any of them has the same outcome as without. */
const ODD_MEMBERS: readonly Record<string, unknown>[] = [
  {},
  {},
  { mood: 'good' },
  { load: { cpuPercent: 100.3 } },
  { services: [{ name: 'cxps ', state: 'running' }] },
  { sentAt: '2026-12-31T23:59:60Z', certificateExpiresAt: '9999-12-31T23:59:59Z' },
  { constructor: { prototype: {} }, replicationPairCount: '5' },
];

const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('register' as const),
      host,
      replica,
      age,
      machine: fc.constantFrom('a', 'a', 'b'),
      name: fc.constantFrom('x', 'y'),
      address: fc.constantFrom(LOOPBACK, '127.0.0.2'),
      presents: rarely,
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('heartbeat' as const),
      host,
      replica,
      age,
      machine: fc.constantFrom(null, null, 'a', 'b'),
      instance: fc.constantFrom(null, 'i', 'i', 'j', 'k'),
      protectedMachines: fc.constantFrom(null, null, 0, 2, 'unusable' as const),
      odd: fc.constantFrom(...ODD_MEMBERS),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('unregister' as const), host, replica, age, force: rarely }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('decommission' as const), host, replica, force: rarely }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('purge' as const),
      host,
      replica,
      offset: fc.constantFrom(0, 0, 0, -1, 1),
      force: rarely,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('revoke' as const),
      host,
      replica,
      offset: fc.constantFrom(0, 0, 0, -1, 1),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('purgePlan' as const), replica }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('cleanUp' as const), replica }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('advance' as const), seconds: fc.constantFrom(5, 60, 175, 185, 300, 310) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('outage' as const),
      seconds: fc.constantFrom(10, 20, 200, 7_200),
      record: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('record' as const), replica }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('restart' as const), replica }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('clockStep' as const),
      replica,
      ms: fc.constantFrom(-7_200_000, 7_200_000, 500 * 86_400_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('lock' as const),
      host,
      replica,
      table: fc.constantFrom('process_server_lease', 'process_server_health'),
    }),
  },
);
export type Action = typeof action extends fc.Arbitrary<infer Value> ? Value : never;
export const someActions = fc.array(action, { minLength: 20, maxLength: 60, size: 'max' });

/** Applies a sequence of actions to the cluster and to the model, and checks every invariant after each step. */
export class ModelRun {
  /** Number of responses by outcome over all runs, to show what the sequences cover. */
  static readonly outcomes = new Map<string, number>();
  static locks = 0;
  private readonly hostIds = Array.from({ length: HOSTS }, () => randomUUID());
  private readonly known = new Map<string, KnownServer[]>(this.hostIds.map((hostId) => [hostId, []]));
  private readonly availability: AvailabilityModel;
  private readonly model: FleetModel;

  private constructor(private readonly cluster: TestCluster) {
    const wallMs = (): number => cluster.clock.now().getTime();
    this.availability = new AvailabilityModel(wallMs, () => cluster.clock.monotonicMs(), REPLICAS);
    this.model = new FleetModel(wallMs, this.availability);
  }

  static async of(cluster: TestCluster, actions: readonly Action[]): Promise<void> {
    await cluster.database.empty();
    await cluster.recordAvailability();
    const run = new ModelRun(cluster);
    for (const next of actions) {
      cluster.clock.advanceMs(1);
      await run.step(next);
      await run.checkInvariants();
    }
  }

  private async step(next: Action): Promise<void> {
    const hostId = 'host' in next ? (this.hostIds[next.host] ?? '') : '';
    switch (next.do) {
      case 'register': {
        const presented = next.presents ? this.credential(hostId, next.age) : undefined;
        const expected = this.model.register(hostId, next.machine, next.address, presented?.generation ?? null);
        const over = {
          previousCredential: presented?.credential ?? null,
          machineId: next.machine,
          friendlyName: `${next.name}-${hostId}`,
          ipAddress: `10.0.0.${next.host}`,
        };
        const { status, body } = await this.cluster.register(
          hostId,
          over,
          next.replica,
          this.cluster.passphrase,
          next.address,
        );
        this.expectSame({ status, ...body }, expected);
        if (body.credential) {
          expect(body.generation).toBe(expected.generation);
          this.known.get(hostId)?.unshift({ hostId, generation: body.generation, credential: body.credential });
        }
        return;
      }
      case 'heartbeat': {
        const server = this.credential(hostId, next.age);
        if (!server) return;
        const { machine, instance, protectedMachines, odd } = next;
        const expected = this.model.heartbeat(hostId, server.generation, next.replica, {
          machine,
          instance,
          protectedMachines,
        });
        const over = { machineId: machine, instanceId: instance, protectedMachineCount: protectedMachines, ...odd };
        const { status, body } = await this.cluster.heartbeat(
          server,
          over,
          next.replica,
          this.model.entries.get(hostId)?.address,
        );
        return this.expectSame({ status, ...body }, expected);
      }
      case 'unregister': {
        const server = this.credential(hostId, next.age);
        if (!server) return;
        const expected = this.model.decommission(hostId, server.generation, next.force);
        const { status, body } = await this.cluster.unregister(
          server,
          next.force ? '?force=true&reason=model' : '',
          next.replica,
        );
        return this.expectSame({ status, ...body }, expected);
      }
      case 'decommission': {
        const expected = this.model.decommission(hostId, null, next.force);
        const url = `/v1/process-servers/${hostId}${next.force ? '?force=true&reason=model' : ''}`;
        const { status, body } = await this.cluster.call('DELETE', url, {
          authorization: this.cluster.admin,
          replica: next.replica,
        });
        return this.expectSame({ status, ...body }, expected);
      }
      case 'purge': {
        const generation = (this.known.get(hostId)?.[0]?.generation ?? 1) + next.offset;
        if (generation < 1) return;
        const expected = this.model.purge(hostId, generation, next.force);
        const { status, body } = await this.cluster.purge(hostId, { generation, force: next.force }, next.replica);
        return this.expectSame({ status, ...body }, expected);
      }
      case 'revoke': {
        const generation = (this.known.get(hostId)?.[0]?.generation ?? 1) + next.offset;
        if (generation < 1) return;
        const expected = this.model.revoke(hostId, generation);
        const { status, body } = await this.cluster.call('POST', `/v1/process-servers/${hostId}/revoke-credential`, {
          body: { generation, reason: 'model' },
          authorization: this.cluster.admin,
          replica: next.replica,
        });
        return this.expectSame({ status, ...body }, expected);
      }
      case 'purgePlan':
        return this.purgeByPlan(next.replica);
      case 'cleanUp':
        await this.cluster.replica(next.replica).cleanUp.run();
        this.model.cleanUp(next.replica);
        return;
      case 'advance':
        for (let left = next.seconds; left > 0; left -= AVAILABILITY_TICK_SECONDS) {
          this.cluster.clock.advanceSeconds(Math.min(AVAILABILITY_TICK_SECONDS, left));
          await this.recordAll();
        }
        return;
      case 'outage':
        this.cluster.clock.advanceSeconds(next.seconds);
        if (next.record) await this.recordAll();
        return;
      case 'record':
        await this.cluster.replica(next.replica).availabilityClock.tick();
        return this.availability.record(next.replica);
      case 'restart':
        await this.cluster.restartReplica(next.replica);
        return this.availability.restart(next.replica);
      case 'clockStep':
        this.cluster.clock.stepMs(next.ms);
        await this.recordAll();
        return;
      case 'lock':
        return this.heartbeatWhileLocked(hostId, next);
    }
  }

  /** While a table is locked, a heartbeat gets 503, availability cannot be recorded and nothing changes. Limited: each takes two seconds. */
  private async heartbeatWhileLocked(
    hostId: string,
    { replica, table }: { replica: number; table: string },
  ): Promise<void> {
    const server = this.credential(hostId, 0);
    const isAccepted =
      server && this.availability.isAccepting(replica) && this.model.accepts(hostId, server.generation);
    if (!server || !isAccepted || ModelRun.locks >= MAX_LOCKS) return;
    ModelRun.locks += 1;
    const lockHolder = await this.cluster.database.connect();
    await lockHolder.query(`LOCK TABLES ${table} WRITE`);
    const load = { cpuPercent: ModelRun.locks, totalMemoryBytes: 1, availableMemoryBytes: 1 };
    const { status, body } = await this.cluster.heartbeat(
      server,
      { load },
      replica,
      this.model.entries.get(hostId)?.address,
    );
    this.expectSame({ status, ...body }, { status: 503, code: 'database_unavailable', instruction: 'retry' });
    await expect(this.cluster.replica(replica).availability.record()).rejects.toThrow();
    this.availability.fail(replica);
    await lockHolder.query('UNLOCK TABLES');
    await lockHolder.end();
  }

  /** Plans a purge of all Disconnected entries and applies it through both replicas at the same time. */
  private async purgeByPlan(replica: number): Promise<void> {
    const authorization = this.cluster.admin;
    const silent = [...this.model.entries]
      .filter(([, entry]) => !this.model.isConnected(entry))
      .map(([hostId]) => hostId);
    const plan = await this.cluster.call<{ planId: string; candidates: { hostId: string; generation: number }[] }>(
      'POST',
      '/v1/purges',
      {
        body: { connectionState: 'Disconnected' },
        authorization,
        replica,
      },
    );
    expect(plan.body.candidates.map(({ hostId }) => hostId)).toEqual([...silent].sort());
    const apply = (
      at: number,
    ): Promise<{
      status: number;
      body: { purged: { hostId: string }[]; skipped: { hostId: string; code: string }[] };
    }> =>
      this.cluster.call('POST', `/v1/purges/${plan.body.planId}/apply`, {
        body: { expectedCount: plan.body.candidates.length, reason: 'model' },
        authorization,
        replica: at,
      });
    const [one, other] = await Promise.all([apply(0), apply(1)]);
    expect(other.body).toEqual(one.body);
    for (const { hostId, generation } of plan.body.candidates) {
      const expected = this.model.purge(hostId, generation, false);
      const skipped = one.body.skipped.find((entry) => entry.hostId === hostId);
      expect(skipped?.code).toBe((expected as Rejection).code);
    }
  }

  private async recordAll(): Promise<void> {
    for (let number = 0; number < REPLICAS; number += 1) {
      await this.cluster.replica(number).availabilityClock.tick();
      this.availability.record(number);
    }
  }

  private credential(hostId: string, age: number): KnownServer | undefined {
    const known = this.known.get(hostId) ?? [];
    return known[Math.min(age, known.length - 1)];
  }

  private expectSame(response: object, expected: object): void {
    const { generation: _generation, ...rest } = expected as { generation?: number };
    expect(response).toMatchObject(rest);
    const outcome = (expected as Partial<Rejection>).code ?? String((expected as { status: number }).status);
    ModelRun.outcomes.set(outcome, (ModelRun.outcomes.get(outcome) ?? 0) + 1);
  }

  private async checkInvariants(): Promise<void> {
    await this.checkStoredState();
    await this.checkEvents();
    await this.checkResponsesAgree();
  }

  /** I1, I3, I5, I6, I8, I10: the entries, leases and tombstones equal those of the model. */
  private async checkStoredState(): Promise<void> {
    const { database } = this.cluster;
    const rows = await database.rows<Record<string, string | number | Date | null>>(
      `SELECT l.host_id, p.generation, l.generation AS lease_generation, p.machine_id, l.expires_available_ms, l.last_seen_available_ms,
              l.last_heartbeat_at, l.retired, l.revoked, p.decommissioned_at, h.protected_machine_count, h.protected_machines_unknown, l.instance_id
         FROM process_server_lease l
         LEFT JOIN process_server p ON p.host_id = l.host_id
         LEFT JOIN process_server_health h ON h.host_id = l.host_id`,
    );
    const stored = Object.fromEntries(rows.map(({ host_id, ...columns }) => [host_id, columns]));
    const expected = Object.fromEntries(
      [...this.model.entries].map(([hostId, entry]) => [
        hostId,
        {
          generation: entry.generation,
          lease_generation: entry.generation,
          machine_id: entry.machine,
          expires_available_ms: entry.expiresAvailableMs,
          last_seen_available_ms: entry.lastSeenAvailableMs,
          last_heartbeat_at: entry.lastHeartbeatAt && new Date(entry.lastHeartbeatAt),
          retired: Number(entry.decommissionedAt !== null),
          revoked: Number(entry.revoked),
          decommissioned_at: entry.decommissionedAt && new Date(entry.decommissionedAt),
          protected_machine_count: entry.protectedMachines,
          protected_machines_unknown: Number(entry.machinesUnknown),
          instance_id: entry.instance,
        },
      ]),
    );
    expect(stored).toEqual(expected);
    for (const table of ['process_server', 'process_server_health'])
      expect(await database.count(table)).toBe(this.model.entries.size);
    expect(await database.counterErrors()).toEqual([]);
    const tombstones = await database.rows<{ host_id: string; generation: number; removal: string }>(
      'SELECT host_id, generation, removal FROM tombstone ORDER BY host_id',
    );
    const expectedTombstones = [...this.model.tombstones].map(([host_id, { generation, removal }]) => ({
      host_id,
      generation,
      removal,
    }));
    expect(tombstones).toEqual(expectedTombstones.sort((a, b) => (a.host_id < b.host_id ? -1 : 1)));
  }

  /** I9: one event for each change, in order; at most one rejection event for a host, kind and hour. */
  private async checkEvents(): Promise<void> {
    const rows = await this.cluster.database.rows<{ host_id: string | null; kind: string; at: Date }>(
      'SELECT host_id, kind, at FROM event ORDER BY at, id',
    );
    for (const hostId of this.hostIds) {
      const changes = rows
        .filter(({ host_id, kind }) => host_id === hostId && !kind.startsWith('refused_'))
        .map(({ kind }) => kind);
      const expected = this.model.events.get(hostId) ?? [];
      // After a step back, later events have earlier timestamps.
      if (this.availability.steps > 0) expect([...changes].sort()).toEqual([...expected].sort());
      else expect(changes).toEqual(expected);
    }
    const rejections = rows
      .filter(({ kind }) => kind.startsWith('refused_'))
      .map(({ host_id, kind, at }) => `${host_id} ${kind} ${Math.floor(at.getTime() / 3_600_000)}`);
    expect(new Set(rejections).size).toBe(rejections.length);
    expect(rows.filter(({ kind }) => kind === 'service_outage')).toHaveLength(this.availability.outages);
    expect(rows.filter(({ kind }) => kind === 'clock_stepped')).toHaveLength(this.availability.steps);
  }

  /** I7: lists, counts and details of both replicas equal the model. I4: due entries are removed by a clean-up. */
  private async checkResponsesAgree(): Promise<void> {
    type Item = { hostId: string; connectionState: string; lifecycle: string; removeBy: string | null };
    const expected = [...this.model.entries]
      .map(([hostId, entry]) => ({
        hostId,
        generation: entry.generation,
        connectionState: this.model.isConnected(entry) ? 'Connected' : 'Disconnected',
        lifecycle: entry.decommissionedAt === null ? 'Registered' : 'Decommissioned',
        removeBy:
          entry.decommissionedAt === null
            ? null
            : new Date(entry.decommissionedAt + (GRACE_SECONDS + 120) * 1000).toISOString(),
      }))
      .sort((a, b) => (a.hostId < b.hostId ? -1 : 1));
    for (let replica = 0; replica < REPLICAS; replica += 1) {
      const all = await this.cluster.read<{ items: Item[]; asOf: string }>('/v1/process-servers', replica);
      expect(all.body.items).toMatchObject(expected);
      expect(all.body.items).toHaveLength(expected.length);
      const connected = await this.cluster.read<{ items: Item[] }>(
        '/v1/process-servers?connectionState=Connected',
        replica,
      );
      expect(connected.body.items.map(({ hostId }) => hostId)).toEqual(
        expected.filter(({ connectionState }) => connectionState === 'Connected').map(({ hostId }) => hostId),
      );
      const fleet = await this.cluster.read<{
        total: number;
        connectionState: { Connected: number };
        lifecycle: { Decommissioned: number };
        asOf: string;
      }>('/v1/fleet', replica);
      if (fleet.body.asOf === all.body.asOf) {
        expect(fleet.body).toMatchObject({
          total: expected.length,
          connectionState: { Connected: connected.body.items.length },
          lifecycle: { Decommissioned: expected.filter(({ lifecycle }) => lifecycle === 'Decommissioned').length },
        });
      }
    }
    const [first] = expected;
    if (first) expect((await this.cluster.read(`/v1/process-servers/${first.hostId}`, 1)).body).toMatchObject(first);
  }
}

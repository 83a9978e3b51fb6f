import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { fixedVersionRules } from '../version/fixed-version-rules.js';
import { FleetError } from '../fleet-error.js';
import { HeartbeatReceiver, type HeartbeatResult, type HeartbeatLimits } from './heartbeat-receiver.js';
import type { Heartbeat, HeartbeatVerdict, QueuedHeartbeat } from './heartbeat.js';
import { availabilityTiming } from '../availability/availability-clock.js';
import { LocalAvailabilityClock } from '../availability/local-availability-clock.js';
import type { LeaseTiming } from './lease.js';
import type { Moment } from '../availability/moment.js';
import { Leases } from '../ports.js';
import { aHeartbeat, msAfter, NOON, TIMING } from '../testing/examples.js';
import { parseVersion, type Version } from '../version/version.js';

const SERVER_VERSION = parseVersion('9.63.7187.1') as Version;

/** A batch that waits until the spec commits it or lets it fail. */
interface Batch {
  readonly heartbeats: readonly QueuedHeartbeat[];
  readonly hosts: readonly string[];
  readonly now: Date;
  readonly availableMs: number;
  readonly withinMs: number;
  /** A verdict for each host; accepted by default. */
  commit(verdicts?: Record<string, HeartbeatVerdict>): Promise<void>;
  fail(error: unknown): Promise<void>;
}

class ManualLeases extends Leases {
  readonly batches: Batch[] = [];

  override writeBatch(
    heartbeats: readonly QueuedHeartbeat[],
    moment: () => Moment,
    withinMs: number,
  ): Promise<HeartbeatVerdict[]> {
    return new Promise((resolve, reject) => {
      const { at: now, availableMs } = moment();
      const accepted = ({ agentVersion }: Heartbeat): HeartbeatVerdict => ({
        outcome: 'accepted',
        agentVersion: agentVersion ?? '9.63.7187.1',
        at: now,
        availableMs,
      });
      this.batches.push({
        heartbeats,
        hosts: heartbeats.map(({ heartbeat }) => heartbeat.hostId),
        now,
        availableMs,
        withinMs,
        commit: async (verdicts = {}) => {
          resolve(heartbeats.map(({ heartbeat }) => verdicts[heartbeat.hostId] ?? accepted(heartbeat)));
          await setImmediate();
        },
        fail: async (error) => {
          reject(error);
          await setImmediate();
        },
      });
    });
  }

  batch(number: number): Batch {
    const batch = this.batches[number];
    if (!batch) throw new Error(`there is no batch ${number} yet`);
    return batch;
  }
}

const DEFERRED: HeartbeatVerdict = { outcome: 'deferred' };

interface Parts {
  readonly limits?: Partial<HeartbeatLimits>;
  readonly fractions?: readonly number[];
  readonly timing?: LeaseTiming;
}

async function aReceiver({ limits = {}, fractions = [0], timing = TIMING }: Parts = {}) {
  const time = { now: NOON };
  const clock = { now: () => time.now, monotonicMs: () => time.now.getTime() };
  const row = {
    availableMs: 500_000,
    runAheadMs: 1_500,
    unsteadyAtAvailableMs: 0,
    steppedAtAvailableMs: null,
    steppedBack: null,
  };
  const availability = new LocalAvailabilityClock(
    { record: async (now) => ({ availability: { ...row, recordedAt: now }, outage: null, step: null }) },
    clock,
    availabilityTiming(180),
  );
  await availability.tick();
  const leases = new ManualLeases();
  const pauses: number[] = [];
  let drawnFractions = 0;
  const receiver = new HeartbeatReceiver(
    leases,
    availability,
    clock,
    { random: () => fractions[drawnFractions++ % fractions.length] ?? 0 },
    fixedVersionRules(SERVER_VERSION),
    timing,
    { maxQueueLength: 100, maxBatchSize: 100, maxPerServerPerSecond: 20, maxServicesPerBatch: 2_000, ...limits },
    async (ms) => void pauses.push(ms),
  );

  /** Sends a heartbeat without waiting; `result` is set when it has one. */
  const send = async (heartbeat: Partial<Heartbeat>): Promise<{ result: HeartbeatResult | string | null }> => {
    const sent: { result: HeartbeatResult | string | null } = { result: null };
    const name = (error: unknown): string =>
      error instanceof FleetError ? error.details.code : `thrown: ${String(error)}`;
    receiver.receive(aHeartbeat({ credentialHash: `credential of ${heartbeat.hostId}`, ...heartbeat }), {
      onAccepted: (result) => void (sent.result = result),
      onRejected: (error) => void (sent.result = name(error)),
    });
    await setImmediate();
    return sent;
  };
  return { receiver, leases, availability, time, pauses, send };
}

describe('heartbeats', () => {
  it('get their response only after their batch is written', async () => {
    const { leases, send } = await aReceiver();
    const one = await send({ hostId: 'a' });
    expect(leases.batches).toHaveLength(1);
    expect(one.result).toBeNull();
    await leases.batch(0).commit();
    expect(one.result).toMatchObject({ heartbeatIntervalSeconds: 30, versionStatus: 'Supported', instruction: 'none' });
  });

  it('that arrive in the same turn are written in one batch', async () => {
    const { leases, receiver } = await aReceiver();
    const results: HeartbeatResult[] = [];
    const callbacks = {
      onAccepted: (result: HeartbeatResult) => void results.push(result),
      onRejected: () => undefined,
    };
    for (const hostId of ['a', 'b', 'c']) receiver.receive(aHeartbeat({ hostId, credentialHash: hostId }), callbacks);
    await setImmediate();
    expect(leases.batches.map(({ hosts }) => hosts)).toEqual([['a', 'b', 'c']]);
    await leases.batch(0).commit();
    expect(results).toHaveLength(3);
  });

  it('that arrive during a batch form the next one; one batch is written at a time', async () => {
    const { leases, send } = await aReceiver();
    await send({ hostId: 'a' });
    const later = [await send({ hostId: 'b' }), await send({ hostId: 'c' }), await send({ hostId: 'a' })];
    expect(leases.batches).toHaveLength(1);
    await leases.batch(0).commit();
    expect(leases.batches.map(({ hosts }) => hosts)).toEqual([['a'], ['b', 'c', 'a']]);
    expect(later.map(({ result }) => result)).toEqual([null, null, null]);
    await leases.batch(1).commit();
    expect(later.every(({ result }) => result !== null)).toBe(true);
  });

  it('are written in batches of a limited size', async () => {
    const { leases, send } = await aReceiver({ limits: { maxBatchSize: 2 } });
    await send({ hostId: 'first' });
    for (const hostId of ['a', 'b', 'c']) await send({ hostId });
    for (const number of [0, 1, 2]) await leases.batch(number).commit();
    expect(leases.batches.map(({ hosts }) => hosts)).toEqual([['first'], ['a', 'b'], ['c']]);
  });

  it('are written with the time of the write, on both clocks', async () => {
    const { leases, send, time } = await aReceiver();
    await send({ hostId: 'a' });
    await send({ hostId: 'b' });
    time.now = msAfter(NOON, 1_000);
    await leases.batch(0).commit();
    expect(leases.batch(0)).toMatchObject({ now: NOON, availableMs: 500_000 });
    expect(leases.batch(1)).toMatchObject({ now: msAfter(NOON, 1_000), availableMs: 501_000 });
  });

  it('are written again after the queue was empty', async () => {
    const { leases, send } = await aReceiver();
    await send({ hostId: 'a' });
    await leases.batch(0).commit();
    const second = await send({ hostId: 'a' });
    await leases.batch(1).commit();
    expect(second.result).toMatchObject({ instruction: 'none' });
  });
});

describe('the result of a heartbeat', () => {
  it('contains the written lease, as its earliest possible expiry', async () => {
    const { leases, send } = await aReceiver({ fractions: [0.5] });
    const one = await send({ hostId: 'a' });
    await leases.batch(0).commit();
    expect(leases.batch(0).heartbeats[0]).toMatchObject({ assignedIntervalSeconds: 33, leaseSeconds: 198 });
    expect(one.result).toMatchObject({ heartbeatIntervalSeconds: 33, leaseExpiresAt: msAfter(NOON, 198_000) });
  });

  it.each([
    ['9.63.7187.1', 'Supported', 'none'],
    ['9.59.0.0', 'Supported', 'none'],
    ['9.58.0.0', 'NotSupported', 'upgrade'],
    ['9.64.0.0', 'NotSupported', 'none'],
  ])('for version %s is %s with the instruction %s', async (agentVersion, versionStatus, instruction) => {
    const { leases, send } = await aReceiver();
    const one = await send({ hostId: 'a', agentVersion });
    await leases.batch(0).commit();
    expect(one.result).toMatchObject({ versionStatus, instruction });
  });

  it('is a rejection without effect on the other heartbeats of the batch', async () => {
    const { leases, send } = await aReceiver();
    await send({ hostId: 'first' });
    const [rejected, accepted] = [await send({ hostId: 'a' }), await send({ hostId: 'b' })];
    await leases.batch(0).commit();
    await leases
      .batch(1)
      .commit({ a: { outcome: 'rejected', rejection: { code: 'generation_retired', removal: 'purge' } } });
    expect(rejected.result).toBe('generation_retired');
    expect(accepted.result).toMatchObject({ instruction: 'none' });
  });

  it('is the same error for all heartbeats of a failed batch, and the next batch is written', async () => {
    const { leases, send } = await aReceiver();
    await send({ hostId: 'first' });
    const lost = [await send({ hostId: 'a' }), await send({ hostId: 'b' })];
    await leases.batch(0).commit();
    const next = await send({ hostId: 'c' });
    await leases.batch(1).fail(new FleetError({ code: 'database_unavailable' }));
    expect(lost.map(({ result }) => result)).toEqual(['database_unavailable', 'database_unavailable']);
    await leases.batch(2).commit();
    expect(next.result).toMatchObject({ instruction: 'none' });
  });

  it('is an Error even if the store throws another value', async () => {
    const { leases, send } = await aReceiver();
    const one = await send({ hostId: 'a' });
    await leases.batch(0).fail('no words');
    expect(one.result).toBe('thrown: Error: no words');
  });
});

describe('two queued heartbeats of one host', () => {
  const LOAD = {
    cpuPercent: 5,
    totalMemoryBytes: 1,
    availableMemoryBytes: 1,
    totalCacheBytes: 1,
    freeCacheBytes: 1,
    throughputBytesPerSecond: 1,
    pendingUploadBytes: 0,
  };

  it('of the same sender are merged, with the members that only the earlier one has', async () => {
    const { leases, send } = await aReceiver({ fractions: [0, 0, 0.5] });
    await send({ hostId: 'first' });
    const earlier = await send({ hostId: 'a', load: LOAD, protectedMachineCount: 3, skewMs: 10 });
    const later = await send({ hostId: 'a', protectedMachineCount: 4, agentVersion: '9.62.0.0' });
    await leases.batch(0).commit();
    expect(leases.batch(1).heartbeats.map(({ heartbeat }) => heartbeat)).toEqual([
      aHeartbeat({
        hostId: 'a',
        credentialHash: 'credential of a',
        load: LOAD,
        protectedMachineCount: 4,
        skewMs: 10,
        agentVersion: '9.62.0.0',
      }),
    ]);
    await leases.batch(1).commit();
    expect(earlier.result).not.toBeNull();
    expect(later.result).toEqual(earlier.result);
  });

  it.each([
    ['another generation', { generation: 4 }],
    ['another credential', { credentialHash: 'another' }],
    ['another instance', { instanceId: 'another' }],
    ['another machine', { machineId: 'another' }],
  ])('of %s are not merged: the second waits for the next batch', async (_case, other) => {
    const { leases, send } = await aReceiver();
    await send({ hostId: 'first' });
    const one = await send({ hostId: 'a' });
    const another = await send({ hostId: 'a', ...other });
    await leases.batch(0).commit();
    expect(leases.batch(1).heartbeats.map(({ heartbeat }) => heartbeat)).toEqual([
      aHeartbeat({ hostId: 'a', credentialHash: 'credential of a' }),
    ]);
    await leases.batch(1).commit();
    expect([one.result === null, another.result === null]).toEqual([false, true]);
    expect(leases.batch(2).heartbeats.map(({ heartbeat }) => heartbeat)).toEqual([
      aHeartbeat({ hostId: 'a', credentialHash: 'credential of a', ...other }),
    ]);
    await leases.batch(2).commit();
    expect(another.result).toMatchObject({ instruction: 'none' });
  });

  it('of another sender that keeps sending all get a response', async () => {
    const { leases, receiver, send } = await aReceiver();
    await send({ hostId: 'first' });
    await send({ hostId: 'a' });
    const others = [
      await send({ hostId: 'a', instanceId: 'b', skewMs: 1 }),
      await send({ hostId: 'a', instanceId: 'b', skewMs: 2 }),
    ];
    for (const number of [0, 1, 2]) await leases.batch(number).commit();
    expect(leases.batch(2).heartbeats.map(({ heartbeat }) => heartbeat.skewMs)).toEqual([2]);
    expect(others.map(({ result }) => result)).toEqual([
      expect.objectContaining({ instruction: 'none' }),
      expect.objectContaining({ instruction: 'none' }),
    ]);
    expect(receiver.queueLength).toBe(0);
  });
});

describe('heartbeats of many conflicting senders of one host', () => {
  it('leave room for other hosts: the newest generation stays queued, and within it the earliest arrivals', async () => {
    const { leases, receiver, send } = await aReceiver({ limits: { maxQueueLength: 20 } });
    await send({ hostId: 'first' });
    await send({ hostId: 'a', credentialHash: 'old 0' });
    const old: { result: HeartbeatResult | string | null }[] = [];
    for (let number = 1; number <= 30; number += 1)
      old.push(await send({ hostId: 'a', credentialHash: `old ${number}` }));
    expect(old.map(({ result }) => result)).toEqual([
      ...Array<null>(8).fill(null),
      ...Array<string>(22).fill('heartbeat_rate_exceeded'),
    ]);
    const newest = await send({ hostId: 'a', generation: 9, credentialHash: 'newest' });
    expect([newest.result, old[7]?.result]).toEqual([null, 'heartbeat_rate_exceeded']);
    expect([receiver.queueLength, (await send({ hostId: 'b' })).result]).toEqual([10, null]);
    for (let number = 0; number < 10; number += 1) await leases.batch(number).commit();
    expect([newest.result, receiver.queueLength]).toEqual([expect.objectContaining({ instruction: 'none' }), 0]);
  });

  it('are merged while they wait behind another sender', async () => {
    const { leases, send } = await aReceiver();
    await send({ hostId: 'first' });
    await send({ hostId: 'a' });
    for (let number = 0; number < 20; number += 1)
      expect((await send({ hostId: 'a', credentialHash: 'other', skewMs: number })).result).toBeNull();
    for (const number of [0, 1]) await leases.batch(number).commit();
    expect(leases.batch(2).heartbeats.map(({ heartbeat }) => heartbeat.skewMs)).toEqual([19]);
  });
});

describe('heartbeats that report many services', () => {
  it('are written in smaller batches', async () => {
    const { leases, send } = await aReceiver();
    await send({ hostId: 'first' });
    const services = Array.from({ length: 800 }, (_, number) => ({ name: `service ${number}`, state: 'Running' }));
    for (const hostId of ['a', 'b', 'c', 'd']) await send({ hostId, services });
    for (const number of [0, 1, 2]) await leases.batch(number).commit();
    expect(leases.batches.map(({ hosts }) => hosts)).toEqual([['first'], ['a', 'b'], ['c', 'd']]);
  });
});

describe('a heartbeat whose row is locked', () => {
  it('is deferred to the next batch, and the others of its batch get their response', async () => {
    const { leases, send } = await aReceiver();
    await send({ hostId: 'first' });
    const [locked, free] = [await send({ hostId: 'a' }), await send({ hostId: 'b' })];
    await leases.batch(0).commit();
    const next = await send({ hostId: 'c' });
    await leases.batch(1).commit({ a: DEFERRED });
    expect([locked.result === null, free.result === null]).toEqual([true, false]);
    expect(leases.batch(2).heartbeats.map(({ heartbeat, deferred }) => [heartbeat.hostId, deferred])).toEqual([
      ['c', false],
      ['a', true],
    ]);
    await leases.batch(2).commit();
    expect([locked.result, next.result]).toEqual([
      expect.objectContaining({ instruction: 'none' }),
      expect.objectContaining({ instruction: 'none' }),
    ]);
  });

  it('is retried only after a pause while nothing else is queued', async () => {
    const { leases, pauses, send } = await aReceiver();
    const locked = await send({ hostId: 'a' });
    await leases.batch(0).commit({ a: DEFERRED });
    await leases.batch(1).commit({ a: DEFERRED });
    expect(pauses).toEqual([25, 25]);
    await leases.batch(2).commit();
    expect(locked.result).toMatchObject({ instruction: 'none' });
  });

  it.each([
    [1_799, null],
    [1_800, 'database_unavailable'],
  ])('for %d ms gets the result %j', async (ms, result) => {
    const { leases, time, send } = await aReceiver();
    const locked = await send({ hostId: 'a' });
    await leases.batch(0).commit({ a: DEFERRED });
    await send({ hostId: 'b' });
    time.now = msAfter(NOON, ms);
    await leases.batch(1).commit({ a: DEFERRED, b: DEFERRED });
    await leases.batches[2]?.commit({ a: DEFERRED });
    expect(locked.result).toBe(result);
  });

  it('is merged with a later one of the same sender without losing members', async () => {
    const { leases, send } = await aReceiver({ fractions: [0, 0.5] });
    const earlier = await send({ hostId: 'a', protectedMachineCount: 3, skewMs: 1 });
    const later = await send({ hostId: 'a', skewMs: 2 });
    await leases.batch(0).commit({ a: DEFERRED });
    const [both, ...others] = leases.batch(1).heartbeats;
    expect(others).toEqual([]);
    expect(both?.heartbeat).toMatchObject({ protectedMachineCount: 3, skewMs: 2 });
    expect(both?.deferred).toBe(true);
    await leases.batch(1).commit();
    const assigned = {
      heartbeatIntervalSeconds: both?.assignedIntervalSeconds,
      leaseExpiresAt: msAfter(NOON, (both?.leaseSeconds ?? 0) * 1000),
    };
    expect([earlier.result, later.result]).toEqual([
      expect.objectContaining(assigned),
      expect.objectContaining(assigned),
    ]);
  });

  it('stays deferred with its deadline while another sender of its host waits', async () => {
    const { leases, time, send } = await aReceiver();
    const locked = await send({ hostId: 'a' });
    const other = await send({ hostId: 'a', instanceId: 'b' });
    for (let batch = 0; batch < 6; batch += 1) {
      await send({ hostId: 'a' });
      await send({ hostId: 'a', instanceId: 'b' });
      await leases.batch(batch).commit({ a: DEFERRED });
      if (batch > 1) expect(leases.batch(batch).heartbeats.map(({ deferred }) => deferred)).toEqual([true]);
    }
    time.now = msAfter(NOON, 5_000);
    for (const batch of [6, 7, 8]) await leases.batches[batch]?.commit({ a: DEFERRED });
    expect([locked.result, other.result]).toEqual(['database_unavailable', 'database_unavailable']);
  });

  it('is overridden by a later one of the same sender that waits behind another', async () => {
    const { leases, send } = await aReceiver();
    await send({ hostId: 'first' });
    await send({ hostId: 'a', skewMs: 1 });
    await leases.batch(0).commit();
    for (const heartbeat of [{ instanceId: 'b' }, { skewMs: 2 }]) await send({ hostId: 'a', ...heartbeat });
    await leases.batch(1).commit({ a: DEFERRED });
    await leases.batch(2).commit();
    expect(leases.batch(3).heartbeats.map(({ heartbeat }) => [heartbeat.instanceId, heartbeat.skewMs])).toEqual([
      [aHeartbeat({}).instanceId, 2],
    ]);
  });

  it('does not block another sender of its host permanently', async () => {
    const { leases, send } = await aReceiver();
    const locked = await send({ hostId: 'a' });
    const other = await send({ hostId: 'a', instanceId: 'b' });
    await leases.batch(0).commit({ a: DEFERRED });
    await leases.batch(1).commit();
    await leases.batch(2).commit();
    expect([locked.result, other.result]).toEqual([
      expect.objectContaining({ instruction: 'none' }),
      expect.objectContaining({ instruction: 'none' }),
    ]);
  });
});

describe('admission', () => {
  it('rejects while the queue is full, and accepts again when there is room', async () => {
    const { leases, receiver, send } = await aReceiver({ limits: { maxQueueLength: 2 } });
    await send({ hostId: 'a' });
    expect(receiver.isAccepting).toBe(true);
    await send({ hostId: 'b' });
    expect([receiver.isAccepting, receiver.queueLength]).toEqual([false, 2]);
    expect((await send({ hostId: 'c' })).result).toBe('heartbeat_queue_full');
    await leases.batch(0).commit();
    await leases.batch(1).commit();
    expect([receiver.isAccepting, receiver.queueLength]).toEqual([true, 0]);
    const again = await send({ hostId: 'c' });
    await leases.batch(2).commit();
    expect(again.result).toMatchObject({ instruction: 'none' });
  });

  it('counts merged heartbeats once for each waiting caller', async () => {
    const { leases, receiver, send } = await aReceiver({ limits: { maxQueueLength: 3 } });
    await send({ hostId: 'a' });
    await send({ hostId: 'b' });
    await send({ hostId: 'b' });
    expect((await send({ hostId: 'b' })).result).toBe('heartbeat_queue_full');
    await leases.batch(0).commit();
    await leases.batch(1).commit();
    expect(receiver.queueLength).toBe(0);
  });

  it('limits one credential to 20 heartbeats in a second', async () => {
    const { receiver, send, time } = await aReceiver();
    for (let heartbeat = 1; heartbeat <= 20; heartbeat += 1) expect((await send({ hostId: 'a' })).result).toBeNull();
    expect((await send({ hostId: 'a' })).result).toBe('heartbeat_rate_exceeded');
    time.now = msAfter(NOON, 999);
    expect((await send({ hostId: 'a' })).result).toBe('heartbeat_rate_exceeded');
    time.now = msAfter(NOON, 1_000);
    expect((await send({ hostId: 'a' })).result).toBeNull();
    expect(receiver.queueLength).toBe(21);
  });

  it('limits each credential of a host separately', async () => {
    const { send } = await aReceiver();
    for (let heartbeat = 1; heartbeat <= 21; heartbeat += 1) await send({ hostId: 'a', credentialHash: 'loud' });
    expect((await send({ hostId: 'a', credentialHash: 'loud' })).result).toBe('heartbeat_rate_exceeded');
    expect((await send({ hostId: 'a', credentialHash: 'quiet' })).result).toBeNull();
  });

  it.each([
    [14_999, null],
    [15_000, 'replica_not_ready'],
  ])('%d ms after the last availability record gives the result %j', async (ms, result) => {
    const { send, time, availability } = await aReceiver();
    time.now = msAfter(NOON, ms);
    expect((await send({ hostId: 'a' })).result).toBe(result);
    await availability.tick();
    expect((await send({ hostId: 'b' })).result).toBeNull();
  });

  it('rejects while draining, and is drained when all accepted heartbeats have a response', async () => {
    const { leases, receiver, send } = await aReceiver();
    const taken = [await send({ hostId: 'a' }), await send({ hostId: 'b' })];
    let drained = false;
    const draining = receiver.drain().then(() => (drained = true));
    expect([receiver.isDraining, receiver.isAccepting]).toEqual([true, false]);
    expect((await send({ hostId: 'c' })).result).toBe('shutting_down');
    await leases.batch(0).commit();
    expect(drained).toBe(false);
    await leases.batch(1).commit();
    await draining;
    expect(taken.every(({ result }) => result !== null && typeof result !== 'string')).toBe(true);
  });

  it('drains at once when nothing is queued', async () => {
    const { receiver } = await aReceiver();
    await receiver.drain();
    expect(receiver.queueLength).toBe(0);
  });
});

it('the assigned interval grows with the known fleet size', async () => {
  const { leases, receiver, send } = await aReceiver();
  receiver.fleetSize = 100_000;
  const one = await send({ hostId: 'a' });
  await leases.batch(0).commit();
  expect(one.result).toMatchObject({ heartbeatIntervalSeconds: 100, leaseExpiresAt: msAfter(NOON, 600_000) });
});

describe('heartbeats that cannot be committed', () => {
  const UNAVAILABLE = new FleetError({ code: 'database_unavailable' });

  it.each([
    [1_799, [null, null]],
    [1_800, ['database_unavailable', 'database_unavailable']],
  ])(
    'are rejected within two seconds of their arrival, whether being written or queued: after %d ms %j',
    async (ms, results) => {
      const { receiver, time, send } = await aReceiver();
      const sent = [await send({ hostId: 'in flight' }), await send({ hostId: 'waits' })];
      time.now = msAfter(NOON, ms);
      receiver.expire();
      expect(sent.map(({ result }) => result)).toEqual(results);
      expect(receiver.queueLength).toBe(ms < 1_800 ? 2 : 0);
    },
  );

  it('leave later ones queued, and get one response although their batch commits afterwards', async () => {
    const { receiver, leases, time, send } = await aReceiver();
    const [old, other] = [await send({ hostId: 'a' }), await send({ hostId: 'b', instanceId: 'x' })];
    time.now = msAfter(NOON, 1_000);
    const young = [await send({ hostId: 'c' }), await send({ hostId: 'b', instanceId: 'y' })];
    time.now = msAfter(NOON, 1_800);
    receiver.expire();
    expect([old, other, ...young].map(({ result }) => result)).toEqual([
      'database_unavailable',
      'database_unavailable',
      null,
      null,
    ]);
    await leases.batch(0).commit();
    expect(old.result).toBe('database_unavailable');
    await leases.batch(1).commit();
    expect(young.map(({ result }) => result)).toEqual([
      expect.objectContaining({ instruction: 'none' }),
      expect.objectContaining({ instruction: 'none' }),
    ]);
    expect(receiver.queueLength).toBe(0);
  });

  it('give their batch the remaining time of its newest heartbeat', async () => {
    const { leases, time, send } = await aReceiver();
    await send({ hostId: 'first' });
    await send({ hostId: 'a' });
    time.now = msAfter(NOON, 700);
    await send({ hostId: 'b' });
    time.now = msAfter(NOON, 1_000);
    await leases.batch(0).commit();
    expect(leases.batches.map(({ withinMs }) => withinMs)).toEqual([1_800, 1_500]);
  });

  it('because of one of them are all accepted but that one', async () => {
    const { leases, send } = await aReceiver();
    await send({ hostId: 'first' });
    const sent = [await send({ hostId: 'a' }), await send({ hostId: 'b' }), await send({ hostId: 'c' })];
    await leases.batch(0).commit();
    await leases.batch(1).fail(new Error('packet too large'));
    await leases.batch(2).fail(new Error('packet too large'));
    await leases.batch(3).commit();
    await leases.batch(4).fail(new Error('packet too large'));
    await leases.batch(5).commit();
    expect(leases.batches.slice(1).map(({ hosts }) => hosts)).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b'],
      ['a'],
      ['b'],
      ['c'],
    ]);
    expect(sent.map(({ result }) => result)).toEqual([
      expect.objectContaining({ instruction: 'none' }),
      'thrown: Error: packet too large',
      expect.objectContaining({ instruction: 'none' }),
    ]);
  });

  it('that wait behind a sender whose heartbeat has timed out are written', async () => {
    const { receiver, leases, time, send } = await aReceiver();
    await send({ hostId: 'first' });
    const old = await send({ hostId: 'a' });
    time.now = msAfter(NOON, 1_000);
    const young = await send({ hostId: 'a', instanceId: 'another' });
    time.now = msAfter(NOON, 1_800);
    receiver.expire();
    await leases.batch(0).commit();
    await leases.batch(1).commit();
    expect([old.result, young.result]).toEqual([
      'database_unavailable',
      expect.objectContaining({ instruction: 'none' }),
    ]);
  });

  it('of a batch that is written in halves all get one response at their deadline', async () => {
    const { receiver, leases, time, send } = await aReceiver();
    await send({ hostId: 'first' });
    const sent = [await send({ hostId: 'a' }), await send({ hostId: 'b' })];
    await leases.batch(0).commit();
    await leases.batch(1).fail(new Error('packet too large'));
    time.now = msAfter(NOON, 1_800);
    receiver.expire();
    expect(sent.map(({ result }) => result)).toEqual(['database_unavailable', 'database_unavailable']);
    await leases.batch(2).commit();
    expect(leases.batches).toHaveLength(3);
    expect(receiver.queueLength).toBe(0);
  });

  it('prevent an availability record, and are its witnesses', async () => {
    const { receiver, leases, time, send } = await aReceiver();
    expect(receiver.takeProgress()).toEqual({ canCommit: true, witnesses: [] });
    await send({ hostId: 'good' });
    await leases.batch(0).commit();
    expect(receiver.takeProgress().canCommit).toBe(true);
    time.now = msAfter(NOON, 1_000);
    await send({ hostId: 'bad' });
    await leases.batch(1).fail(UNAVAILABLE);
    expect(receiver.isStalled).toBe(true);
    expect(receiver.takeProgress()).toEqual({ canCommit: false, witnesses: ['bad', 'good'] });
    time.now = msAfter(NOON, 2_000);
    expect(receiver.takeProgress()).toEqual({ canCommit: true, witnesses: ['bad', 'good'] });
    receiver.markRecovered();
    expect([receiver.isStalled, receiver.takeProgress().witnesses]).toEqual([false, []]);
  });

  it('do not prevent an availability record while others are committed', async () => {
    const { receiver, leases, time, send } = await aReceiver();
    await send({ hostId: 'locked' });
    await leases.batch(0).commit({ locked: DEFERRED });
    time.now = msAfter(NOON, 1_000);
    await send({ hostId: 'other' });
    await leases.batch(1).commit({ locked: DEFERRED });
    await leases.batch(2).commit({ locked: DEFERRED });
    time.now = msAfter(NOON, 1_800);
    receiver.expire();
    expect([receiver.isStalled, receiver.takeProgress().canCommit]).toEqual([false, true]);
  });

  it('prevent an availability record while they wait', async () => {
    const { receiver, time, send } = await aReceiver();
    await send({ hostId: 'a' });
    expect(receiver.takeProgress().canCommit).toBe(true);
    time.now = msAfter(NOON, 1_000);
    expect(receiver.takeProgress().canCommit).toBe(false);
  });
});

import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
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

/** One group that waits to be written until the spec says what becomes of it. */
interface Batch {
  readonly heartbeats: readonly QueuedHeartbeat[];
  readonly hosts: readonly string[];
  readonly now: Date;
  readonly availableMs: number;
  readonly withinMs: number;
  /** A verdict for each host; accepted where none is given. */
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
    if (!batch) throw new Error(`there is no group ${number} yet`);
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
    SERVER_VERSION,
    timing,
    { maxQueueLength: 100, maxBatchSize: 100, maxPerServerPerSecond: 20, maxServicesPerBatch: 2_000, ...limits },
    async (ms) => void pauses.push(ms),
  );

  /** Sends it and goes on: what becomes of it is in `answer` once it has been answered. */
  const send = async (heartbeat: Partial<Heartbeat>): Promise<{ answer: HeartbeatResult | string | null }> => {
    const sent: { answer: HeartbeatResult | string | null } = { answer: null };
    const name = (error: unknown): string =>
      error instanceof FleetError ? error.details.code : `thrown: ${String(error)}`;
    receiver.receive(aHeartbeat({ credentialHash: `credential of ${heartbeat.hostId}`, ...heartbeat }), {
      onAccepted: (answer) => void (sent.answer = answer),
      onRejected: (error) => void (sent.answer = name(error)),
    });
    await setImmediate();
    return sent;
  };
  return { receiver, leases, listening: availability, time, pauses, send };
}

describe('heartbeats', () => {
  it('are answered only after their group was written', async () => {
    const { leases, send } = await aReceiver();
    const one = await send({ hostId: 'a' });
    expect(leases.batches).toHaveLength(1);
    expect(one.answer).toBeNull();
    await leases.batch(0).commit();
    expect(one.answer).toMatchObject({ heartbeatIntervalSeconds: 30, versionStatus: 'Supported', instruction: 'none' });
  });

  it('that arrive in the same turn are written together', async () => {
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

  it('that arrive while a group is written are the next, and one group is written at a time', async () => {
    const { leases, send } = await aReceiver();
    await send({ hostId: 'a' });
    const later = [await send({ hostId: 'b' }), await send({ hostId: 'c' }), await send({ hostId: 'a' })];
    expect(leases.batches).toHaveLength(1);
    await leases.batch(0).commit();
    expect(leases.batches.map(({ hosts }) => hosts)).toEqual([['a'], ['b', 'c', 'a']]);
    expect(later.map(({ answer }) => answer)).toEqual([null, null, null]);
    await leases.batch(1).commit();
    expect(later.every(({ answer }) => answer !== null)).toBe(true);
  });

  it('are written in groups of a limited size', async () => {
    const { leases, send } = await aReceiver({ limits: { maxBatchSize: 2 } });
    await send({ hostId: 'first' });
    for (const hostId of ['a', 'b', 'c']) await send({ hostId });
    for (const number of [0, 1, 2]) await leases.batch(number).commit();
    expect(leases.batches.map(({ hosts }) => hosts)).toEqual([['first'], ['a', 'b'], ['c']]);
  });

  it('are written at the instant of the writing, on the clock and on L', async () => {
    const { leases, send, time } = await aReceiver();
    await send({ hostId: 'a' });
    await send({ hostId: 'b' });
    time.now = msAfter(NOON, 1_000);
    await leases.batch(0).commit();
    expect(leases.batch(0)).toMatchObject({ now: NOON, availableMs: 500_000 });
    expect(leases.batch(1)).toMatchObject({ now: msAfter(NOON, 1_000), availableMs: 501_000 });
  });

  it('go on after the queue was empty', async () => {
    const { leases, send } = await aReceiver();
    await send({ hostId: 'a' });
    await leases.batch(0).commit();
    const second = await send({ hostId: 'a' });
    await leases.batch(1).commit();
    expect(second.answer).toMatchObject({ instruction: 'none' });
  });
});

describe('the answer', () => {
  it('tells the lease as it was written, as the earliest instant that it can end at', async () => {
    const { leases, send } = await aReceiver({ fractions: [0.5] });
    const one = await send({ hostId: 'a' });
    await leases.batch(0).commit();
    expect(leases.batch(0).heartbeats[0]).toMatchObject({ assignedIntervalSeconds: 33, leaseSeconds: 198 });
    expect(one.answer).toMatchObject({ heartbeatIntervalSeconds: 33, leaseExpiresAt: msAfter(NOON, 198_000) });
  });

  it.each([
    ['9.63.7187.1', 'Supported', 'none'],
    ['9.59.0.0', 'Supported', 'none'],
    ['9.58.0.0', 'NotSupported', 'upgrade'],
    ['9.64.0.0', 'NotSupported', 'none'],
  ])('to version %s is %s and says %s', async (agentVersion, versionStatus, instruction) => {
    const { leases, send } = await aReceiver();
    const one = await send({ hostId: 'a', agentVersion });
    await leases.batch(0).commit();
    expect(one.answer).toMatchObject({ versionStatus, instruction });
  });

  it('is the refusal where there is one, and harms nobody else of the group', async () => {
    const { leases, send } = await aReceiver();
    await send({ hostId: 'first' });
    const [rejected, accepted] = [await send({ hostId: 'a' }), await send({ hostId: 'b' })];
    await leases.batch(0).commit();
    await leases
      .batch(1)
      .commit({ a: { outcome: 'rejected', rejection: { code: 'generation_retired', removal: 'purge' } } });
    expect(rejected.answer).toBe('generation_retired');
    expect(accepted.answer).toMatchObject({ instruction: 'none' });
  });

  it('of a group that could not be written is the same failure for all of it, and the next group is written', async () => {
    const { leases, send } = await aReceiver();
    await send({ hostId: 'first' });
    const lost = [await send({ hostId: 'a' }), await send({ hostId: 'b' })];
    await leases.batch(0).commit();
    const next = await send({ hostId: 'c' });
    await leases.batch(1).fail(new FleetError({ code: 'database_unavailable' }));
    expect(lost.map(({ answer }) => answer)).toEqual(['database_unavailable', 'database_unavailable']);
    await leases.batch(2).commit();
    expect(next.answer).toMatchObject({ instruction: 'none' });
  });

  it('of a failure that is no error object is one', async () => {
    const { leases, send } = await aReceiver();
    const one = await send({ hostId: 'a' });
    await leases.batch(0).fail('no words');
    expect(one.answer).toBe('thrown: Error: no words');
  });
});

describe('two heartbeats of one host that wait together', () => {
  const LOAD = {
    cpuPercent: 5,
    totalMemoryBytes: 1,
    availableMemoryBytes: 1,
    totalCacheBytes: 1,
    freeCacheBytes: 1,
    throughputBytesPerSecond: 1,
    pendingUploadBytes: 0,
  };

  it('of the same sender are merged: the later one, with what only the earlier one carried', async () => {
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
    expect(earlier.answer).not.toBeNull();
    expect(later.answer).toEqual(earlier.answer);
  });

  it.each([
    ['another generation', { generation: 4 }],
    ['another credential', { credentialHash: 'another' }],
    ['another instance', { instanceId: 'another' }],
    ['another machine', { machineId: 'another' }],
  ])('of %s are not merged: the second waits for the group after', async (_case, other) => {
    const { leases, send } = await aReceiver();
    await send({ hostId: 'first' });
    const one = await send({ hostId: 'a' });
    const another = await send({ hostId: 'a', ...other });
    await leases.batch(0).commit();
    expect(leases.batch(1).heartbeats.map(({ heartbeat }) => heartbeat)).toEqual([
      aHeartbeat({ hostId: 'a', credentialHash: 'credential of a' }),
    ]);
    await leases.batch(1).commit();
    expect([one.answer === null, another.answer === null]).toEqual([false, true]);
    expect(leases.batch(2).heartbeats.map(({ heartbeat }) => heartbeat)).toEqual([
      aHeartbeat({ hostId: 'a', credentialHash: 'credential of a', ...other }),
    ]);
    await leases.batch(2).commit();
    expect(another.answer).toMatchObject({ instruction: 'none' });
  });

  it('of another sender who goes on while it waits are all answered', async () => {
    const { leases, receiver, send } = await aReceiver();
    await send({ hostId: 'first' });
    await send({ hostId: 'a' });
    const others = [
      await send({ hostId: 'a', instanceId: 'b', skewMs: 1 }),
      await send({ hostId: 'a', instanceId: 'b', skewMs: 2 }),
    ];
    for (const number of [0, 1, 2]) await leases.batch(number).commit();
    expect(leases.batch(2).heartbeats.map(({ heartbeat }) => heartbeat.skewMs)).toEqual([2]);
    expect(others.map(({ answer }) => answer)).toEqual([
      expect.objectContaining({ instruction: 'none' }),
      expect.objectContaining({ instruction: 'none' }),
    ]);
    expect(receiver.queueLength).toBe(0);
  });
});

describe('heartbeats of more senders of one host than can be right', () => {
  it('leave room for everybody else: those of the newest registration wait, and of these who came first', async () => {
    const { leases, receiver, send } = await aReceiver({ limits: { maxQueueLength: 20 } });
    await send({ hostId: 'first' });
    await send({ hostId: 'a', credentialHash: 'old 0' });
    const old: { answer: HeartbeatResult | string | null }[] = [];
    for (let number = 1; number <= 30; number += 1)
      old.push(await send({ hostId: 'a', credentialHash: `old ${number}` }));
    expect(old.map(({ answer }) => answer)).toEqual([
      ...Array<null>(8).fill(null),
      ...Array<string>(22).fill('heartbeat_rate_exceeded'),
    ]);
    const newest = await send({ hostId: 'a', generation: 9, credentialHash: 'newest' });
    expect([newest.answer, old[7]?.answer]).toEqual([null, 'heartbeat_rate_exceeded']);
    expect([receiver.queueLength, (await send({ hostId: 'b' })).answer]).toEqual([10, null]);
    for (let number = 0; number < 10; number += 1) await leases.batch(number).commit();
    expect([newest.answer, receiver.queueLength]).toEqual([expect.objectContaining({ instruction: 'none' }), 0]);
  });

  it('are merged in their line as in a group', async () => {
    const { leases, send } = await aReceiver();
    await send({ hostId: 'first' });
    await send({ hostId: 'a' });
    for (let number = 0; number < 20; number += 1)
      expect((await send({ hostId: 'a', credentialHash: 'other', skewMs: number })).answer).toBeNull();
    for (const number of [0, 1]) await leases.batch(number).commit();
    expect(leases.batch(2).heartbeats.map(({ heartbeat }) => heartbeat.skewMs)).toEqual([19]);
  });
});

describe('heartbeats that report very many services', () => {
  it('are written in smaller groups', async () => {
    const { leases, send } = await aReceiver();
    await send({ hostId: 'first' });
    const services = Array.from({ length: 800 }, (_, number) => ({ name: `service ${number}`, state: 'Running' }));
    for (const hostId of ['a', 'b', 'c', 'd']) await send({ hostId, services });
    for (const number of [0, 1, 2]) await leases.batch(number).commit();
    expect(leases.batches.map(({ hosts }) => hosts)).toEqual([['first'], ['a', 'b'], ['c', 'd']]);
  });
});

describe('a heartbeat whose row is locked', () => {
  it('goes into the next group, and the others of its group are answered', async () => {
    const { leases, send } = await aReceiver();
    await send({ hostId: 'first' });
    const [locked, free] = [await send({ hostId: 'a' }), await send({ hostId: 'b' })];
    await leases.batch(0).commit();
    const next = await send({ hostId: 'c' });
    await leases.batch(1).commit({ a: DEFERRED });
    expect([locked.answer === null, free.answer === null]).toEqual([true, false]);
    expect(leases.batch(2).heartbeats.map(({ heartbeat, deferred }) => [heartbeat.hostId, deferred])).toEqual([
      ['c', false],
      ['a', true],
    ]);
    await leases.batch(2).commit();
    expect([locked.answer, next.answer]).toEqual([
      expect.objectContaining({ instruction: 'none' }),
      expect.objectContaining({ instruction: 'none' }),
    ]);
  });

  it('is looked at again only after a pause while there is nothing else to write', async () => {
    const { leases, pauses, send } = await aReceiver();
    const locked = await send({ hostId: 'a' });
    await leases.batch(0).commit({ a: DEFERRED });
    await leases.batch(1).commit({ a: DEFERRED });
    expect(pauses).toEqual([25, 25]);
    await leases.batch(2).commit();
    expect(locked.answer).toMatchObject({ instruction: 'none' });
  });

  it.each([
    [1_799, null],
    [1_800, 'database_unavailable'],
  ])('for %d ms is answered: %j', async (ms, answer) => {
    const { leases, time, send } = await aReceiver();
    const locked = await send({ hostId: 'a' });
    await leases.batch(0).commit({ a: DEFERRED });
    await send({ hostId: 'b' });
    time.now = msAfter(NOON, ms);
    await leases.batch(1).commit({ a: DEFERRED, b: DEFERRED });
    await leases.batches[2]?.commit({ a: DEFERRED });
    expect(locked.answer).toBe(answer);
  });

  it('is merged with a later one of the same sender, and loses nothing that it carried', async () => {
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
    expect([earlier.answer, later.answer]).toEqual([
      expect.objectContaining(assigned),
      expect.objectContaining(assigned),
    ]);
  });

  it('stays one that was carried, with its patience, beside another sender of its host', async () => {
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
    expect([locked.answer, other.answer]).toEqual(['database_unavailable', 'database_unavailable']);
  });

  it('says less than a later one of the same sender that waits behind another', async () => {
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

  it('does not hold up another sender of its host for good', async () => {
    const { leases, send } = await aReceiver();
    const locked = await send({ hostId: 'a' });
    const other = await send({ hostId: 'a', instanceId: 'b' });
    await leases.batch(0).commit({ a: DEFERRED });
    await leases.batch(1).commit();
    await leases.batch(2).commit();
    expect([locked.answer, other.answer]).toEqual([
      expect.objectContaining({ instruction: 'none' }),
      expect.objectContaining({ instruction: 'none' }),
    ]);
  });
});

describe('at the door', () => {
  it('a full queue refuses, and takes again when there is room', async () => {
    const { leases, receiver, send } = await aReceiver({ limits: { maxQueueLength: 2 } });
    await send({ hostId: 'a' });
    expect(receiver.isAccepting).toBe(true);
    await send({ hostId: 'b' });
    expect([receiver.isAccepting, receiver.queueLength]).toEqual([false, 2]);
    expect((await send({ hostId: 'c' })).answer).toBe('heartbeat_queue_full');
    await leases.batch(0).commit();
    await leases.batch(1).commit();
    expect([receiver.isAccepting, receiver.queueLength]).toEqual([true, 0]);
    const again = await send({ hostId: 'c' });
    await leases.batch(2).commit();
    expect(again.answer).toMatchObject({ instruction: 'none' });
  });

  it('merged heartbeats count as many as there are callers who wait', async () => {
    const { leases, receiver, send } = await aReceiver({ limits: { maxQueueLength: 3 } });
    await send({ hostId: 'a' });
    await send({ hostId: 'b' });
    await send({ hostId: 'b' });
    expect((await send({ hostId: 'b' })).answer).toBe('heartbeat_queue_full');
    await leases.batch(0).commit();
    await leases.batch(1).commit();
    expect(receiver.queueLength).toBe(0);
  });

  it('one credential may say 20 things in a second, the 21st is too many, and the next second is a new one', async () => {
    const { receiver, send, time } = await aReceiver();
    for (let heartbeat = 1; heartbeat <= 20; heartbeat += 1) expect((await send({ hostId: 'a' })).answer).toBeNull();
    expect((await send({ hostId: 'a' })).answer).toBe('heartbeat_rate_exceeded');
    time.now = msAfter(NOON, 999);
    expect((await send({ hostId: 'a' })).answer).toBe('heartbeat_rate_exceeded');
    time.now = msAfter(NOON, 1_000);
    expect((await send({ hostId: 'a' })).answer).toBeNull();
    expect(receiver.queueLength).toBe(21);
  });

  it('another credential of the same host is not harmed by one that says too much', async () => {
    const { send } = await aReceiver();
    for (let heartbeat = 1; heartbeat <= 21; heartbeat += 1) await send({ hostId: 'a', credentialHash: 'loud' });
    expect((await send({ hostId: 'a', credentialHash: 'loud' })).answer).toBe('heartbeat_rate_exceeded');
    expect((await send({ hostId: 'a', credentialHash: 'quiet' })).answer).toBeNull();
  });

  it.each([
    [14_999, null],
    [15_000, 'replica_not_ready'],
  ])('%d ms after the last note is answered: %j', async (ms, answer) => {
    const { send, time, listening: availability } = await aReceiver();
    time.now = msAfter(NOON, ms);
    expect((await send({ hostId: 'a' })).answer).toBe(answer);
    await availability.tick();
    expect((await send({ hostId: 'b' })).answer).toBeNull();
  });

  it('one that drains takes no more, and is done when all that it took are answered', async () => {
    const { leases, receiver, send } = await aReceiver();
    const taken = [await send({ hostId: 'a' }), await send({ hostId: 'b' })];
    let drained = false;
    const draining = receiver.drain().then(() => (drained = true));
    expect([receiver.isDraining, receiver.isAccepting]).toEqual([true, false]);
    expect((await send({ hostId: 'c' })).answer).toBe('shutting_down');
    await leases.batch(0).commit();
    expect(drained).toBe(false);
    await leases.batch(1).commit();
    await draining;
    expect(taken.every(({ answer }) => answer !== null && typeof answer !== 'string')).toBe(true);
  });

  it('one that has nothing to do is drained at once', async () => {
    const { receiver } = await aReceiver();
    await receiver.drain();
    expect(receiver.queueLength).toBe(0);
  });
});

it('the interval grows with the fleet that the receiver was told of', async () => {
  const { leases, receiver, send } = await aReceiver();
  receiver.fleetSize = 100_000;
  const one = await send({ hostId: 'a' });
  await leases.batch(0).commit();
  expect(one.answer).toMatchObject({ heartbeatIntervalSeconds: 100, leaseExpiresAt: msAfter(NOON, 600_000) });
});

describe('heartbeats that cannot be committed', () => {
  const UNAVAILABLE = new FleetError({ code: 'database_unavailable' });

  it.each([
    [1_799, [null, null]],
    [1_800, ['database_unavailable', 'database_unavailable']],
  ])(
    'are answered within two seconds of their arrival, whether they are being written or wait: after %d ms %j',
    async (ms, results) => {
      const { receiver, time, send } = await aReceiver();
      const sent = [await send({ hostId: 'in flight' }), await send({ hostId: 'waits' })];
      time.now = msAfter(NOON, ms);
      receiver.expire();
      expect(sent.map(({ answer }) => answer)).toEqual(results);
      expect(receiver.queueLength).toBe(ms < 1_800 ? 2 : 0);
    },
  );

  it('leave the younger ones waiting, and are answered once though their group is committed after all', async () => {
    const { receiver, leases, time, send } = await aReceiver();
    const [old, other] = [await send({ hostId: 'a' }), await send({ hostId: 'b', instanceId: 'x' })];
    time.now = msAfter(NOON, 1_000);
    const young = [await send({ hostId: 'c' }), await send({ hostId: 'b', instanceId: 'y' })];
    time.now = msAfter(NOON, 1_800);
    receiver.expire();
    expect([old, other, ...young].map(({ answer }) => answer)).toEqual([
      'database_unavailable',
      'database_unavailable',
      null,
      null,
    ]);
    await leases.batch(0).commit();
    expect(old.answer).toBe('database_unavailable');
    await leases.batch(1).commit();
    expect(young.map(({ answer }) => answer)).toEqual([
      expect.objectContaining({ instruction: 'none' }),
      expect.objectContaining({ instruction: 'none' }),
    ]);
    expect(receiver.queueLength).toBe(0);
  });

  it('give their group the time that its youngest has left', async () => {
    const { leases, time, send } = await aReceiver();
    await send({ hostId: 'first' });
    await send({ hostId: 'a' });
    time.now = msAfter(NOON, 700);
    await send({ hostId: 'b' });
    time.now = msAfter(NOON, 1_000);
    await leases.batch(0).commit();
    expect(leases.batches.map(({ withinMs }) => withinMs)).toEqual([1_800, 1_500]);
  });

  it('for a reason that lies with one of them fail that one alone', async () => {
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
    expect(sent.map(({ answer }) => answer)).toEqual([
      expect.objectContaining({ instruction: 'none' }),
      'thrown: Error: packet too large',
      expect.objectContaining({ instruction: 'none' }),
    ]);
  });

  it('that wait behind a sender whose heartbeat has waited too long are written', async () => {
    const { receiver, leases, time, send } = await aReceiver();
    await send({ hostId: 'first' });
    const old = await send({ hostId: 'a' });
    time.now = msAfter(NOON, 1_000);
    const young = await send({ hostId: 'a', instanceId: 'another' });
    time.now = msAfter(NOON, 1_800);
    receiver.expire();
    await leases.batch(0).commit();
    await leases.batch(1).commit();
    expect([old.answer, young.answer]).toEqual([
      'database_unavailable',
      expect.objectContaining({ instruction: 'none' }),
    ]);
  });

  it('of a group that is written in halves are all answered at their deadline, once', async () => {
    const { receiver, leases, time, send } = await aReceiver();
    await send({ hostId: 'first' });
    const sent = [await send({ hostId: 'a' }), await send({ hostId: 'b' })];
    await leases.batch(0).commit();
    await leases.batch(1).fail(new Error('packet too large'));
    time.now = msAfter(NOON, 1_800);
    receiver.expire();
    expect(sent.map(({ answer }) => answer)).toEqual(['database_unavailable', 'database_unavailable']);
    await leases.batch(2).commit();
    expect(leases.batches).toHaveLength(3);
    expect(receiver.queueLength).toBe(0);
  });

  it('keep availability from being recorded, and are its witnesses', async () => {
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

  it('do not, while others are committed', async () => {
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

  it('keep availability from being recorded while they wait', async () => {
    const { receiver, time, send } = await aReceiver();
    await send({ hostId: 'a' });
    expect(receiver.takeProgress().canCommit).toBe(true);
    time.now = msAfter(NOON, 1_000);
    expect(receiver.takeProgress().canCommit).toBe(false);
  });
});

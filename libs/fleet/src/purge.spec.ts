import { describe, expect, it } from '@jest/globals';
import { FleetError } from './fleet-fault.js';
import { NOTHING_REPORTED } from './health.js';
import type { HeldRecord } from './ports.js';
import { purge, type PurgeOrder } from './purge.js';
import {
  aLeavingServer,
  AN_OPERATOR,
  aProcessServer,
  aSilentServer,
  aTombstone,
  held,
  HOST_ID,
  LISTENED_AT_NOON,
  msAfter,
  NOON,
} from './testing/examples.js';

const anOrder = (over: Partial<PurgeOrder> = {}): PurgeOrder => ({
  generation: 3,
  reason: 'scrapped',
  force: false,
  actor: AN_OPERATOR,
  planId: null,
  ...over,
});
const protecting = (protectedMachineCount: number | null) => ({ ...NOTHING_REPORTED, protectedMachineCount });

const UNKNOWN_COUNT = { ...NOTHING_REPORTED, protectedMachinesUnknown: true };

function refusal(order: PurgeOrder, record: HeldRecord): unknown {
  try {
    purge(HOST_ID, order, record);
  } catch (error) {
    return error instanceof FleetError ? error.fault : error;
  }
  return null;
}

describe('a purge', () => {
  it.each([
    ['a Disconnected entry', aSilentServer()],
    ['a Decommissioned entry, at once', aLeavingServer()],
    ['an entry that last reported no protected machines', aSilentServer({ health: protecting(0) })],
  ])('turns %s into a tombstone', (_case, entry) => {
    const { answer, change } = purge(HOST_ID, anOrder({ reason: ' scrapped ', planId: 'plan-1' }), held({ entry }));
    expect(answer).toEqual({ hostId: HOST_ID, friendlyName: 'ps-berlin-1', ipAddress: '192.0.2.11', purgedAt: NOON });
    expect(change?.write).toEqual({
      to: 'removed',
      tombstone: aTombstone({ removedAt: NOON, planId: 'plan-1' }),
      evenIfConnected: false,
    });
    expect(change?.event).toMatchObject({
      kind: 'purged',
      generation: 3,
      actor: 'anna',
      detail: { reason: 'scrapped', planId: 'plan-1', connectionState: 'Disconnected' },
    });
  });

  it('again changes nothing and answers the same', () => {
    const before = purge(HOST_ID, anOrder(), held({ entry: aSilentServer() }));
    if (before.change?.write.to !== 'removed') throw new Error('nothing was removed');
    const again = purge(
      HOST_ID,
      anOrder({ reason: 'another', force: true }),
      held({ tombstone: before.change.write.tombstone, now: msAfter(NOON, 5_000) }),
    );
    expect(again).toEqual({ answer: before.answer });
  });

  it.each([
    [-1, { code: 'process_server_connected', leaseExpiresAt: NOON }],
    [0, null],
    [60_000, null],
  ])('%d ms after the end of the lease is refused with %j', (overdueMs, fault) => {
    const record = held({
      entry: aSilentServer(),
      now: msAfter(NOON, overdueMs),
      listenedMs: LISTENED_AT_NOON + overdueMs,
    });
    expect(refusal(anOrder(), record)).toEqual(fault);
  });

  it.each([
    ['of a host id that nobody knows', held(), 3, { code: 'process_server_not_found' }],
    [
      'of a generation that has registered again',
      held({ entry: aSilentServer({ generation: 4 }) }),
      3,
      { code: 'generation_superseded', given: 3, current: 4 },
    ],
    [
      'of a generation that is still to come',
      held({ entry: aSilentServer({ generation: 2 }) }),
      3,
      { code: 'generation_unknown', given: 3, current: 2 },
    ],
    [
      'of a generation before the one that was purged',
      held({ tombstone: aTombstone({ generation: 4 }) }),
      3,
      { code: 'generation_superseded', given: 3, current: 4 },
    ],
    [
      'of a generation after the one that was purged',
      held({ tombstone: aTombstone({ generation: 2 }) }),
      3,
      { code: 'generation_unknown', given: 3, current: 2 },
    ],
    [
      'of one that the clean-up has removed',
      held({ tombstone: aTombstone({ removal: 'clean_up' }) }),
      3,
      { code: 'generation_retired', removal: 'clean_up' },
    ],
    [
      'of one that protects machines',
      held({ entry: aSilentServer({ health: protecting(2) }) }),
      3,
      { code: 'machines_protected', protectedMachineCount: 2 },
    ],
    [
      'of one whose last count of machines could not be used',
      held({ entry: aSilentServer({ health: UNKNOWN_COUNT }) }),
      3,
      { code: 'machines_unknown' },
    ],
  ] as const)('%s is refused', (_case, record, generation, fault) => {
    expect(refusal(anOrder({ generation }), record)).toEqual(fault);
  });

  it.each(['', '   '])('without a reason (%j) is refused', (reason) => {
    expect(refusal(anOrder({ reason }), held({ entry: aSilentServer() }))).toEqual({ code: 'reason_required' });
    expect(refusal(anOrder({ reason, force: true }), held({ entry: aSilentServer() }))).toEqual({
      code: 'reason_required',
    });
  });

  it.each([
    ['a Connected one', aProcessServer(), 'Connected'],
    ['one that protects machines', aSilentServer({ health: protecting(2) }), 'Disconnected'],
    ['one whose count of machines is unknown', aSilentServer({ health: UNKNOWN_COUNT }), 'Disconnected'],
  ])('that is forced takes %s, as an event of its own kind', (_case, entry, connectionState) => {
    const { change } = purge(HOST_ID, anOrder({ force: true }), held({ entry }));
    expect(change?.write).toMatchObject({ to: 'removed', evenIfConnected: true });
    expect(change?.event).toMatchObject({
      kind: 'purged_by_force',
      detail: { connectionState, protectedMachineCount: entry.health.protectedMachineCount },
    });
  });

  it('that a plan forces leaves a Connected one, and takes one that protects machines as an event of the forced kind', () => {
    const order = anOrder({ force: true, planId: 'plan-1' });
    expect(refusal(order, held({ entry: aProcessServer() }))).toMatchObject({ code: 'process_server_connected' });
    const { change } = purge(HOST_ID, order, held({ entry: aSilentServer({ health: protecting(2) }) }));
    expect(change).toMatchObject({
      write: { to: 'removed', evenIfConnected: false },
      event: { kind: 'purged_by_force', detail: { planId: 'plan-1' } },
    });
  });

  it('that is forced still takes only the generation that the operator saw', () => {
    expect(refusal(anOrder({ force: true }), held({ entry: aProcessServer({ generation: 4 }) }))).toMatchObject({
      code: 'generation_superseded',
    });
  });
});

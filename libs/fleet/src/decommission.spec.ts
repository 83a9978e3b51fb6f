import { describe, expect, it } from '@jest/globals';
import { decommission, removeByFrom, type DecommissionBy, type DecommissionOrder } from './decommission.js';
import { FleetError } from './fleet-fault.js';
import { NOTHING_REPORTED } from './health.js';
import type { HeldRecord } from './ports.js';
import { connectionStateAt } from './process-server.js';
import {
  aLease,
  aLeavingServer,
  AN_OPERATOR,
  aProcessServer,
  aSilentServer,
  aTombstone,
  held,
  LISTENED_AT_NOON,
  msAfter,
  NOON,
} from './testing/examples.js';

const TIMING = { graceSeconds: 300, intervalSeconds: 60 };
const ITSELF: DecommissionBy = { kind: 'process_server', generation: 3, credentialHash: 'aa'.repeat(32) };
const OPERATOR: DecommissionBy = { kind: 'operator' };

const anOrder = (by: DecommissionBy, over: Partial<DecommissionOrder> = {}): DecommissionOrder => ({
  by,
  actor: AN_OPERATOR,
  generation: null,
  force: false,
  reason: null,
  ...over,
});
const leaving = (order: DecommissionOrder, record: HeldRecord) => decommission(order, record, TIMING);
const protecting = (protectedMachineCount: number | null) => ({ ...NOTHING_REPORTED, protectedMachineCount });

function refusal(order: DecommissionOrder, record: HeldRecord): unknown {
  try {
    leaving(order, record);
  } catch (error) {
    return error instanceof FleetError ? error.fault : error;
  }
  return null;
}

it('promises to be gone a grace and two sweeps later', () => {
  expect(removeByFrom(NOON, TIMING)).toEqual(msAfter(NOON, 420_000));
  expect(removeByFrom(NOON, { graceSeconds: 0, intervalSeconds: 1 })).toEqual(msAfter(NOON, 2_000));
});

describe('decommissioning', () => {
  it.each([
    ['by the process server itself while Connected', ITSELF, held({ entry: aProcessServer() })],
    ['by the process server itself while Disconnected', ITSELF, held({ entry: aSilentServer() })],
    ['by an operator while Connected', OPERATOR, held({ entry: aProcessServer({ health: protecting(0) }) })],
  ])('%s marks the entry and ends its lease at once', (_case, by, record) => {
    const { answer, change } = leaving(anOrder(by), record);
    expect(answer).toEqual({ at: NOON, by: 'anna', reason: null, removeBy: msAfter(NOON, 420_000) });
    expect(change?.write).toEqual({
      to: 'decommissioned',
      entry: {
        ...record.entry,
        decommission: answer,
        lease: { ...record.entry?.lease, endsAtListenedMs: LISTENED_AT_NOON - 1_500 },
      },
    });
    expect(change?.event).toMatchObject({ kind: 'decommissioned', generation: 3, actor: 'anna' });
  });

  it.each([
    ['while its lease runs', aProcessServer(), undefined],
    [
      'after its lease has ended',
      aSilentServer(),
      { from: msAfter(NOON, -120_000).toISOString(), to: NOON.toISOString() },
    ],
  ])('by the process server itself %s: the silence that it ends', (_case, entry, silence) => {
    expect(leaving(anOrder(ITSELF), held({ entry })).change?.endedSilence?.detail).toEqual(silence);
  });

  it('leaves nobody Connected for a replica whose clock is a second behind', () => {
    const { change } = leaving(anOrder(ITSELF), held({ entry: aProcessServer() }));
    const entry = change?.write.to === 'decommissioned' ? change.write.entry : aProcessServer();
    expect(connectionStateAt(LISTENED_AT_NOON - 1_000, entry)).toBe('Disconnected');
  });

  it('does not move the end of a lease that has ended before', () => {
    const entry = aProcessServer({ lease: aLease({ endsAtListenedMs: 5 }) });
    expect(leaving(anOrder(ITSELF), held({ entry })).change?.write).toMatchObject({
      entry: { lease: { endsAtListenedMs: 5 } },
    });
  });

  it.each([
    ['by itself', ITSELF],
    ['by an operator', OPERATOR],
  ])('again, %s, changes nothing and answers the same', (_case, by) => {
    const entry = aLeavingServer({ health: protecting(9) });
    expect(leaving(anOrder(by, { force: true }), held({ entry }))).toEqual({ answer: entry.decommission });
  });
});

describe('a process server that asks to leave is refused', () => {
  it.each([
    ['when it was purged', held({ tombstone: aTombstone() }), ITSELF, { code: 'generation_retired', removal: 'purge' }],
    [
      'when it has been cleaned up',
      held({ tombstone: aTombstone({ removal: 'clean_up' }) }),
      ITSELF,
      { code: 'generation_retired', removal: 'clean_up' },
    ],
    ['when nobody knows it', held(), ITSELF, { code: 'process_server_not_found' }],
    [
      'by an older generation',
      held({ entry: aProcessServer({ generation: 4 }) }),
      ITSELF,
      { code: 'generation_superseded', given: 3, current: 4 },
    ],
    [
      'by a newer generation',
      held({ entry: aProcessServer({ generation: 2 }) }),
      ITSELF,
      { code: 'generation_unknown', given: 3, current: 2 },
    ],
    [
      'by a revoked credential',
      held({ entry: aProcessServer({ lease: aLease({ revoked: true }) }) }),
      ITSELF,
      { code: 'credential_revoked' },
    ],
    [
      'by another credential',
      held({ entry: aProcessServer() }),
      { ...ITSELF, credentialHash: 'bb'.repeat(32) },
      { code: 'credential_rejected' },
    ],
    [
      'by another credential while it is leaving',
      held({ entry: aLeavingServer() }),
      { ...ITSELF, credentialHash: 'bb'.repeat(32) },
      { code: 'credential_rejected' },
    ],
    [
      'by an older generation while a newer one is leaving',
      held({ entry: aLeavingServer({ generation: 4 }) }),
      ITSELF,
      { code: 'generation_retired', removal: 'clean_up' },
    ],
  ] as const)('%s', (_case, record, by, fault) => {
    expect(refusal(anOrder(by), record)).toEqual(fault);
  });
});

describe('an operator is refused', () => {
  it.each([
    ['for one that nobody knows', held(), { code: 'process_server_not_found' }],
    ['for one that is gone', held({ tombstone: aTombstone() }), { code: 'generation_retired', removal: 'purge' }],
    [
      'for a Disconnected one',
      held({ entry: aSilentServer({ health: protecting(0) }) }),
      { code: 'process_server_disconnected' },
    ],
  ] as const)('%s', (_case, record, fault) => {
    expect(refusal(anOrder(OPERATOR), record)).toEqual(fault);
  });

  it.each([
    [-1, null],
    [0, { code: 'process_server_disconnected' }],
  ])('%d ms after the end of its lease: %j', (overdueMs, fault) => {
    const record = held({ entry: aSilentServer({ health: protecting(0) }), listenedMs: LISTENED_AT_NOON + overdueMs });
    expect(refusal(anOrder(OPERATOR), record)).toEqual(fault);
  });
});

describe('the generation that the caller saw', () => {
  it.each([
    ['is the present one', held({ entry: aProcessServer({ health: protecting(0) }) }), 3, null],
    [
      'was replaced',
      held({ entry: aProcessServer({ health: protecting(0) }) }),
      2,
      { code: 'generation_superseded', given: 2, current: 3 },
    ],
    [
      'was replaced by one that is Disconnected',
      held({ entry: aSilentServer() }),
      2,
      { code: 'generation_superseded', given: 2, current: 3 },
    ],
    [
      'is not known',
      held({ entry: aProcessServer({ health: protecting(0) }) }),
      4,
      { code: 'generation_unknown', given: 4, current: 3 },
    ],
    ['is gone', held({ tombstone: aTombstone() }), 3, { code: 'generation_retired', removal: 'purge' }],
    ['is leaving', held({ entry: aLeavingServer() }), 3, null],
    [
      'was replaced by one that is leaving',
      held({ entry: aLeavingServer() }),
      2,
      { code: 'generation_superseded', given: 2, current: 3 },
    ],
  ] as const)('%s', (_case, record, generation, fault) => {
    expect(refusal(anOrder(OPERATOR, { generation }), record)).toEqual(fault);
  });

  it('counts also when it is forced, and for the process server itself', () => {
    const record = held({ entry: aProcessServer() });
    const superseded = { code: 'generation_superseded', given: 2, current: 3 };
    expect(refusal(anOrder(OPERATOR, { generation: 2, force: true, reason: 'test' }), record)).toEqual(superseded);
    expect(refusal(anOrder(ITSELF, { generation: 2 }), record)).toEqual(superseded);
  });
});

describe('protected machines', () => {
  it.each([
    ['itself', ITSELF, 0, null],
    ['itself', ITSELF, null, null],
    ['itself', ITSELF, 1, { code: 'machines_protected', protectedMachineCount: 1 }],
    ['an operator', OPERATOR, 0, null],
    ['an operator', OPERATOR, null, { code: 'machines_unknown' }],
    ['an operator', OPERATOR, 7, { code: 'machines_protected', protectedMachineCount: 7 }],
  ] as const)('hold it back when %s asks and it last reported %j: %j', (_case, by, count, fault) => {
    const record = held({ entry: aProcessServer({ health: protecting(count) }) });
    expect(refusal(anOrder(by), record)).toEqual(fault);
  });

  it.each([
    ['itself', ITSELF],
    ['an operator', OPERATOR],
  ] as const)('hold it back when %s asks and the last count could not be used', (_case, by) => {
    const record = held({ entry: aProcessServer({ health: { ...NOTHING_REPORTED, protectedMachinesUnknown: true } }) });
    expect(refusal(anOrder(by), record)).toEqual({ code: 'machines_unknown' });
    expect(refusal(anOrder(by, { force: true, reason: 'moved by hand' }), record)).toBeNull();
  });

  it.each([
    ['itself', ITSELF, 7],
    ['an operator', OPERATOR, 7],
    ['an operator', OPERATOR, null],
  ])('do not when %s forces with a reason', (_case, by, count) => {
    const record = held({ entry: aProcessServer({ health: protecting(count) }) });
    const { answer, change } = leaving(anOrder(by, { force: true, reason: '  moved by hand ' }), record);
    expect(answer.reason).toBe('moved by hand');
    expect(change?.event).toMatchObject({
      kind: 'decommissioned_by_force',
      detail: { reason: 'moved by hand', protectedMachineCount: count },
    });
  });

  it.each([null, '', '   '])('force without a reason (%j) is refused', (reason) => {
    expect(refusal(anOrder(OPERATOR, { force: true, reason }), held({ entry: aProcessServer() }))).toEqual({
      code: 'reason_required',
    });
  });
});

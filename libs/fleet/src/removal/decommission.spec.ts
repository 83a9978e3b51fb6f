import { describe, expect, it } from '@jest/globals';
import { decommission, removalDeadline, type DecommissionActor, type DecommissionCommand } from './decommission.js';
import { FleetError } from '../fleet-error.js';
import { NO_REPORT } from '../health/health.js';
import type { LockedRecord } from '../ports.js';
import { connectionStateAt } from '../process-server.js';
import {
  aLease,
  aDecommissionedServer,
  AN_OPERATOR,
  aProcessServer,
  aDisconnectedServer,
  aTombstone,
  aLockedRecord,
  AVAILABLE_AT_NOON,
  msAfter,
  NOON,
} from '../testing/examples.js';

const TIMING = { graceSeconds: 300, intervalSeconds: 60 };
const ITSELF: DecommissionActor = { kind: 'process_server', generation: 3, credentialHash: 'aa'.repeat(32) };
const OPERATOR: DecommissionActor = { kind: 'operator' };

const aCommand = (by: DecommissionActor, over: Partial<DecommissionCommand> = {}): DecommissionCommand => ({
  by,
  actor: AN_OPERATOR,
  generation: null,
  force: false,
  reason: null,
  ...over,
});
const decommissioned = (command: DecommissionCommand, record: LockedRecord) => decommission(command, record, TIMING);
const protecting = (protectedMachineCount: number | null) => ({ ...NO_REPORT, protectedMachineCount });

function rejectionOf(command: DecommissionCommand, record: LockedRecord): unknown {
  try {
    decommissioned(command, record);
  } catch (error) {
    return error instanceof FleetError ? error.details : error;
  }
  return null;
}

it('the removal deadline is the grace period and two intervals later', () => {
  expect(removalDeadline(NOON, TIMING)).toEqual(msAfter(NOON, 420_000));
  expect(removalDeadline(NOON, { graceSeconds: 0, intervalSeconds: 1 })).toEqual(msAfter(NOON, 2_000));
});

describe('decommissioning', () => {
  it.each([
    ['by the process server itself while Connected', ITSELF, aLockedRecord({ entry: aProcessServer() })],
    ['by the process server itself while Disconnected', ITSELF, aLockedRecord({ entry: aDisconnectedServer() })],
    ['by an operator while Connected', OPERATOR, aLockedRecord({ entry: aProcessServer({ health: protecting(0) }) })],
  ])('%s marks the entry and ends its lease at once', (_case, by, record) => {
    const { result, change } = decommissioned(aCommand(by), record);
    expect(result).toEqual({ at: NOON, by: 'anna', reason: null, removeBy: msAfter(NOON, 420_000) });
    expect(change?.write).toEqual({
      to: 'decommissioned',
      entry: {
        ...record.entry,
        decommission: result,
        lease: { ...record.entry?.lease, expiresAvailableMs: AVAILABLE_AT_NOON - 1_500 },
      },
    });
    expect(change?.event).toMatchObject({ kind: 'decommissioned', generation: 3, actor: 'anna' });
  });

  it.each([
    ['while its lease runs', aProcessServer(), undefined],
    [
      'after its lease has ended',
      aDisconnectedServer(),
      { from: msAfter(NOON, -120_000).toISOString(), to: NOON.toISOString() },
    ],
  ])('by the process server itself %s records the ended silence', (_case, entry, silence) => {
    expect(decommissioned(aCommand(ITSELF), aLockedRecord({ entry })).change?.endedSilence?.detail).toEqual(silence);
  });

  it('ends the lease also for a replica whose clock is a second behind', () => {
    const { change } = decommissioned(aCommand(ITSELF), aLockedRecord({ entry: aProcessServer() }));
    const entry = change?.write.to === 'decommissioned' ? change.write.entry : aProcessServer();
    expect(connectionStateAt(AVAILABLE_AT_NOON - 1_000, entry)).toBe('Disconnected');
  });

  it('keeps the expiry of a lease that has already expired', () => {
    const entry = aProcessServer({ lease: aLease({ expiresAvailableMs: 5 }) });
    expect(decommissioned(aCommand(ITSELF), aLockedRecord({ entry })).change?.write).toMatchObject({
      entry: { lease: { expiresAvailableMs: 5 } },
    });
  });

  it.each([
    ['by itself', ITSELF],
    ['by an operator', OPERATOR],
  ])('a second time %s changes nothing and returns the same', (_case, by) => {
    const entry = aDecommissionedServer({ health: protecting(9) });
    expect(decommissioned(aCommand(by, { force: true }), aLockedRecord({ entry }))).toEqual({
      result: entry.decommission,
    });
  });
});

describe('decommissioning by the process server itself is rejected', () => {
  it.each([
    [
      'when it was purged',
      aLockedRecord({ tombstone: aTombstone() }),
      ITSELF,
      { code: 'generation_retired', removal: 'purge' },
    ],
    [
      'when the clean-up removed it',
      aLockedRecord({ tombstone: aTombstone({ removal: 'clean_up' }) }),
      ITSELF,
      { code: 'generation_retired', removal: 'clean_up' },
    ],
    ['for an unknown host id', aLockedRecord(), ITSELF, { code: 'process_server_not_found' }],
    [
      'with an older generation',
      aLockedRecord({ entry: aProcessServer({ generation: 4 }) }),
      ITSELF,
      { code: 'generation_superseded', given: 3, current: 4 },
    ],
    [
      'with a newer generation',
      aLockedRecord({ entry: aProcessServer({ generation: 2 }) }),
      ITSELF,
      { code: 'generation_unknown', given: 3, current: 2 },
    ],
    [
      'with a revoked credential',
      aLockedRecord({ entry: aProcessServer({ lease: aLease({ revoked: true }) }) }),
      ITSELF,
      { code: 'credential_revoked' },
    ],
    [
      'with another credential',
      aLockedRecord({ entry: aProcessServer() }),
      { ...ITSELF, credentialHash: 'bb'.repeat(32) },
      { code: 'credential_rejected' },
    ],
    [
      'with another credential while it is decommissioned',
      aLockedRecord({ entry: aDecommissionedServer() }),
      { ...ITSELF, credentialHash: 'bb'.repeat(32) },
      { code: 'credential_rejected' },
    ],
    [
      'with an older generation while a newer one is decommissioned',
      aLockedRecord({ entry: aDecommissionedServer({ generation: 4 }) }),
      ITSELF,
      { code: 'generation_retired', removal: 'clean_up' },
    ],
  ] as const)('%s', (_case, record, by, rejection) => {
    expect(rejectionOf(aCommand(by), record)).toEqual(rejection);
  });
});

describe('decommissioning by an operator is rejected', () => {
  it.each([
    ['for an unknown host id', aLockedRecord(), { code: 'process_server_not_found' }],
    [
      'for a purged process server',
      aLockedRecord({ tombstone: aTombstone() }),
      { code: 'generation_retired', removal: 'purge' },
    ],
    [
      'for a Disconnected process server',
      aLockedRecord({ entry: aDisconnectedServer({ health: protecting(0) }) }),
      { code: 'process_server_disconnected' },
    ],
  ] as const)('%s', (_case, record, rejection) => {
    expect(rejectionOf(aCommand(OPERATOR), record)).toEqual(rejection);
  });

  it.each([
    [-1, null],
    [0, { code: 'process_server_disconnected' }],
  ])('%d ms after the lease expired with %j', (overdueMs, rejection) => {
    const record = aLockedRecord({
      entry: aDisconnectedServer({ health: protecting(0) }),
      availableMs: AVAILABLE_AT_NOON + overdueMs,
    });
    expect(rejectionOf(aCommand(OPERATOR), record)).toEqual(rejection);
  });
});

describe('the generation that the caller saw', () => {
  it.each([
    ['is the current one', aLockedRecord({ entry: aProcessServer({ health: protecting(0) }) }), 3, null],
    [
      'was replaced',
      aLockedRecord({ entry: aProcessServer({ health: protecting(0) }) }),
      2,
      { code: 'generation_superseded', given: 2, current: 3 },
    ],
    [
      'was replaced by a Disconnected one',
      aLockedRecord({ entry: aDisconnectedServer() }),
      2,
      { code: 'generation_superseded', given: 2, current: 3 },
    ],
    [
      'is unknown',
      aLockedRecord({ entry: aProcessServer({ health: protecting(0) }) }),
      4,
      { code: 'generation_unknown', given: 4, current: 3 },
    ],
    ['was purged', aLockedRecord({ tombstone: aTombstone() }), 3, { code: 'generation_retired', removal: 'purge' }],
    ['is decommissioned', aLockedRecord({ entry: aDecommissionedServer() }), 3, null],
    [
      'was replaced by a decommissioned one',
      aLockedRecord({ entry: aDecommissionedServer() }),
      2,
      { code: 'generation_superseded', given: 2, current: 3 },
    ],
  ] as const)('%s', (_case, record, generation, rejection) => {
    expect(rejectionOf(aCommand(OPERATOR, { generation }), record)).toEqual(rejection);
  });

  it('is checked also with force, and for the process server itself', () => {
    const record = aLockedRecord({ entry: aProcessServer() });
    const superseded = { code: 'generation_superseded', given: 2, current: 3 };
    expect(rejectionOf(aCommand(OPERATOR, { generation: 2, force: true, reason: 'test' }), record)).toEqual(superseded);
    expect(rejectionOf(aCommand(ITSELF, { generation: 2 }), record)).toEqual(superseded);
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
  ] as const)('are checked when %s asks after a reported count of %j: %j', (_case, by, count, rejection) => {
    const record = aLockedRecord({ entry: aProcessServer({ health: protecting(count) }) });
    expect(rejectionOf(aCommand(by), record)).toEqual(rejection);
  });

  it.each([
    ['itself', ITSELF],
    ['an operator', OPERATOR],
  ] as const)('prevent it when %s asks and the last count was invalid', (_case, by) => {
    const record = aLockedRecord({
      entry: aProcessServer({ health: { ...NO_REPORT, protectedMachinesUnknown: true } }),
    });
    expect(rejectionOf(aCommand(by), record)).toEqual({ code: 'machines_unknown' });
    expect(rejectionOf(aCommand(by, { force: true, reason: 'moved by hand' }), record)).toBeNull();
  });

  it.each([
    ['itself', ITSELF, 7],
    ['an operator', OPERATOR, 7],
    ['an operator', OPERATOR, null],
  ])('do not prevent it when %s forces with a reason', (_case, by, count) => {
    const record = aLockedRecord({ entry: aProcessServer({ health: protecting(count) }) });
    const { result, change } = decommissioned(aCommand(by, { force: true, reason: '  moved by hand ' }), record);
    expect(result.reason).toBe('moved by hand');
    expect(change?.event).toMatchObject({
      kind: 'decommissioned_by_force',
      detail: { reason: 'moved by hand', protectedMachineCount: count },
    });
  });

  it.each([null, '', '   '])('reject force without a reason (%j)', (reason) => {
    expect(
      rejectionOf(aCommand(OPERATOR, { force: true, reason }), aLockedRecord({ entry: aProcessServer() })),
    ).toEqual({
      code: 'reason_required',
    });
  });
});

import { describe, expect, it } from '@jest/globals';
import { FleetError } from '../fleet-error.js';
import { NO_REPORT } from '../health/health.js';
import type { LockedRecord } from '../ports.js';
import { purge, type PurgeCommand } from './purge.js';
import {
  aDecommissionedServer,
  AN_OPERATOR,
  aProcessServer,
  aDisconnectedServer,
  aTombstone,
  aLockedRecord,
  HOST_ID,
  AVAILABLE_AT_NOON,
  msAfter,
  NOON,
} from '../testing/examples.js';

const aCommand = (over: Partial<PurgeCommand> = {}): PurgeCommand => ({
  generation: 3,
  reason: 'scrapped',
  force: false,
  actor: AN_OPERATOR,
  planId: null,
  ...over,
});
const protecting = (protectedMachineCount: number | null) => ({ ...NO_REPORT, protectedMachineCount });

const UNKNOWN_COUNT = { ...NO_REPORT, protectedMachinesUnknown: true };

function rejectionOf(command: PurgeCommand, record: LockedRecord): unknown {
  try {
    purge(HOST_ID, command, record);
  } catch (error) {
    return error instanceof FleetError ? error.details : error;
  }
  return null;
}

describe('a purge', () => {
  it.each([
    ['a Disconnected entry', aDisconnectedServer()],
    ['a Decommissioned entry, at once', aDecommissionedServer()],
    ['an entry that last reported no protected machines', aDisconnectedServer({ health: protecting(0) })],
  ])('replaces %s with a tombstone', (_case, entry) => {
    const { result, change } = purge(
      HOST_ID,
      aCommand({ reason: ' scrapped ', planId: 'plan-1' }),
      aLockedRecord({ entry }),
    );
    expect(result).toEqual({ hostId: HOST_ID, friendlyName: 'ps-berlin-1', ipAddress: '192.0.2.11', purgedAt: NOON });
    expect(change?.write).toEqual({
      to: 'removed',
      tombstone: aTombstone({ removedAt: NOON, planId: 'plan-1' }),
      allowConnected: false,
    });
    expect(change?.event).toMatchObject({
      kind: 'purged',
      generation: 3,
      actor: 'anna',
      detail: { reason: 'scrapped', planId: 'plan-1', connectionState: 'Disconnected' },
    });
  });

  it.each([
    [NOON, NOON.toISOString()],
    [null, null],
  ])('records the last heartbeat (%j) in its event', (lastHeartbeatAt, written) => {
    const { lease } = aDisconnectedServer();
    const { change } = purge(
      HOST_ID,
      aCommand(),
      aLockedRecord({ entry: aDisconnectedServer({ lease: { ...lease, lastHeartbeatAt } }) }),
    );
    expect(change?.event.detail).toMatchObject({ lastHeartbeatAt: written });
  });

  it('a second time changes nothing and returns the same', () => {
    const before = purge(HOST_ID, aCommand(), aLockedRecord({ entry: aDisconnectedServer() }));
    if (before.change?.write.to !== 'removed') throw new Error('nothing was removed');
    const again = purge(
      HOST_ID,
      aCommand({ reason: 'another', force: true }),
      aLockedRecord({ tombstone: before.change.write.tombstone, at: msAfter(NOON, 5_000) }),
    );
    expect(again).toEqual({ result: before.result });
  });

  it.each([
    [-1, { code: 'process_server_connected', leaseExpiresAt: NOON }],
    [0, null],
    [60_000, null],
  ])('%d ms after the lease expired is rejected with %j', (overdueMs, rejection) => {
    const record = aLockedRecord({
      entry: aDisconnectedServer(),
      at: msAfter(NOON, overdueMs),
      availableMs: AVAILABLE_AT_NOON + overdueMs,
    });
    expect(rejectionOf(aCommand(), record)).toEqual(rejection);
  });

  it.each([
    ['of an unknown host id', aLockedRecord(), 3, { code: 'process_server_not_found' }],
    [
      'of a replaced generation',
      aLockedRecord({ entry: aDisconnectedServer({ generation: 4 }) }),
      3,
      { code: 'generation_superseded', given: 3, current: 4 },
    ],
    [
      'of a future generation',
      aLockedRecord({ entry: aDisconnectedServer({ generation: 2 }) }),
      3,
      { code: 'generation_unknown', given: 3, current: 2 },
    ],
    [
      'of a generation before the purged one',
      aLockedRecord({ tombstone: aTombstone({ generation: 4 }) }),
      3,
      { code: 'generation_superseded', given: 3, current: 4 },
    ],
    [
      'of a generation after the purged one',
      aLockedRecord({ tombstone: aTombstone({ generation: 2 }) }),
      3,
      { code: 'generation_unknown', given: 3, current: 2 },
    ],
    [
      'of an entry removed by the clean-up',
      aLockedRecord({ tombstone: aTombstone({ removal: 'clean_up' }) }),
      3,
      { code: 'generation_retired', removal: 'clean_up' },
    ],
    [
      'of an entry with protected machines',
      aLockedRecord({ entry: aDisconnectedServer({ health: protecting(2) }) }),
      3,
      { code: 'machines_protected', protectedMachineCount: 2 },
    ],
    [
      'of an entry whose last count of protected machines was invalid',
      aLockedRecord({ entry: aDisconnectedServer({ health: UNKNOWN_COUNT }) }),
      3,
      { code: 'machines_unknown' },
    ],
  ] as const)('%s is rejected', (_case, record, generation, rejection) => {
    expect(rejectionOf(aCommand({ generation }), record)).toEqual(rejection);
  });

  it.each(['', '   '])('without a reason (%j) is rejected', (reason) => {
    expect(rejectionOf(aCommand({ reason }), aLockedRecord({ entry: aDisconnectedServer() }))).toEqual({
      code: 'reason_required',
    });
    expect(rejectionOf(aCommand({ reason, force: true }), aLockedRecord({ entry: aDisconnectedServer() }))).toEqual({
      code: 'reason_required',
    });
  });

  it.each([
    ['a Connected process server', aProcessServer(), 'Connected'],
    ['one that protects machines', aDisconnectedServer({ health: protecting(2) }), 'Disconnected'],
    ['one whose count of machines is unknown', aDisconnectedServer({ health: UNKNOWN_COUNT }), 'Disconnected'],
  ])('with force removes %s, with an event of its own kind', (_case, entry, connectionState) => {
    const { change } = purge(HOST_ID, aCommand({ force: true }), aLockedRecord({ entry }));
    expect(change?.write).toMatchObject({ to: 'removed', allowConnected: true });
    expect(change?.event).toMatchObject({
      kind: 'purged_by_force',
      detail: { connectionState, protectedMachineCount: entry.health.protectedMachineCount },
    });
  });

  it('with force in a plan keeps a Connected process server, and removes one with protected machines with the forced event kind', () => {
    const command = aCommand({ force: true, planId: 'plan-1' });
    expect(rejectionOf(command, aLockedRecord({ entry: aProcessServer() }))).toMatchObject({
      code: 'process_server_connected',
    });
    const { change } = purge(
      HOST_ID,
      command,
      aLockedRecord({ entry: aDisconnectedServer({ health: protecting(2) }) }),
    );
    expect(change).toMatchObject({
      write: { to: 'removed', allowConnected: false },
      event: { kind: 'purged_by_force', detail: { planId: 'plan-1' } },
    });
  });

  it('with force removes only the generation that the operator saw', () => {
    expect(
      rejectionOf(aCommand({ force: true }), aLockedRecord({ entry: aProcessServer({ generation: 4 }) })),
    ).toMatchObject({
      code: 'generation_superseded',
    });
  });
});

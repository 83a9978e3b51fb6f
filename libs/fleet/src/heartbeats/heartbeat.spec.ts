import { describe, expect, it } from '@jest/globals';
import { EVENT_KINDS, rejectionKey } from '../events/fleet-event.js';
import {
  checkCredential,
  checkHeartbeat,
  heartbeatEvents,
  nextInstances,
  rejectionEventKind,
  type Instances,
  type StoredLease,
} from './heartbeat.js';
import { aHeartbeat, aStoredLease, HOST_ID, AVAILABLE_AT_NOON, msAfter, NOON } from '../testing/examples.js';
import { parseVersion, type Version } from '../version/version.js';

const OTHER_HASH = 'bb'.repeat(32);
const OTHER_MACHINE = 'machine-2';

describe('a heartbeat is rejected for the first reason that applies', () => {
  /** In the order of the contract: each row adds one reason, and the reasons of all later rows apply as well. */
  const everythingWrong: StoredLease = aStoredLease({
    retired: true,
    revoked: true,
    generation: 4,
    credentialHash: OTHER_HASH,
    machineId: OTHER_MACHINE,
  });

  it.each([
    [
      'a newer generation than that of the purge',
      everythingWrong,
      { removal: 'purge', generation: 4 },
      5,
      { code: 'generation_unknown', given: 5, current: 4 },
    ],
    [
      'a newer generation than that of the clean-up',
      null,
      { removal: 'clean_up', generation: 4 },
      5,
      { code: 'generation_unknown', given: 5, current: 4 },
    ],
    [
      'a newer generation than that of a decommissioned entry',
      everythingWrong,
      null,
      5,
      { code: 'generation_unknown', given: 5, current: 4 },
    ],
    [
      'a tombstone of a purge',
      everythingWrong,
      { removal: 'purge', generation: 3 },
      3,
      { code: 'generation_retired', removal: 'purge' },
    ],
    [
      'a tombstone of the clean-up',
      everythingWrong,
      { removal: 'clean_up', generation: 3 },
      3,
      { code: 'generation_retired', removal: 'clean_up' },
    ],
    ['a decommissioned entry', everythingWrong, null, 3, { code: 'generation_retired', removal: 'clean_up' }],
    ['an unknown host id', null, null, 3, { code: 'process_server_not_found' }],
    [
      'an older generation',
      { ...everythingWrong, retired: false },
      null,
      3,
      { code: 'generation_superseded', given: 3, current: 4 },
    ],
    [
      'a newer generation',
      { ...everythingWrong, retired: false },
      null,
      5,
      { code: 'generation_unknown', given: 5, current: 4 },
    ],
    ['a revoked credential', { ...everythingWrong, retired: false }, null, 4, { code: 'credential_revoked' }],
    [
      'another credential',
      { ...everythingWrong, retired: false, revoked: false },
      null,
      4,
      { code: 'credential_rejected' },
    ],
    [
      'another machine',
      aStoredLease({ generation: 4, machineId: OTHER_MACHINE, sourceAddress: '192.0.2.99' }),
      null,
      4,
      { code: 'host_id_conflict', registeredAddress: '192.0.2.99', otherAddress: '192.0.2.11' },
    ],
    ['nothing', aStoredLease({ generation: 4 }), null, 4, null],
  ] as const)('%s', (_case, stored, tombstone, generation, rejection) => {
    expect(checkHeartbeat(aHeartbeat({ generation, machineId: 'machine-1' }), stored, tombstone)).toEqual(rejection);
  });

  it('checkCredential applies the same checks, except machine and instance', () => {
    const stored = aStoredLease({ machineId: OTHER_MACHINE });
    expect(checkCredential(aHeartbeat({ machineId: 'machine-1' }), stored, null)).toBeNull();
    expect(checkCredential(aHeartbeat({ credentialHash: OTHER_HASH }), stored, null)).toEqual({
      code: 'credential_rejected',
    });
  });
});

describe('two senders under one host id', () => {
  const CONFLICT = { code: 'host_id_conflict', registeredAddress: '192.0.2.11', otherAddress: '192.0.2.12' };

  it.each([
    ['no machine id is accepted', { machineId: null }, {}, null],
    ['the registered machine is accepted', { machineId: 'machine-1' }, {}, null],
    ['another machine is a conflict', { machineId: 'machine-2' }, {}, CONFLICT],
    ['the first instance is accepted', { instanceId: 'a' }, {}, null],
    ['the current instance is accepted', { instanceId: 'b' }, { instanceId: 'b', replacedInstanceIds: ['a'] }, null],
    ['the next instance is accepted', { instanceId: 'c' }, { instanceId: 'b', replacedInstanceIds: ['a'] }, null],
    [
      'an instance that a later one has replaced is a conflict',
      { instanceId: 'a' },
      { instanceId: 'b', replacedInstanceIds: ['a'] },
      CONFLICT,
    ],
    [
      'an instance that was replaced twice is a conflict',
      { instanceId: 'a' },
      { instanceId: 'c', replacedInstanceIds: ['b', 'a'] },
      CONFLICT,
    ],
    ['no instance id is accepted', { instanceId: null }, { instanceId: 'b', replacedInstanceIds: ['a'] }, null],
    [
      'an instance that is both current and replaced is accepted',
      { instanceId: 'a' },
      { instanceId: 'a', replacedInstanceIds: ['a'] },
      null,
    ],
  ] as const)('%s', (_case, expected, known, rejection) => {
    expect(checkHeartbeat(aHeartbeat({ ...expected, sourceAddress: '192.0.2.12' }), aStoredLease(known), null)).toEqual(
      rejection,
    );
  });

  it.each([
    [null, { instanceId: null, replacedInstanceIds: [] }, { instanceId: null, replacedInstanceIds: [] }],
    ['a', { instanceId: null, replacedInstanceIds: [] }, { instanceId: 'a', replacedInstanceIds: [] }],
    ['a', { instanceId: 'a', replacedInstanceIds: [] }, { instanceId: 'a', replacedInstanceIds: [] }],
    ['b', { instanceId: 'a', replacedInstanceIds: [] }, { instanceId: 'b', replacedInstanceIds: ['a'] }],
    [null, { instanceId: 'b', replacedInstanceIds: ['a'] }, { instanceId: 'b', replacedInstanceIds: ['a'] }],
    ['c', { instanceId: 'b', replacedInstanceIds: ['a'] }, { instanceId: 'c', replacedInstanceIds: ['b', 'a'] }],
  ] satisfies [string | null, Instances, Instances][])(
    'after a heartbeat of instance %j, %j becomes %j',
    (instanceId, before, after) => {
      expect(nextInstances({ instanceId }, before)).toEqual(after);
    },
  );

  it.each([
    ['a clone', ['source', 'source', 'clone', 'source', 'clone'], [3]],
    ['two clones', ['source', 'clone', 'other', 'source', 'clone', 'other'], [3, 4]],
    [
      'many senders',
      ['1', '2', '3', '4', '5', '6', '7', '8', '9', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
      [9, 10, 11, 12, 13, 14, 15, 16],
    ],
    ['restarts', ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10', '11'], []],
  ])('%s alternating with its source: detected at the first one that returns', (_case, senders, conflicts) => {
    let known: Instances = { instanceId: null, replacedInstanceIds: [] };
    const rejected = senders.flatMap((instanceId, turn) => {
      const rejection = checkHeartbeat(aHeartbeat({ instanceId }), aStoredLease(known), null);
      if (!rejection) known = nextInstances({ instanceId }, known);
      return rejection?.code === 'host_id_conflict' ? [turn] : [];
    });
    expect(rejected).toEqual(conflicts);
  });
});

describe('heartbeatEvents', () => {
  const SERVER_VERSION = parseVersion('9.63.7187.1') as Version;
  const eventsOf = (
    heartbeat: Parameters<typeof aHeartbeat>[0],
    stored: Partial<StoredLease> = {},
    availableMs = AVAILABLE_AT_NOON,
  ) => heartbeatEvents(aHeartbeat(heartbeat), aStoredLease(stored), { at: NOON, availableMs }, SERVER_VERSION);

  it('is empty when nothing has changed', () => {
    expect(eventsOf({})).toEqual([]);
    expect(eventsOf({ agentVersion: '9.63.7187.1' })).toEqual([]);
  });

  it.each([
    [-1, []],
    [0, ['silence_ended']],
    [7_200_000, ['silence_ended']],
  ])('%d ms after the lease expired is %j', (overdueMs, kinds) => {
    expect(eventsOf({}, { expiresAvailableMs: AVAILABLE_AT_NOON - overdueMs }).map(({ kind }) => kind)).toEqual(kinds);
  });

  it('records the start and end of a silence', () => {
    const lastSeenAt = msAfter(NOON, -600_000);
    expect(eventsOf({}, { expiresAvailableMs: AVAILABLE_AT_NOON, lastSeenAt })).toEqual([
      { kind: 'silence_ended', detail: { from: lastSeenAt.toISOString(), to: NOON.toISOString() } },
    ]);
  });

  it('records the old and the new version', () => {
    expect(eventsOf({ agentVersion: '9.62.1.1' })).toEqual([
      { kind: 'version_changed', detail: { from: '9.63.7187.1', to: '9.62.1.1' } },
    ]);
  });

  it('records a version newer than the configuration server once, by a key of host, generation and both versions', () => {
    const [changed, above] = eventsOf({ agentVersion: '9.64.0.0' });
    expect(changed?.kind).toBe('version_changed');
    expect(above).toEqual({
      kind: 'version_newer_than_configuration_server',
      detail: { agentVersion: '9.64.0.0', configurationServerVersion: '9.63.7187.1' },
      key: `${HOST_ID} 3 9.64.0.0 above 9.63.7187.1`,
    });
    const [alreadyKnown] = eventsOf({}, { agentVersion: '9.64.0.0' });
    expect(alreadyKnown).toEqual(above);
  });

  it('records the old and the new source address', () => {
    expect(eventsOf({ sourceAddress: '192.0.2.99' })).toEqual([
      { kind: 'source_address_changed', detail: { from: '192.0.2.11', to: '192.0.2.99' } },
    ]);
  });

  it('can contain all four events', () => {
    const kinds = eventsOf({ agentVersion: '9.64.0.0', sourceAddress: '192.0.2.99' }, { expiresAvailableMs: 0 }).map(
      ({ kind }) => kind,
    );
    expect(kinds).toEqual([
      'silence_ended',
      'version_changed',
      'version_newer_than_configuration_server',
      'source_address_changed',
    ]);
  });
});

describe('rejectionEventKind', () => {
  it.each([
    [{ code: 'host_id_conflict', registeredAddress: 'a', otherAddress: 'b' }, 'refused_host_id_conflict'],
    [{ code: 'generation_retired', removal: 'purge' }, 'refused_generation_retired'],
    [{ code: 'generation_superseded', given: 1, current: 2 }, 'refused_generation_superseded'],
    [{ code: 'generation_unknown', given: 2, current: 1 }, 'refused_generation_unknown'],
    [{ code: 'process_server_not_found' }, 'refused_process_server_not_found'],
    [{ code: 'credential_revoked' }, 'refused_credential_revoked'],
    [{ code: 'credential_rejected' }, 'refused_credential_rejected'],
    [{ code: 'version_not_exact', upgradeFirst: '' }, 'refused_version'],
    [{ code: 'version_newer_than_configuration_server', upgradeFirst: '' }, 'refused_version'],
    [{ code: 'database_unavailable' }, null],
    [{ code: 'heartbeat_rate_exceeded', perSecond: 20, heartbeatIntervalSeconds: 30 }, null],
    [{ code: 'passphrase_rejected' }, null],
    [{ code: 'machines_protected', protectedMachineCount: 1 }, null],
  ] as const)('%j has the event kind %s', (rejection, kind) => {
    expect(rejectionEventKind(rejection)).toBe(kind);
    if (kind) expect(EVENT_KINDS).toContain(kind);
  });

  it('has one rejection key for each host, kind and hour', () => {
    const key = rejectionKey(HOST_ID, 'refused_version', NOON);
    expect(rejectionKey(HOST_ID, 'refused_version', msAfter(NOON, 3_599_999))).toBe(key);
    expect(rejectionKey(HOST_ID, 'refused_version', msAfter(NOON, 3_600_000))).not.toBe(key);
    expect(rejectionKey(HOST_ID, 'refused_version', msAfter(NOON, -1))).not.toBe(key);
    expect(rejectionKey(HOST_ID, 'refused_credential_revoked', NOON)).not.toBe(key);
    expect(rejectionKey('another', 'refused_version', NOON)).not.toBe(key);
  });
});

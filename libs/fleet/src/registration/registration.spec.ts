import { describe, expect, it } from '@jest/globals';
import { FleetError } from '../fleet-error.js';
import { NO_REPORT } from '../health/health.js';
import {
  CredentialIssuer,
  type Decision,
  type LockedRecord,
  type IssuedCredential,
  type PossibleDuplicate,
} from '../ports.js';
import type { ProcessServer } from '../process-server.js';
import {
  register,
  registrationErrors,
  type RegistrationResult,
  type RegistrationCommand,
  type RegistrationPolicy,
} from './registration.js';
import {
  AN_OPERATOR,
  aLease,
  aDecommissionedServer,
  aProcessServer,
  aDisconnectedServer,
  aTombstone,
  aLockedRecord,
  HOST_ID,
  AVAILABLE_AT_NOON,
  msAfter,
  NOON,
  someFacts,
  TIMING,
} from '../testing/examples.js';
import { fixedVersionRules } from '../version/fixed-version-rules.js';
import { parseVersion, type Version } from '../version/version.js';

const TERMS: RegistrationPolicy = {
  version: parseVersion('9.63.7187.1') as Version,
  versions: fixedVersionRules(parseVersion('9.63.7187.1') as Version),
  versionPolicy: 'same-or-earlier',
  leaseTiming: TIMING,
  proofPolicy: 'address',
};
const ASSIGNED_SECONDS = 33;

/** Issues credentials that contain their arguments. */
class LabelledIssuer extends CredentialIssuer {
  override issue(hostId: string, generation: number): IssuedCredential {
    return { credential: `credential of ${hostId} ${generation}`, credentialHash: `hash of ${hostId} ${generation}` };
  }
}

function aCommand(
  facts: Parameters<typeof someFacts>[0] = {},
  over: Partial<RegistrationCommand> = {},
): RegistrationCommand {
  return {
    hostId: HOST_ID,
    facts: someFacts(facts),
    sentAt: null,
    passphraseId: 'passphrase-2',
    enrolmentId: null,
    previousCredentialHash: 'aa'.repeat(32),
    actor: { name: 'process-server', address: '203.0.113.5', requestId: 'request-9' },
    ...over,
  };
}

const registering = (
  command: RegistrationCommand,
  record: LockedRecord,
  possibleDuplicates: readonly PossibleDuplicate[] = [],
): Decision<RegistrationResult> =>
  register(command, record, possibleDuplicates, ASSIGNED_SECONDS, TERMS, new LabelledIssuer());

function written({ change }: Decision<RegistrationResult>): ProcessServer {
  if (change?.write.to !== 'registered') throw new Error('nothing was registered');
  return change.write.entry;
}

function rejectionOf(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error instanceof FleetError ? error.details : error;
  }
  return null;
}

describe('register', () => {
  it.each([
    ['of an unknown host id', aLockedRecord(), 1, true, 'registered'],
    ['of a purged host id', aLockedRecord({ tombstone: aTombstone({ generation: 3 }) }), 4, true, 'registered'],
    [
      'of a host id removed by the clean-up',
      aLockedRecord({ tombstone: aTombstone({ generation: 8, removal: 'clean_up' }) }),
      9,
      true,
      'registered',
    ],
    ['from the same machine while Connected', aLockedRecord({ entry: aProcessServer() }), 4, false, 'registered_again'],
    [
      'from the same machine while Disconnected',
      aLockedRecord({ entry: aDisconnectedServer() }),
      4,
      false,
      'registered_again',
    ],
    [
      'from the same machine while Decommissioned',
      aLockedRecord({ entry: aDecommissionedServer() }),
      4,
      false,
      'registered_again',
    ],
    [
      'from another machine while Disconnected',
      aLockedRecord({ entry: aDisconnectedServer({ facts: someFacts({ machineId: 'old' }) }) }),
      4,
      false,
      'replaced',
    ],
    [
      'from another machine while Decommissioned',
      aLockedRecord({ entry: aDecommissionedServer({ facts: someFacts({ machineId: 'old' }) }) }),
      4,
      false,
      'replaced',
    ],
  ] as const)('%s issues the next generation', (_case, record, generation, isNew, kind) => {
    const decision = registering(aCommand(), record);
    expect(decision.result).toMatchObject({
      hostId: HOST_ID,
      generation,
      isNew,
      credential: `credential of ${HOST_ID} ${generation}`,
    });
    expect(written(decision)).toMatchObject({
      generation,
      decommission: null,
      lease: { credentialHash: `hash of ${HOST_ID} ${generation}` },
    });
    expect(decision.change?.event).toMatchObject({ kind, generation, actor: 'process-server' });
  });

  it.each([
    ['a first registration', aLockedRecord({ generationFloor: 2_000_000 }), 2_000_001],
    [
      'an entry from before the restore',
      aLockedRecord({ entry: aProcessServer({ generation: 3 }), generationFloor: 2_000_000 }),
      2_000_001,
    ],
    [
      'an entry from after the restore',
      aLockedRecord({ entry: aProcessServer({ generation: 2_000_001 }), generationFloor: 2_000_000 }),
      2_000_002,
    ],
    [
      'a tombstone from before the restore',
      aLockedRecord({ tombstone: aTombstone({ generation: 3 }), generationFloor: 2_000_000 }),
      2_000_001,
    ],
    [
      'the last but one generation',
      aLockedRecord({ entry: aProcessServer({ generation: 4_294_967_294 }) }),
      4_294_967_295,
    ],
  ])('issues a generation above the floor of a restored database: %s', (_case, record, generation) => {
    expect(registering(aCommand(), record).result.generation).toBe(generation);
  });

  it('from another machine does not conflict with an entry from before the restore', () => {
    const record = (generationFloor: number): LockedRecord =>
      aLockedRecord({ entry: aProcessServer({ facts: someFacts({ machineId: 'other' }) }), generationFloor });
    expect(registrationErrors(aCommand(), record(2), TERMS)).toMatchObject([{ code: 'host_id_conflict' }]);
    expect(registrationErrors(aCommand(), record(3), TERMS)).toEqual([]);
  });

  it('rejects a host id that has no generation left', () => {
    expect(
      rejectionOf(() =>
        registering(aCommand(), aLockedRecord({ entry: aProcessServer({ generation: 4_294_967_295 }) })),
      ),
    ).toEqual({ code: 'generations_exhausted', max: 4_294_967_295 });
    expect(
      rejectionOf(() =>
        registering(aCommand(), aLockedRecord({ tombstone: aTombstone({ generation: 4_294_967_295 }) })),
      ),
    ).toEqual({ code: 'generations_exhausted', max: 4_294_967_295 });
  });

  it('rejects another machine while Connected with both addresses', () => {
    const record = aLockedRecord({
      entry: aProcessServer({ facts: someFacts({ machineId: 'other', ipAddress: '192.0.2.50' }) }),
    });
    expect(rejectionOf(() => registering(aCommand(), record))).toEqual({
      code: 'host_id_conflict',
      registeredAddress: '192.0.2.50',
      otherAddress: '192.0.2.11',
    });
  });

  it('reports the source address of another machine with the same registered address', () => {
    const record = aLockedRecord({ entry: aProcessServer({ facts: someFacts({ machineId: 'other' }) }) });
    expect(rejectionOf(() => registering(aCommand(), record))).toMatchObject({
      registeredAddress: '192.0.2.11',
      otherAddress: '203.0.113.5',
    });
  });

  it.each([
    [-1, 'host_id_conflict'],
    [0, null],
  ])('from another machine %d ms after the lease expired is rejected with %s', (overdueMs, code) => {
    const record = aLockedRecord({
      entry: aDisconnectedServer({ facts: someFacts({ machineId: 'other' }) }),
      availableMs: AVAILABLE_AT_NOON + overdueMs,
    });
    expect(registrationErrors(aCommand(), record, TERMS).map((rejection) => rejection.code)).toEqual(
      code ? [code] : [],
    );
  });

  it('returns the assigned interval and lease, and grants the first lease with them', () => {
    const decision = registering(aCommand(), aLockedRecord());
    expect(decision.result).toMatchObject({
      heartbeatIntervalSeconds: 33,
      leaseSeconds: 198,
      versionStatus: 'Supported',
      sizingClass: 'UpTo150Machines',
    });
    expect(written(decision)).toEqual({
      hostId: HOST_ID,
      generation: 1,
      facts: someFacts(),
      registeredAt: NOON,
      passphraseId: 'passphrase-2',
      enrolmentId: null,
      decommission: null,
      lease: {
        credentialHash: `hash of ${HOST_ID} 1`,
        revoked: false,
        lastHeartbeatAt: null,
        lastSeenAvailableMs: AVAILABLE_AT_NOON,
        expiresAvailableMs: AVAILABLE_AT_NOON + 198_000,
        assignedIntervalSeconds: 33,
        instanceId: null,
        replacedInstanceIds: [],
        sourceAddress: '203.0.113.5',
        skewMs: null,
        ignoredFields: [],
      },
      health: NO_REPORT,
    });
  });

  it('rejects a Connected host id without proof with the rest of the lease, and changes nothing', () => {
    const command = aCommand({}, { previousCredentialHash: 'bb'.repeat(32) });
    const rejection = {
      code: 'host_id_in_use',
      registeredAddress: '192.0.2.11',
      otherAddress: '203.0.113.5',
      acceptsAddress: true,
      retryAfterSeconds: 60,
    };
    expect(rejectionOf(() => registering(command, aLockedRecord({ entry: aProcessServer() })))).toEqual(rejection);
    expect(registrationErrors(command, aLockedRecord({ entry: aProcessServer() }), TERMS)).toEqual([rejection]);
  });

  it.each([-1, 0])('without proof, %d ms after the lease expired', (overdueMs) => {
    const record = aLockedRecord({ entry: aDisconnectedServer(), availableMs: AVAILABLE_AT_NOON + overdueMs });
    expect(
      registrationErrors(aCommand({}, { previousCredentialHash: null }), record, TERMS).map(({ code }) => code),
    ).toEqual(overdueMs < 0 ? ['host_id_in_use'] : []);
  });

  it('needs no proof to replace an entry from before a restore', () => {
    const record = aLockedRecord({ entry: aProcessServer(), generationFloor: 2_000_000 });
    expect(registering(aCommand({}, { previousCredentialHash: null }), record).change?.event.detail).toMatchObject({
      proof: 'none',
    });
  });

  it('rejects another machine while Connected even with proof', () => {
    const entry = aProcessServer({
      facts: someFacts({ machineId: 'other' }),
      lease: aLease({ sourceAddress: '203.0.113.5' }),
    });
    expect(registrationErrors(aCommand(), aLockedRecord({ entry }), TERMS).map(({ code }) => code)).toEqual([
      'host_id_conflict',
    ]);
  });

  it('records the passphrase and the proof in its event, but no credential', () => {
    const of = (command: RegistrationCommand, record: LockedRecord): unknown =>
      registering(command, record).change?.event.detail;
    expect(of(aCommand(), aLockedRecord())).toMatchObject({ passphraseId: 'passphrase-2' });
    expect(of(aCommand(), aLockedRecord())).not.toHaveProperty('proof');
    const again = of(aCommand(), aLockedRecord({ entry: aProcessServer() }));
    expect(again).toMatchObject({ passphraseId: 'passphrase-2', proof: 'credential' });
    expect(JSON.stringify(again)).not.toContain('aaaa');
    expect(of(aCommand({ machineId: 'new' }), aLockedRecord({ entry: aDisconnectedServer() }))).not.toHaveProperty(
      'proof',
    );
  });

  it('cancels a pending removal and records that in its event', () => {
    const decision = registering(aCommand(), aLockedRecord({ entry: aDecommissionedServer() }));
    expect(written(decision).decommission).toBeNull();
    expect(decision.change?.event.detail).toMatchObject({ cancelledRemoval: true });
    expect(registering(aCommand(), aLockedRecord({ entry: aDisconnectedServer() })).change?.event.detail).toMatchObject(
      {
        cancelledRemoval: false,
      },
    );
  });

  it('keeps the reports of the same machine and clears those of another one', () => {
    const health = { ...NO_REPORT, protectedMachineCount: 12 };
    expect(written(registering(aCommand(), aLockedRecord({ entry: aDisconnectedServer({ health }) }))).health).toEqual(
      health,
    );
    expect(
      written(registering(aCommand({ machineId: 'new' }), aLockedRecord({ entry: aDisconnectedServer({ health }) })))
        .health,
    ).toEqual(NO_REPORT);
  });

  it('records only the changed facts in its event', () => {
    const { change } = registering(
      aCommand({ ipAddress: '192.0.2.77', agentVersion: '9.63.7187.0' }),
      aLockedRecord({ entry: aProcessServer() }),
    );
    expect(change?.event.detail['changes']).toEqual({
      ipAddress: { from: '192.0.2.11', to: '192.0.2.77' },
      agentVersion: { from: '9.63.7187.1', to: '9.63.7187.0' },
    });
    expect(registering(aCommand(), aLockedRecord({ entry: aProcessServer() })).change?.event.detail['changes']).toEqual(
      {},
    );
  });

  it('records both machine ids when it replaces another machine', () => {
    const { change } = registering(aCommand({ machineId: 'new' }), aLockedRecord({ entry: aDisconnectedServer() }));
    expect(change?.event.detail).toMatchObject({ machineIds: { before: 'machine-1', after: 'new' } });
  });

  it('records in its event the removal that it follows', () => {
    const { change } = registering(aCommand(), aLockedRecord({ tombstone: aTombstone() }));
    expect(change?.event.detail).toMatchObject({
      returnedAfter: 'purge',
      removedAt: msAfter(NOON, -60_000).toISOString(),
    });
  });

  it("stores the sender's clock without using it", () => {
    const entry = written(registering(aCommand({}, { sentAt: msAfter(NOON, -86_400_000) }), aLockedRecord()));
    expect(entry.lease.skewMs).toBe(-86_400_000);
    expect(entry.registeredAt).toEqual(NOON);
  });
});

describe('a registration that ends a silence', () => {
  const LAST_SEEN = msAfter(NOON, -120_000);

  it.each([
    ['of a host id without an entry', aLockedRecord(), null],
    ['while the lease runs', aLockedRecord({ entry: aProcessServer() }), null],
    ['of a decommissioned process server', aLockedRecord({ entry: aDecommissionedServer() }), null],
    ['after the lease has expired', aLockedRecord({ entry: aDisconnectedServer() }), LAST_SEEN],
    [
      'without any heartbeat so far',
      aLockedRecord({
        entry: aDisconnectedServer({ lease: aLease({ lastHeartbeatAt: null, expiresAvailableMs: 0 }) }),
      }),
      msAfter(NOON, -3_600_000),
    ],
  ])('%s records the start of the silence', (_case, record, from) => {
    const { change } = registering(aCommand(), record);
    const detail = { from: from?.toISOString(), to: NOON.toISOString() };
    expect(change?.endedSilence).toEqual(
      from && {
        kind: 'silence_ended',
        generation: 3,
        actor: 'process-server',
        sourceAddress: '203.0.113.5',
        requestId: 'request-9',
        detail,
      },
    );
  });

  it('of another machine records the silence as well', () => {
    expect(
      registering(aCommand({ machineId: 'new' }), aLockedRecord({ entry: aDisconnectedServer() })).change,
    ).toMatchObject({
      event: { kind: 'replaced' },
      endedSilence: { kind: 'silence_ended' },
    });
  });
});

describe('registrationErrors', () => {
  it.each([
    ['returns nothing for an ordinary registration', aCommand(), []],
    [
      'a version newer than the configuration server',
      aCommand({ agentVersion: '9.63.7187.2' }),
      ['version_newer_than_configuration_server'],
    ],
    ['the control port as data port', aCommand({ dataPort: 443 }), ['invalid_data_port']],
    ['accepts a clock 15 minutes ahead', aCommand({}, { sentAt: msAfter(NOON, 900_000) }), []],
    ['a clock more than 15 minutes ahead', aCommand({}, { sentAt: msAfter(NOON, 900_001) }), ['clock_in_future']],
    ['accepts a clock a day behind', aCommand({}, { sentAt: msAfter(NOON, -86_400_000) }), []],
    ['accepts an unsupported version', aCommand({ agentVersion: '9.1.0.0' }), []],
    ['accepts the usual typing error of the data port', aCommand({ dataPort: 9433 }), []],
  ])('%s', (_case, command, codes) => {
    expect(registrationErrors(command, aLockedRecord(), TERMS).map(({ code }) => code)).toEqual(codes);
    expect(rejectionOf(() => registering(command, aLockedRecord()))).toEqual(
      codes.length > 0 ? expect.objectContaining({ code: codes[0] }) : null,
    );
  });

  it('a preflight returns all errors, a registration throws the first', () => {
    const command = aCommand({ agentVersion: '9.64.0.0', dataPort: 443 }, { sentAt: msAfter(NOON, 900_001) });
    const record = aLockedRecord({ entry: aProcessServer({ facts: someFacts({ machineId: 'other' }) }) });
    expect(registrationErrors(command, record, TERMS)).toMatchObject([
      { code: 'version_newer_than_configuration_server' },
      { code: 'invalid_data_port', dataPort: 443 },
      { code: 'clock_in_future', aheadSeconds: 900 },
      { code: 'host_id_conflict' },
    ]);
    expect(rejectionOf(() => registering(command, record))).toMatchObject({
      code: 'version_newer_than_configuration_server',
    });
  });

  it('rejects every other version under the policy exact', () => {
    const exact: RegistrationPolicy = { ...TERMS, versionPolicy: 'exact' };
    expect(registrationErrors(aCommand({ agentVersion: '9.63.7187.0' }), aLockedRecord(), exact)).toMatchObject([
      { code: 'version_not_exact' },
    ]);
    expect(registrationErrors(aCommand(), aLockedRecord(), exact)).toEqual([]);
  });
});

describe('the warnings of a registration', () => {
  it('are in the response and, as codes, in the event', () => {
    const possibleDuplicates = [
      { hostId: 'host-2', friendlyName: 'another', ipAddress: '192.0.2.11', machineId: 'machine-2' },
    ];
    const command = aCommand({ agentVersion: '9.62.0.0' }); // also has the hint update_available
    const { result, change } = registering(command, aLockedRecord(), possibleDuplicates);
    expect(result.warnings.map(({ code }) => code)).toEqual(['address_differs_from_source', 'possible_duplicate']);
    expect(change?.event.detail['warnings']).toEqual(['address_differs_from_source', 'possible_duplicate']);
    const direct = aCommand({}, { actor: { ...AN_OPERATOR, address: '192.0.2.11' } });
    expect(registering(direct, aLockedRecord()).change?.event.detail).not.toHaveProperty('warnings');
  });
});

import { describe, expect, it } from '@jest/globals';
import { FleetError } from './fleet-fault.js';
import { NOTHING_REPORTED } from './health.js';
import { CredentialMint, type Decision, type HeldRecord, type MintedCredential, type Neighbour } from './ports.js';
import type { ProcessServer } from './process-server.js';
import {
  register,
  registrationFaults,
  registrationWarnings,
  type RegistrationAnswer,
  type RegistrationOrder,
  type RegistrationTerms,
} from './registration.js';
import {
  aLease,
  aLeavingServer,
  aProcessServer,
  aSilentServer,
  aTombstone,
  held,
  HOST_ID,
  LISTENED_AT_NOON,
  msAfter,
  NOON,
  someFacts,
  TIMING,
} from './testing/examples.js';
import { parseVersion, type Version } from './version.js';

const TERMS: RegistrationTerms = {
  version: parseVersion('9.63.7187.1') as Version,
  versionPolicy: 'same-or-earlier',
  leaseTiming: TIMING,
  proofPolicy: 'address',
};
const TOLD_SECONDS = 33;

/** Credentials that say what they were made for. */
class LabelledCredentials extends CredentialMint {
  override mint(hostId: string, generation: number): MintedCredential {
    return { credential: `credential of ${hostId} ${generation}`, credentialHash: `hash of ${hostId} ${generation}` };
  }
}

function anOrder(
  facts: Parameters<typeof someFacts>[0] = {},
  over: Partial<RegistrationOrder> = {},
): RegistrationOrder {
  return {
    hostId: HOST_ID,
    facts: someFacts(facts),
    sentAt: null,
    passphraseId: 'passphrase-2',
    previousCredentialHash: 'aa'.repeat(32),
    actor: { name: 'process-server', address: '203.0.113.5', requestId: 'request-9' },
    ...over,
  };
}

const registering = (
  order: RegistrationOrder,
  record: HeldRecord,
  neighbours: readonly Neighbour[] = [],
): Decision<RegistrationAnswer> => register(order, record, neighbours, TOLD_SECONDS, TERMS, new LabelledCredentials());

function written({ change }: Decision<RegistrationAnswer>): ProcessServer {
  if (change?.write.to !== 'registered') throw new Error('nothing was registered');
  return change.write.entry;
}

function refusal(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error instanceof FleetError ? error.fault : error;
  }
  return null;
}

describe('registering', () => {
  it.each([
    ['for the first time', held(), 1, true, 'registered'],
    ['over a tombstone of a purge', held({ tombstone: aTombstone({ generation: 3 }) }), 4, true, 'registered'],
    [
      'over a tombstone of the clean-up',
      held({ tombstone: aTombstone({ generation: 8, removal: 'clean_up' }) }),
      9,
      true,
      'registered',
    ],
    ['again from the same machine while Connected', held({ entry: aProcessServer() }), 4, false, 'registered_again'],
    ['again from the same machine while Disconnected', held({ entry: aSilentServer() }), 4, false, 'registered_again'],
    [
      'again from the same machine while Decommissioned',
      held({ entry: aLeavingServer() }),
      4,
      false,
      'registered_again',
    ],
    [
      'from another machine while Disconnected',
      held({ entry: aSilentServer({ facts: someFacts({ machineId: 'old' }) }) }),
      4,
      false,
      'replaced',
    ],
    [
      'from another machine while Decommissioned',
      held({ entry: aLeavingServer({ facts: someFacts({ machineId: 'old' }) }) }),
      4,
      false,
      'replaced',
    ],
  ] as const)('%s makes the next generation', (_case, record, generation, isNew, kind) => {
    const decision = registering(anOrder(), record);
    expect(decision.answer).toMatchObject({
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
    ['a first registration', held({ generationFloor: 2_000_000 }), 2_000_001],
    [
      'an entry from before the restore',
      held({ entry: aProcessServer({ generation: 3 }), generationFloor: 2_000_000 }),
      2_000_001,
    ],
    [
      'an entry from after it',
      held({ entry: aProcessServer({ generation: 2_000_001 }), generationFloor: 2_000_000 }),
      2_000_002,
    ],
    [
      'a tombstone from before it',
      held({ tombstone: aTombstone({ generation: 3 }), generationFloor: 2_000_000 }),
      2_000_001,
    ],
    ['the last generation but one', held({ entry: aProcessServer({ generation: 4_294_967_294 }) }), 4_294_967_295],
  ])('gives a generation above all of a database that was restored: %s', (_case, record, generation) => {
    expect(registering(anOrder(), record).answer.generation).toBe(generation);
  });

  it('from another machine is no conflict with an entry from before the restore', () => {
    const record = (generationFloor: number): HeldRecord =>
      held({ entry: aProcessServer({ facts: someFacts({ machineId: 'other' }) }), generationFloor });
    expect(registrationFaults(anOrder(), record(2), TERMS)).toMatchObject([{ code: 'host_id_conflict' }]);
    expect(registrationFaults(anOrder(), record(3), TERMS)).toEqual([]);
  });

  it('of a host id without a generation left is refused by name', () => {
    expect(
      refusal(() => registering(anOrder(), held({ entry: aProcessServer({ generation: 4_294_967_295 }) }))),
    ).toEqual({ code: 'generations_exhausted', largest: 4_294_967_295 });
    expect(
      refusal(() => registering(anOrder(), held({ tombstone: aTombstone({ generation: 4_294_967_295 }) }))),
    ).toEqual({ code: 'generations_exhausted', largest: 4_294_967_295 });
  });

  it('from another machine while Connected is a conflict that shows both addresses', () => {
    const record = held({
      entry: aProcessServer({ facts: someFacts({ machineId: 'other', ipAddress: '192.0.2.50' }) }),
    });
    expect(refusal(() => registering(anOrder(), record))).toEqual({
      code: 'host_id_conflict',
      registeredAddress: '192.0.2.50',
      otherAddress: '192.0.2.11',
    });
  });

  it('from another machine with the very same address shows where the call came from instead', () => {
    const record = held({ entry: aProcessServer({ facts: someFacts({ machineId: 'other' }) }) });
    expect(refusal(() => registering(anOrder(), record))).toMatchObject({
      registeredAddress: '192.0.2.11',
      otherAddress: '203.0.113.5',
    });
  });

  it.each([
    [-1, 'host_id_conflict'],
    [0, null],
  ])('from another machine %d ms after the lease ended is refused: %s', (overdueMs, code) => {
    const record = held({
      entry: aSilentServer({ facts: someFacts({ machineId: 'other' }) }),
      listenedMs: LISTENED_AT_NOON + overdueMs,
    });
    expect(registrationFaults(anOrder(), record, TERMS).map((fault) => fault.code)).toEqual(code ? [code] : []);
  });

  it('tells the numbers that it will be judged by, and grants the first lease by them', () => {
    const decision = registering(anOrder(), held());
    expect(decision.answer).toMatchObject({
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
      decommission: null,
      lease: {
        credentialHash: `hash of ${HOST_ID} 1`,
        revoked: false,
        lastHeartbeatAt: null,
        heardAtListenedMs: LISTENED_AT_NOON,
        endsAtListenedMs: LISTENED_AT_NOON + 198_000,
        toldIntervalSeconds: 33,
        instanceId: null,
        replacedInstanceIds: [],
        sourceAddress: '203.0.113.5',
        skewMs: null,
        ignoredFields: [],
      },
      health: NOTHING_REPORTED,
    });
  });

  it('again, Connected, without proof is refused with the rest of the lease, and changes nothing', () => {
    const order = anOrder({}, { previousCredentialHash: 'bb'.repeat(32) });
    const fault = {
      code: 'host_id_in_use',
      registeredAddress: '192.0.2.11',
      otherAddress: '203.0.113.5',
      acceptsAddress: true,
      retryAfterSeconds: 60,
    };
    expect(refusal(() => registering(order, held({ entry: aProcessServer() })))).toEqual(fault);
    expect(registrationFaults(order, held({ entry: aProcessServer() }), TERMS)).toEqual([fault]);
  });

  it.each([-1, 0])('again without proof, %d ms after the lease ended', (overdueMs) => {
    const record = held({ entry: aSilentServer(), listenedMs: LISTENED_AT_NOON + overdueMs });
    expect(
      registrationFaults(anOrder({}, { previousCredentialHash: null }), record, TERMS).map(({ code }) => code),
    ).toEqual(overdueMs < 0 ? ['host_id_in_use'] : []);
  });

  it('again, over an entry from before a restore, needs no proof', () => {
    const record = held({ entry: aProcessServer(), generationFloor: 2_000_000 });
    expect(registering(anOrder({}, { previousCredentialHash: null }), record).change?.event.detail).toMatchObject({
      proof: 'none',
    });
  });

  it('from another machine while Connected is a conflict whatever proof it has', () => {
    const entry = aProcessServer({
      facts: someFacts({ machineId: 'other' }),
      lease: aLease({ sourceAddress: '203.0.113.5' }),
    });
    expect(registrationFaults(anOrder(), held({ entry }), TERMS).map(({ code }) => code)).toEqual(['host_id_conflict']);
  });

  it('names its passphrase in its event, and again which proof it had, but no credential', () => {
    const of = (order: RegistrationOrder, record: HeldRecord): unknown =>
      registering(order, record).change?.event.detail;
    expect(of(anOrder(), held())).toMatchObject({ passphraseId: 'passphrase-2' });
    expect(of(anOrder(), held())).not.toHaveProperty('proof');
    const again = of(anOrder(), held({ entry: aProcessServer() }));
    expect(again).toMatchObject({ passphraseId: 'passphrase-2', proof: 'credential' });
    expect(JSON.stringify(again)).not.toContain('aaaa');
    expect(of(anOrder({ machineId: 'new' }), held({ entry: aSilentServer() }))).not.toHaveProperty('proof');
  });

  it('cancels a pending removal, and its event says so', () => {
    const decision = registering(anOrder(), held({ entry: aLeavingServer() }));
    expect(written(decision).decommission).toBeNull();
    expect(decision.change?.event.detail).toMatchObject({ cancelledRemoval: true });
    expect(registering(anOrder(), held({ entry: aSilentServer() })).change?.event.detail).toMatchObject({
      cancelledRemoval: false,
    });
  });

  it('keeps what the same machine has reported, and forgets what another one did', () => {
    const health = { ...NOTHING_REPORTED, protectedMachineCount: 12 };
    expect(written(registering(anOrder(), held({ entry: aSilentServer({ health }) }))).health).toEqual(health);
    expect(
      written(registering(anOrder({ machineId: 'new' }), held({ entry: aSilentServer({ health }) }))).health,
    ).toEqual(NOTHING_REPORTED);
  });

  it('again tells in its event what has changed, and nothing of what has not', () => {
    const { change } = registering(
      anOrder({ ipAddress: '192.0.2.77', agentVersion: '9.63.7187.0' }),
      held({ entry: aProcessServer() }),
    );
    expect(change?.event.detail['changes']).toEqual({
      ipAddress: { from: '192.0.2.11', to: '192.0.2.77' },
      agentVersion: { from: '9.63.7187.1', to: '9.63.7187.0' },
    });
    expect(registering(anOrder(), held({ entry: aProcessServer() })).change?.event.detail['changes']).toEqual({});
  });

  it('in place of another machine names both machines in its event', () => {
    const { change } = registering(anOrder({ machineId: 'new' }), held({ entry: aSilentServer() }));
    expect(change?.event.detail).toMatchObject({ machineIds: { before: 'machine-1', after: 'new' } });
  });

  it('over a tombstone says in its event what it returned after', () => {
    const { change } = registering(anOrder(), held({ tombstone: aTombstone() }));
    expect(change?.event.detail).toMatchObject({
      returnedAfter: 'purge',
      removedAt: msAfter(NOON, -60_000).toISOString(),
    });
  });

  it("shows the sender's clock and does not use it", () => {
    const entry = written(registering(anOrder({}, { sentAt: msAfter(NOON, -86_400_000) }), held()));
    expect(entry.lease.skewMs).toBe(-86_400_000);
    expect(entry.registeredAt).toEqual(NOON);
  });
});

describe('a registration that ends a silence', () => {
  const HEARD = msAfter(NOON, -120_000);

  it.each([
    ['of a host id without an entry', held(), null],
    ['while the lease runs', held({ entry: aProcessServer() }), null],
    ['of one that is leaving', held({ entry: aLeavingServer() }), null],
    ['when the lease has ended', held({ entry: aSilentServer() }), HEARD],
    [
      'when it never sent a heartbeat',
      held({ entry: aSilentServer({ lease: aLease({ lastHeartbeatAt: null, endsAtListenedMs: 0 }) }) }),
      msAfter(NOON, -3_600_000),
    ],
  ])('%s: the beginning of the silence in its events', (_case, record, from) => {
    const { change } = registering(anOrder(), record);
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

  it('of another machine, too', () => {
    expect(registering(anOrder({ machineId: 'new' }), held({ entry: aSilentServer() })).change).toMatchObject({
      event: { kind: 'replaced' },
      endedSilence: { kind: 'silence_ended' },
    });
  });
});

describe('what refuses a registration', () => {
  it.each([
    ['nothing', anOrder(), []],
    [
      'a version newer than ours',
      anOrder({ agentVersion: '9.63.7187.2' }),
      ['version_newer_than_configuration_server'],
    ],
    ['the control port as data port', anOrder({ dataPort: 443 }), ['invalid_data_port']],
    ['a clock 15 minutes ahead does not', anOrder({}, { sentAt: msAfter(NOON, 900_000) }), []],
    ['a clock more than 15 minutes ahead', anOrder({}, { sentAt: msAfter(NOON, 900_001) }), ['clock_in_future']],
    ['a clock a day behind does not', anOrder({}, { sentAt: msAfter(NOON, -86_400_000) }), []],
    ['an unsupported version does not', anOrder({ agentVersion: '9.1.0.0' }), []],
    ['the usual typing error of the data port does not', anOrder({ dataPort: 9433 }), []],
  ])('%s', (_case, order, codes) => {
    expect(registrationFaults(order, held(), TERMS).map(({ code }) => code)).toEqual(codes);
    expect(refusal(() => registering(order, held()))).toEqual(
      codes.length > 0 ? expect.objectContaining({ code: codes[0] }) : null,
    );
  });

  it('is told all at once by a preflight, the first one by a registration', () => {
    const order = anOrder({ agentVersion: '9.64.0.0', dataPort: 443 }, { sentAt: msAfter(NOON, 900_001) });
    const record = held({ entry: aProcessServer({ facts: someFacts({ machineId: 'other' }) }) });
    expect(registrationFaults(order, record, TERMS)).toMatchObject([
      { code: 'version_newer_than_configuration_server' },
      { code: 'invalid_data_port', dataPort: 443 },
      { code: 'clock_in_future', aheadSeconds: 900 },
      { code: 'host_id_conflict' },
    ]);
    expect(refusal(() => registering(order, record))).toMatchObject({
      code: 'version_newer_than_configuration_server',
    });
  });

  it('is also any other version, where the policy is exact', () => {
    const exact: RegistrationTerms = { ...TERMS, versionPolicy: 'exact' };
    expect(registrationFaults(anOrder({ agentVersion: '9.63.7187.0' }), held(), exact)).toMatchObject([
      { code: 'version_not_exact' },
    ]);
    expect(registrationFaults(anOrder(), held(), exact)).toEqual([]);
  });
});

describe('what an accepted registration is warned of', () => {
  const warned = (order: RegistrationOrder, neighbours: readonly Neighbour[] = []): string[] =>
    registrationWarnings(order, NOON, neighbours, TERMS).map(({ code }) => code);

  it.each([
    ['nothing', anOrder(), []],
    ['hardware below the sizing table', anOrder({ cpuCores: 3 }), ['below_sizing_table']],
    ['the oldest supported version: nothing', anOrder({ agentVersion: '9.59.0.0' }), []],
    ['a version out of support', anOrder({ agentVersion: '9.58.0.0' }), ['version_not_supported']],
    ['the usual typing error of the data port', anOrder({ dataPort: 9433 }), ['unusual_data_port']],
    ['a clock a minute off: nothing', anOrder({}, { sentAt: msAfter(NOON, 60_000) }), []],
    ['a clock more than a minute ahead', anOrder({}, { sentAt: msAfter(NOON, 60_001) }), ['clock_skew']],
    ['a clock more than a minute behind', anOrder({}, { sentAt: msAfter(NOON, -60_001) }), ['clock_skew']],
    [
      'all of it',
      anOrder({ cpuCores: 3, agentVersion: '9.58.0.0', dataPort: 9433 }, { sentAt: msAfter(NOON, 120_000) }),
      ['below_sizing_table', 'version_not_supported', 'unusual_data_port', 'clock_skew'],
    ],
  ])('%s', (_case, order, codes) => {
    expect(warned(order)).toEqual(codes);
  });

  it('of a version out of support says by which steps to upgrade', () => {
    const [warning] = registrationWarnings(anOrder({ agentVersion: '9.55.0.0' }), NOON, [], TERMS);
    expect(warning?.message).toContain('9.59, then 9.63.7187.1');
  });

  it('of a clock says how far and which way', () => {
    const message = (ms: number): string | undefined =>
      registrationWarnings(anOrder({}, { sentAt: msAfter(NOON, ms) }), NOON, [], TERMS)[0]?.message;
    expect(message(120_000)).toContain('120 s ahead');
    expect(message(-120_000)).toContain('120 s behind');
  });

  it.each([
    ['address', { friendlyName: 'another', ipAddress: '192.0.2.11' }],
    ['name', { friendlyName: 'ps-berlin-1', ipAddress: '192.0.2.99' }],
    ['address and name', { friendlyName: 'ps-berlin-1', ipAddress: '192.0.2.11' }],
    ['name', { friendlyName: 'PS-Berlin-1', ipAddress: '192.0.2.99' }],
    ['machine id', { friendlyName: 'another', ipAddress: '192.0.2.99', machineId: 'machine-1' }],
    [
      'address and name and machine id',
      { friendlyName: 'ps-berlin-1', ipAddress: '192.0.2.11', machineId: 'machine-1' },
    ],
  ])('another entry with the same %s is a possible duplicate', (same, other) => {
    const [warning, ...others] = registrationWarnings(
      anOrder(),
      NOON,
      [{ hostId: 'host-2', machineId: 'machine-2', ...other }],
      TERMS,
    );
    expect(others).toEqual([]);
    expect(warning).toMatchObject({ code: 'possible_duplicate', severity: 'warning' });
    expect(warning?.message).toContain('host-2');
    expect(warning?.message).toMatch(new RegExp(`the same ${same}[.]$`));
  });

  it('is in the answer and, by its codes, in the event', () => {
    const neighbours = [{ hostId: 'host-2', friendlyName: 'another', ipAddress: '192.0.2.11', machineId: 'machine-2' }];
    const { answer, change } = registering(anOrder(), held(), neighbours);
    expect(answer.warnings.map(({ code }) => code)).toEqual(['possible_duplicate']);
    expect(change?.event.detail['warnings']).toEqual(['possible_duplicate']);
    expect(registering(anOrder(), held()).change?.event.detail).not.toHaveProperty('warnings');
  });
});

import { describe, expect, it } from '@jest/globals';
import { FleetError } from './fleet-fault.js';
import type { HeldRecord } from './ports.js';
import { revokeCredential } from './revocation.js';
import {
  aLease,
  aLeavingServer,
  AN_OPERATOR,
  aProcessServer,
  aSilentServer,
  aTombstone,
  held,
} from './testing/examples.js';

const revoke = (record: HeldRecord, generation = 3): ReturnType<typeof revokeCredential> =>
  revokeCredential({ generation, reason: 'disk was copied', actor: AN_OPERATOR }, record);

function faultOf(record: HeldRecord, generation: number): unknown {
  try {
    revoke(record, generation);
  } catch (error) {
    return error instanceof FleetError ? error.fault : error;
  }
  return null;
}

describe('revoking a credential', () => {
  it.each([
    ['a Connected one', aProcessServer()],
    ['a Disconnected one', aSilentServer()],
  ])('of %s ends it, and leaves its lease', (_case, entry) => {
    const { change } = revoke(held({ entry }));
    expect(change?.write).toEqual({ to: 'revoked', entry: { ...entry, lease: { ...entry.lease, revoked: true } } });
    expect(change?.event).toEqual({
      kind: 'credential_revoked',
      generation: 3,
      actor: 'anna',
      sourceAddress: '198.51.100.7',
      requestId: 'request-1',
      detail: { reason: 'disk was copied' },
    });
  });

  it('again changes nothing', () => {
    expect(revoke(held({ entry: aProcessServer({ lease: aLease({ revoked: true }) }) }))).toEqual({
      answer: undefined,
    });
  });

  it.each([
    ['a host id that nobody knows', held(), 3, { code: 'process_server_not_found' }],
    [
      'one that has registered again',
      held({ entry: aProcessServer() }),
      2,
      { code: 'generation_superseded', given: 2, current: 3 },
    ],
    [
      'a generation that is still to come',
      held({ entry: aProcessServer() }),
      4,
      { code: 'generation_unknown', given: 4, current: 3 },
    ],
    ['one that is leaving', held({ entry: aLeavingServer() }), 3, { code: 'generation_retired', removal: 'clean_up' }],
    ['one that was purged', held({ tombstone: aTombstone() }), 3, { code: 'generation_retired', removal: 'purge' }],
  ] as const)('of %s is refused', (_case, record, generation, fault) => {
    expect(faultOf(record, generation)).toEqual(fault);
  });
});

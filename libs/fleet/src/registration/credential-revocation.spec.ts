import { describe, expect, it } from '@jest/globals';
import { FleetError } from '../fleet-error.js';
import type { LockedRecord } from '../ports.js';
import { revokeCredential } from './credential-revocation.js';
import {
  aLease,
  aDecommissionedServer,
  AN_OPERATOR,
  aProcessServer,
  aDisconnectedServer,
  aTombstone,
  aLockedRecord,
} from '../testing/examples.js';

const revoke = (record: LockedRecord, generation = 3): ReturnType<typeof revokeCredential> =>
  revokeCredential({ generation, reason: 'disk was copied', actor: AN_OPERATOR }, record);

function rejectionOf(record: LockedRecord, generation: number): unknown {
  try {
    revoke(record, generation);
  } catch (error) {
    return error instanceof FleetError ? error.details : error;
  }
  return null;
}

describe('revoking a credential', () => {
  it.each([
    ['a Connected process server', aProcessServer()],
    ['a Disconnected process server', aDisconnectedServer()],
  ])('of %s revokes it and keeps its lease', (_case, entry) => {
    const { change } = revoke(aLockedRecord({ entry }));
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

  it('a second time changes nothing', () => {
    expect(revoke(aLockedRecord({ entry: aProcessServer({ lease: aLease({ revoked: true }) }) }))).toEqual({
      result: undefined,
    });
  });

  it.each([
    ['an unknown host id', aLockedRecord(), 3, { code: 'process_server_not_found' }],
    [
      'an earlier generation',
      aLockedRecord({ entry: aProcessServer() }),
      2,
      { code: 'generation_superseded', given: 2, current: 3 },
    ],
    [
      'a future generation',
      aLockedRecord({ entry: aProcessServer() }),
      4,
      { code: 'generation_unknown', given: 4, current: 3 },
    ],
    [
      'a decommissioned process server',
      aLockedRecord({ entry: aDecommissionedServer() }),
      3,
      { code: 'generation_retired', removal: 'clean_up' },
    ],
    [
      'a purged process server',
      aLockedRecord({ tombstone: aTombstone() }),
      3,
      { code: 'generation_retired', removal: 'purge' },
    ],
  ] as const)('of %s is rejected', (_case, record, generation, rejection) => {
    expect(rejectionOf(record, generation)).toEqual(rejection);
  });
});

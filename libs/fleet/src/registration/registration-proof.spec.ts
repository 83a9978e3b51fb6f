import { describe, expect, it } from '@jest/globals';
import type { ProcessServer } from '../process-server.js';
import { hostIdInUseError, PROOF_POLICIES, registrationProof, type Claimant } from './registration-proof.js';
import {
  aLease,
  aDecommissionedServer,
  aProcessServer,
  aDisconnectedServer,
  AVAILABLE_AT_NOON,
} from '../testing/examples.js';

const PRESENT = 'aa'.repeat(32);
const EARLIER = 'bb'.repeat(32);
const ITS_ADDRESS = '192.0.2.11';
const ANOTHER = '203.0.113.5';

const connected = aProcessServer();
const revoked = aProcessServer({ lease: aLease({ revoked: true }) });
const sends = (previousCredentialHash: string | null, address: string): Claimant => ({
  previousCredentialHash,
  address,
});
const proofs = (entry: ProcessServer, claimant: Claimant): (string | null)[] =>
  PROOF_POLICIES.map((policy) => registrationProof(entry, claimant, AVAILABLE_AT_NOON, policy));

describe('the proof of a registration under the policies address, credential and none', () => {
  it.each([
    [
      'Connected, current credential, another address',
      connected,
      sends(PRESENT, ANOTHER),
      ['credential', 'credential', 'credential'],
    ],
    [
      'Connected, no credential, the address of its heartbeats',
      connected,
      sends(null, ITS_ADDRESS),
      ['address', null, 'address'],
    ],
    [
      'Connected, previous credential, the address of its heartbeats',
      connected,
      sends(EARLIER, ITS_ADDRESS),
      ['address', null, 'address'],
    ],
    ['Connected, no credential, another address', connected, sends(null, ANOTHER), [null, null, 'none']],
    ['Connected, previous credential, another address', connected, sends(EARLIER, ANOTHER), [null, null, 'none']],
    ['revoked, revoked credential, another address', revoked, sends(PRESENT, ANOTHER), [null, null, 'none']],
    ['revoked, the address of its heartbeats', revoked, sends(null, ITS_ADDRESS), ['address', 'address', 'address']],
    [
      'Disconnected, another address',
      aDisconnectedServer(),
      sends(null, ANOTHER),
      ['lease_ended', 'lease_ended', 'lease_ended'],
    ],
    [
      'Disconnected, current credential',
      aDisconnectedServer(),
      sends(PRESENT, ANOTHER),
      ['credential', 'credential', 'credential'],
    ],
    [
      'Disconnected and revoked, another address',
      aDisconnectedServer({ lease: aLease({ revoked: true, expiresAvailableMs: AVAILABLE_AT_NOON }) }),
      sends(PRESENT, ANOTHER),
      ['lease_ended', 'lease_ended', 'lease_ended'],
    ],
    [
      'Decommissioned, another address',
      aDecommissionedServer(),
      sends(null, ANOTHER),
      ['lease_ended', 'lease_ended', 'lease_ended'],
    ],
  ])('%s', (_case, entry, claimant, expected) => {
    expect(proofs(entry, claimant)).toEqual(expected);
  });
});

describe('a registration without proof', () => {
  it.each([
    [1, 1],
    [60_000, 60],
    [60_001, 61],
    [300_000, 300],
    [86_400_000, 300],
  ])('with a lease of %d ms left may retry after %d s', (restMs, retryAfterSeconds) => {
    const entry = aProcessServer({ lease: aLease({ expiresAvailableMs: AVAILABLE_AT_NOON + restMs }) });
    expect(hostIdInUseError(entry, sends(null, ANOTHER), AVAILABLE_AT_NOON, 'address')).toEqual({
      code: 'host_id_in_use',
      registeredAddress: ITS_ADDRESS,
      otherAddress: ANOTHER,
      acceptsAddress: true,
      retryAfterSeconds,
    });
  });

  it.each([
    ['address', connected, true],
    ['credential', connected, false],
    ['credential', revoked, true],
  ] as const)('accepts the source address as proof under the policy %s', (policy, entry, acceptsAddress) => {
    expect(hostIdInUseError(entry, sends(null, ANOTHER), AVAILABLE_AT_NOON, policy)).toMatchObject({ acceptsAddress });
  });
});

import type { FleetErrorDetails } from '../fleet-error.js';
import { connectionStateAt, type ProcessServer } from '../process-server.js';

/**
 * The proof that a registration needs to replace a Connected one: its credential or the source address of its
 * heartbeats, its credential only, or none.
 */
export const PROOF_POLICIES = ['address', 'credential', 'none'] as const;
export type ProofPolicy = (typeof PROOF_POLICIES)[number];

/** The evidence that a registration gives of its sender. */
export interface Claimant {
  /** SHA-256 (hex) of the credential that it presents as its current one. */
  readonly previousCredentialHash: string | null;
  readonly address: string;
}

/** The proof by which a registration may replace an entry. `none`: no proof was required. */
export type RegistrationProof = 'credential' | 'address' | 'lease_ended' | 'none';

/** Limits the retry time: a lease may be long, and an operator may resolve the conflict before it expires. */
const MAX_RETRY_SECONDS = 300;

/**
 * The proof of a registration with the same machine id, or null. A revoked credential proves nothing; the source
 * address then suffices under every policy, so that the process server can return at once.
 */
export function registrationProof(
  entry: ProcessServer,
  { previousCredentialHash, address }: Claimant,
  availableMs: number,
  policy: ProofPolicy,
): RegistrationProof | null {
  const { lease } = entry;
  if (!lease.revoked && previousCredentialHash === lease.credentialHash) return 'credential';
  if (connectionStateAt(availableMs, entry) === 'Disconnected') return 'lease_ended';
  if ((policy !== 'credential' || lease.revoked) && address === lease.sourceAddress) return 'address';
  return policy === 'none' ? 'none' : null;
}

/** The rejection of a registration without proof, which can succeed when the lease has expired. */
export function hostIdInUseError(
  { lease }: ProcessServer,
  { address }: Claimant,
  availableMs: number,
  policy: ProofPolicy,
): FleetErrorDetails {
  const restSeconds = Math.ceil((lease.expiresAvailableMs - availableMs) / 1000);
  return {
    code: 'host_id_in_use',
    registeredAddress: lease.sourceAddress,
    otherAddress: address,
    acceptsAddress: policy === 'address' || lease.revoked,
    retryAfterSeconds: Math.min(restSeconds, MAX_RETRY_SECONDS),
  };
}

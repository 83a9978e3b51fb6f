import type { FleetErrorDetails } from '../fleet-error.js';
import { connectionStateAt, type ProcessServer } from '../process-server.js';

/** Which proof replaces a Connected registration: its credential or the source address of its heartbeats, its credential alone, or none. */
export const PROOF_POLICIES = ['address', 'credential', 'none'] as const;
export type ProofPolicy = (typeof PROOF_POLICIES)[number];

/** What a registration shows of its sender. */
export interface Claimant {
  /** SHA-256 of the credential that it presents as its present one, hex. */
  readonly previousCredentialHash: string | null;
  readonly address: string;
}

/** Why a registration may replace an entry. `none`: no proof was required. */
export type RegistrationProof = 'credential' | 'address' | 'lease_ended' | 'none';

/** A lease may be long, and an operator may help before it ends. */
const MAX_RETRY_SECONDS = 300;

/**
 * The proof that a registration of the same machine id has, or null. A revoked credential proves nothing; the address then
 * counts under every policy, so that its process server returns at once.
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

/** The refusal of a registration without proof. It can succeed when the lease has ended. */
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

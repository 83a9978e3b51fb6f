import type { LeaseTiming } from '../heartbeats/lease.js';
import type { Actor, ProcessServerFacts } from '../process-server.js';
import type { VersionRuleSource } from '../ports.js';
import type { Version, VersionPolicy } from '../version/version.js';
import type { ProofPolicy } from './registration-proof.js';

/** A request to register, with a valid form. */
export interface RegistrationCommand {
  readonly hostId: string;
  readonly facts: ProcessServerFacts;
  /** The sender's clock. */
  readonly sentAt: Date | null;
  /** The secret of the registration: one of the two, the other is null. */
  readonly passphraseId: string | null;
  readonly enrolmentId: string | null;
  /** SHA-256 (hex) of the credential that the sender had before. */
  readonly previousCredentialHash: string | null;
  readonly actor: Actor;
}

/** The conditions of this configuration server for registrations. */
export interface RegistrationPolicy {
  readonly version: Version;
  /** By the catalogue of the moment. */
  readonly versions: Pick<VersionRuleSource, 'known'>;
  readonly versionPolicy: VersionPolicy;
  readonly leaseTiming: LeaseTiming;
  readonly proofPolicy: ProofPolicy;
}

/** A condition that an operator should know about. An `error` prevents the registration. */
export interface Finding {
  readonly code: string;
  readonly severity: 'error' | 'warning' | 'info';
  /** The member of the request that it concerns; `hostId`, `hardware` or `authorization` for others. */
  readonly field: string;
  readonly message: string;
}

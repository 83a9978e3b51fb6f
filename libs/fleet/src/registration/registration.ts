import { lastGeneration } from '../consistency/consistency.js';
import { callerAuthor } from '../events/fleet-event.js';
import { FleetError, type FleetErrorDetails } from '../fleet-error.js';
import { afterRegistration, NO_REPORT } from '../health/health.js';
import { leaseSecondsFor, type LeaseTiming } from '../heartbeats/lease.js';
import { nameKey } from './name.js';
import type { CredentialIssuer, Decision, LockedRecord, PossibleDuplicate, VersionRuleSource } from '../ports.js';
import {
  connectionStateAt,
  type Actor,
  type IdentityFacts,
  type ProcessServer,
  type ProcessServerFacts,
} from '../process-server.js';
import { hostIdInUseError, registrationProof, type Claimant, type ProofPolicy } from './registration-proof.js';
import { endedSilence } from '../events/silence.js';
import { sizingClassOf, type SizingClass } from './sizing.js';
import {
  compareVersions,
  parseVersion,
  upgradePath,
  checkVersion,
  type Version,
  type VersionPolicy,
  type VersionStatus,
} from '../version/version.js';

/** The maximum lead of a sender's clock; a smaller deviation beyond the tolerance is a warning. */
export const MAX_CLOCK_LEAD_MS = 15 * 60_000;
/** A credential stores the generation in 32 bits. */
export const MAX_GENERATION = 4_294_967_295;
const CLOCK_TOLERANCE_MS = 60_000;
/** The port of the control channel, never a data port; and a frequent typing error for 9443. */
const CONTROL_PORT = 443;
const MISTYPED_DATA_PORT = 9433;

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

/** A condition that an operator should know about although the registration is accepted. */
export interface Finding {
  readonly code: string;
  readonly severity: 'refusal' | 'warning';
  readonly message: string;
}

export interface RegistrationResult {
  readonly hostId: string;
  /** True when no entry existed: the response is 201, otherwise 200. */
  readonly isNew: boolean;
  readonly generation: number;
  readonly credential: string;
  readonly heartbeatIntervalSeconds: number;
  readonly leaseSeconds: number;
  readonly versionStatus: VersionStatus;
  readonly sizingClass: SizingClass;
  readonly warnings: readonly Finding[];
}

const parseAgentVersion = ({ agentVersion }: ProcessServerFacts): Version => {
  const version = parseVersion(agentVersion);
  if (!version) throw new TypeError(`not a version: ${agentVersion}`);
  return version;
};

/** Higher than every generation that the host id can have had, including those in a lost history of the database. */
const nextGeneration = (locked: LockedRecord): number => Math.max(lastGeneration(locked), locked.generationFloor) + 1;

const toClaimant = ({ previousCredentialHash, actor: { address } }: RegistrationCommand): Claimant => ({
  previousCredentialHash,
  address,
});

/** The secret that a registration used, for its events. */
export const secretOf = ({
  passphraseId,
  enrolmentId,
}: Pick<RegistrationCommand, 'passphraseId' | 'enrolmentId'>): Record<string, string> => ({
  ...(passphraseId !== null && { passphraseId }),
  ...(enrolmentId !== null && { enrolmentId }),
});

/** All reasons to reject the registration now; empty when it is accepted. */
export function registrationErrors(
  command: RegistrationCommand,
  locked: LockedRecord,
  policy: RegistrationPolicy,
): FleetErrorDetails[] {
  const { facts, sentAt } = command;
  const errors: FleetErrorDetails[] = [];
  const versionError = checkVersion(parseAgentVersion(facts), policy.version, policy.versionPolicy);
  if (versionError) errors.push(versionError);
  if (facts.dataPort === CONTROL_PORT) errors.push({ code: 'invalid_data_port', dataPort: facts.dataPort });
  const leadMs = sentAt ? sentAt.getTime() - locked.at.getTime() : 0;
  if (leadMs > MAX_CLOCK_LEAD_MS) errors.push({ code: 'clock_in_future', aheadSeconds: Math.round(leadMs / 1000) });
  if (nextGeneration(locked) > MAX_GENERATION) errors.push({ code: 'generations_exhausted', max: MAX_GENERATION });
  const taken = locked.entry && checkHostId(command, locked.entry, locked, policy.proofPolicy);
  if (taken) errors.push(taken);
  return errors;
}

/** The reason why the registration may not replace this entry, or null. An entry from before a restore does not reserve its host id. */
function checkHostId(
  command: RegistrationCommand,
  entry: ProcessServer,
  { availableMs, generationFloor }: LockedRecord,
  policy: ProofPolicy,
): FleetErrorDetails | null {
  const { facts, actor } = command;
  if (entry.generation <= generationFloor) return null;
  if (entry.facts.machineId === facts.machineId) {
    const claimant = toClaimant(command);
    return registrationProof(entry, claimant, availableMs, policy) === null
      ? hostIdInUseError(entry, claimant, availableMs, policy)
      : null;
  }
  if (connectionStateAt(availableMs, entry) === 'Disconnected') return null;
  return {
    code: 'host_id_conflict',
    registeredAddress: entry.facts.ipAddress,
    otherAddress: facts.ipAddress === entry.facts.ipAddress ? actor.address : facts.ipAddress,
  };
}

/** The warnings of an accepted registration. */
export function registrationWarnings(
  { facts, sentAt }: RegistrationCommand,
  now: Date,
  possibleDuplicates: readonly PossibleDuplicate[],
  policy: RegistrationPolicy,
): Finding[] {
  const warnings: Finding[] = [];
  const warn = (code: string, message: string): void => void warnings.push({ code, severity: 'warning', message });
  if (sizingClassOf(facts) === 'BelowTable') {
    warn(
      'below_sizing_table',
      'The hardware is below the smallest supported size: 4 cores, 8 GB memory, 300 GB cache disk.',
    );
  }
  const version = parseAgentVersion(facts);
  const { status } = policy.versions.known.verdictOf(facts.agentVersion, facts.osType, now);
  if (status === 'NotSupported' && compareVersions(version, policy.version) < 0) {
    warn(
      'version_not_supported',
      `Version ${facts.agentVersion} is out of support. Upgrade to ${upgradePath(version, policy.version).join(', then ')}.`,
    );
  }
  if (facts.dataPort === MISTYPED_DATA_PORT)
    warn('unusual_data_port', 'Data port 9433 is often a typing error for 9443.');
  const skewMs = sentAt ? sentAt.getTime() - now.getTime() : 0;
  if (Math.abs(skewMs) > CLOCK_TOLERANCE_MS) {
    warn(
      'clock_skew',
      `The process server's clock is ${Math.abs(Math.round(skewMs / 1000))} s ${skewMs > 0 ? 'ahead' : 'behind'}.`,
    );
  }
  for (const other of possibleDuplicates) {
    warn(
      'possible_duplicate',
      `Host id ${other.hostId} (${other.friendlyName}, ${other.ipAddress}) has the same ${inCommon(other, facts).join(' and ')}.`,
    );
  }
  return warnings;
}

const inCommon = (one: IdentityFacts, other: IdentityFacts): string[] => [
  ...(one.ipAddress === other.ipAddress ? ['address'] : []),
  ...(nameKey(one.friendlyName) === nameKey(other.friendlyName) ? ['name'] : []),
  ...(one.machineId === other.machineId ? ['machine id'] : []),
];

/** The facts that differ, with both values. */
function diffFacts(
  before: ProcessServerFacts,
  after: ProcessServerFacts,
): Record<string, { from: unknown; to: unknown }> {
  const changes: Record<string, { from: unknown; to: unknown }> = {};
  for (const key of Object.keys(after) as (keyof ProcessServerFacts)[]) {
    if (JSON.stringify(before[key]) !== JSON.stringify(after[key]))
      changes[key] = { from: before[key], to: after[key] };
  }
  return changes;
}

/**
 * Registers a host id, whatever its record: a new generation with a first lease. A pending removal is cancelled.
 * @throws FleetError the first of `registrationErrors`.
 */
export function register(
  command: RegistrationCommand,
  locked: LockedRecord,
  possibleDuplicates: readonly PossibleDuplicate[],
  assignedIntervalSeconds: number,
  policy: RegistrationPolicy,
  issuer: CredentialIssuer,
): Decision<RegistrationResult> {
  const [rejection] = registrationErrors(command, locked, policy);
  if (rejection) throw new FleetError(rejection);
  const { hostId, facts, actor } = command;
  const { entry: before, tombstone, at: now, availableMs } = locked;
  const generation = nextGeneration(locked);
  const { credential, credentialHash } = issuer.issue(hostId, generation);
  const leaseSeconds = leaseSecondsFor(assignedIntervalSeconds, policy.leaseTiming);
  const isReplacement = before !== null && before.facts.machineId !== facts.machineId;
  const warnings = registrationWarnings(command, now, possibleDuplicates, policy);
  const entry: ProcessServer = {
    hostId,
    generation,
    facts,
    registeredAt: now,
    passphraseId: command.passphraseId,
    enrolmentId: command.enrolmentId,
    decommission: null,
    lease: {
      credentialHash,
      revoked: false,
      lastHeartbeatAt: null,
      lastSeenAvailableMs: availableMs,
      expiresAvailableMs: availableMs + leaseSeconds * 1000,
      assignedIntervalSeconds,
      instanceId: null,
      replacedInstanceIds: [],
      sourceAddress: actor.address,
      skewMs: command.sentAt ? command.sentAt.getTime() - now.getTime() : null,
      ignoredFields: [],
    },
    health: before && !isReplacement ? afterRegistration(before.health) : NO_REPORT,
  };
  return {
    result: {
      hostId,
      isNew: before === null,
      generation,
      credential,
      heartbeatIntervalSeconds: assignedIntervalSeconds,
      leaseSeconds,
      versionStatus: policy.versions.known.verdictOf(facts.agentVersion, facts.osType, now).status,
      sizingClass: sizingClassOf(facts),
      warnings,
    },
    change: {
      write: { to: 'registered', entry },
      event: {
        kind: before === null ? 'registered' : isReplacement ? 'replaced' : 'registered_again',
        generation,
        ...callerAuthor(actor),
        detail: {
          friendlyName: facts.friendlyName,
          ipAddress: facts.ipAddress,
          ...secretOf(command),
          ...(before && {
            changes: diffFacts(before.facts, facts),
            cancelledRemoval: before.decommission !== null,
            lastHeartbeatAt: before.lease.lastHeartbeatAt?.toISOString() ?? null,
          }),
          ...(before &&
            !isReplacement && {
              proof: registrationProof(before, toClaimant(command), availableMs, policy.proofPolicy) ?? 'none',
            }),
          ...(isReplacement && { machineIds: { before: before.facts.machineId, after: facts.machineId } }),
          ...(tombstone && { returnedAfter: tombstone.removal, removedAt: tombstone.removedAt.toISOString() }),
          ...(warnings.length > 0 && { warnings: warnings.map(({ code }) => code) }),
        },
      },
      endedSilence: endedSilence(before, { at: now, availableMs, author: callerAuthor(actor) }),
    },
  };
}

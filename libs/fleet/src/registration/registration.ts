import { lastGeneration } from '../consistency/consistency.js';
import { callerAuthor } from '../events/fleet-event.js';
import { FleetError, type FleetErrorDetails } from '../fleet-error.js';
import { afterRegistration, NO_REPORT } from '../health/health.js';
import { leaseSecondsFor } from '../heartbeats/lease.js';
import type { CredentialIssuer, Decision, LockedRecord, PossibleDuplicate } from '../ports.js';
import { connectionStateAt, type ProcessServer, type ProcessServerFacts } from '../process-server.js';
import { hostIdInUseError, registrationProof, type Claimant, type ProofPolicy } from './registration-proof.js';
import { endedSilence } from '../events/silence.js';
import type { Finding, RegistrationCommand, RegistrationPolicy } from './registration-command.js';
import { registrationFindings } from './registration-findings.js';
import { sizingClassOf, type SizingClass } from './sizing.js';
import { checkVersion } from '../version/version-policy.js';
import { parseVersion, type Version, type VersionStatus } from '../version/version.js';

/** The maximum lead of a sender's clock; a smaller deviation beyond the tolerance is a warning. */
export const MAX_CLOCK_LEAD_MS = 15 * 60_000;
/** A credential stores the generation in 32 bits. */
export const MAX_GENERATION = 4_294_967_295;
/** The port of the control channel, never a data port. */
const CONTROL_PORT = 443;

export type { Finding, RegistrationCommand, RegistrationPolicy } from './registration-command.js';

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
  const versionError = checkVersion(
    parseAgentVersion(facts),
    facts.osType,
    policy.versions.known,
    policy.versionPolicy,
  );
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
  const warnings = registrationFindings(command, now, possibleDuplicates, policy).filter(
    ({ severity }) => severity === 'warning',
  );
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

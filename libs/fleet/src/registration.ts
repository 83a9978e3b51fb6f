import { lastGeneration } from './consistency.js';
import { calledBy } from './fleet-event.js';
import { FleetError, type FleetFault } from './fleet-fault.js';
import { afterRegistration, NOTHING_REPORTED } from './health.js';
import { leaseSecondsFor, type LeaseTiming } from './lease.js';
import { nameKey } from './name.js';
import type { CredentialMint, Decision, HeldRecord, Neighbour } from './ports.js';
import {
  connectionStateAt,
  type Actor,
  type IdentityFacts,
  type ProcessServer,
  type ProcessServerFacts,
} from './process-server.js';
import { hostIdInUse, registrationProof, type Claimant, type ProofPolicy } from './registration-proof.js';
import { endedSilence } from './silence.js';
import { sizingClassOf, type SizingClass } from './sizing.js';
import {
  compareVersions,
  parseVersion,
  upgradePath,
  versionRefusal,
  versionStatus,
  type Version,
  type VersionPolicy,
  type VersionStatus,
} from './version.js';

/** A clock further ahead than this cannot register; one further off than the tolerance is warned of. */
export const LARGEST_CLOCK_LEAD_MS = 15 * 60_000;
/** A credential holds the generation in 32 bits. */
export const LARGEST_GENERATION = 4_294_967_295;
const CLOCK_TOLERANCE_MS = 60_000;
/** Port of the control channel, never a data port; and a frequent typing error for 9443. */
const CONTROL_PORT = 443;
const MISTYPED_DATA_PORT = 9433;

/** A request to register, checked for form only. */
export interface RegistrationOrder {
  readonly hostId: string;
  readonly facts: ProcessServerFacts;
  /** The sender's clock. */
  readonly sentAt: Date | null;
  readonly passphraseId: string;
  /** SHA-256 of the credential that the sender had until now, hex. */
  readonly previousCredentialHash: string | null;
  readonly actor: Actor;
}

/** What this configuration server asks of those who register. */
export interface RegistrationTerms {
  readonly version: Version;
  readonly versionPolicy: VersionPolicy;
  readonly leaseTiming: LeaseTiming;
  readonly proofPolicy: ProofPolicy;
}

/** What an operator should know although the registration is accepted. */
export interface Finding {
  readonly code: string;
  readonly severity: 'refusal' | 'warning';
  readonly message: string;
}

export interface RegistrationAnswer {
  readonly hostId: string;
  /** True when there was no entry: 201, else 200. */
  readonly isNew: boolean;
  readonly generation: number;
  readonly credential: string;
  readonly heartbeatIntervalSeconds: number;
  readonly leaseSeconds: number;
  readonly versionStatus: VersionStatus;
  readonly sizingClass: SizingClass;
  readonly warnings: readonly Finding[];
}

const agentVersionOf = ({ agentVersion }: ProcessServerFacts): Version => {
  const version = parseVersion(agentVersion);
  if (!version) throw new TypeError(`not a version: ${agentVersion}`);
  return version;
};

/** Above every generation that the host id can have had, also in a history of the database that was lost. */
const nextGeneration = (held: HeldRecord): number => Math.max(lastGeneration(held), held.generationFloor) + 1;

const claimantOf = ({ previousCredentialHash, actor: { address } }: RegistrationOrder): Claimant => ({
  previousCredentialHash,
  address,
});

/** Every reason why this order may not register now; empty when it may. */
export function registrationFaults(order: RegistrationOrder, held: HeldRecord, terms: RegistrationTerms): FleetFault[] {
  const { facts, sentAt } = order;
  const faults: FleetFault[] = [];
  const refusal = versionRefusal(agentVersionOf(facts), terms.version, terms.versionPolicy);
  if (refusal) faults.push(refusal);
  if (facts.dataPort === CONTROL_PORT) faults.push({ code: 'invalid_data_port', dataPort: facts.dataPort });
  const leadMs = sentAt ? sentAt.getTime() - held.now.getTime() : 0;
  if (leadMs > LARGEST_CLOCK_LEAD_MS) faults.push({ code: 'clock_in_future', aheadSeconds: Math.round(leadMs / 1000) });
  if (nextGeneration(held) > LARGEST_GENERATION)
    faults.push({ code: 'generations_exhausted', largest: LARGEST_GENERATION });
  const taken = held.entry && hostIdFault(order, held.entry, held, terms.proofPolicy);
  if (taken) faults.push(taken);
  return faults;
}

/** Why the registration may not replace this entry, or null. An entry from before a restore holds its host id no longer. */
function hostIdFault(
  order: RegistrationOrder,
  entry: ProcessServer,
  { listenedMs, generationFloor }: HeldRecord,
  policy: ProofPolicy,
): FleetFault | null {
  const { facts, actor } = order;
  if (entry.generation <= generationFloor) return null;
  if (entry.facts.machineId === facts.machineId) {
    const claimant = claimantOf(order);
    return registrationProof(entry, claimant, listenedMs, policy) === null
      ? hostIdInUse(entry, claimant, listenedMs, policy)
      : null;
  }
  if (connectionStateAt(listenedMs, entry) === 'Disconnected') return null;
  return {
    code: 'host_id_conflict',
    registeredAddress: entry.facts.ipAddress,
    otherAddress: facts.ipAddress === entry.facts.ipAddress ? actor.address : facts.ipAddress,
  };
}

/** What is worth saying about an order that may register. */
export function registrationWarnings(
  { facts, sentAt }: RegistrationOrder,
  now: Date,
  neighbours: readonly Neighbour[],
  terms: RegistrationTerms,
): Finding[] {
  const warnings: Finding[] = [];
  const warn = (code: string, message: string): void => void warnings.push({ code, severity: 'warning', message });
  if (sizingClassOf(facts) === 'BelowTable') {
    warn(
      'below_sizing_table',
      'The hardware is below the smallest supported size: 4 cores, 8 GB memory, 300 GB cache disk.',
    );
  }
  const version = agentVersionOf(facts);
  if (versionStatus(version, terms.version) === 'NotSupported' && compareVersions(version, terms.version) < 0) {
    warn(
      'version_not_supported',
      `Version ${facts.agentVersion} is out of support. Upgrade to ${upgradePath(version, terms.version).join(', then ')}.`,
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
  for (const other of neighbours) {
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

/** Members of the facts that differ, with both values. */
function changesOf(
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
 * A registration of a host id, whatever was there: a new generation with a first lease, which also cancels a removal.
 * @throws FleetError the first of `registrationFaults`.
 */
export function register(
  order: RegistrationOrder,
  held: HeldRecord,
  neighbours: readonly Neighbour[],
  toldIntervalSeconds: number,
  terms: RegistrationTerms,
  mint: CredentialMint,
): Decision<RegistrationAnswer> {
  const [fault] = registrationFaults(order, held, terms);
  if (fault) throw new FleetError(fault);
  const { hostId, facts, actor } = order;
  const { entry: before, tombstone, now, listenedMs } = held;
  const generation = nextGeneration(held);
  const { credential, credentialHash } = mint.mint(hostId, generation);
  const leaseSeconds = leaseSecondsFor(toldIntervalSeconds, terms.leaseTiming);
  const replaces = before !== null && before.facts.machineId !== facts.machineId;
  const warnings = registrationWarnings(order, now, neighbours, terms);
  const entry: ProcessServer = {
    hostId,
    generation,
    facts,
    registeredAt: now,
    passphraseId: order.passphraseId,
    decommission: null,
    lease: {
      credentialHash,
      revoked: false,
      lastHeartbeatAt: null,
      heardAtListenedMs: listenedMs,
      endsAtListenedMs: listenedMs + leaseSeconds * 1000,
      toldIntervalSeconds,
      instanceId: null,
      replacedInstanceIds: [],
      sourceAddress: actor.address,
      skewMs: order.sentAt ? order.sentAt.getTime() - now.getTime() : null,
      ignoredFields: [],
    },
    health: before && !replaces ? afterRegistration(before.health) : NOTHING_REPORTED,
  };
  return {
    answer: {
      hostId,
      isNew: before === null,
      generation,
      credential,
      heartbeatIntervalSeconds: toldIntervalSeconds,
      leaseSeconds,
      versionStatus: versionStatus(agentVersionOf(facts), terms.version),
      sizingClass: sizingClassOf(facts),
      warnings,
    },
    change: {
      write: { to: 'registered', entry },
      event: {
        kind: before === null ? 'registered' : replaces ? 'replaced' : 'registered_again',
        generation,
        ...calledBy(actor),
        detail: {
          friendlyName: facts.friendlyName,
          ipAddress: facts.ipAddress,
          passphraseId: order.passphraseId,
          ...(before && {
            changes: changesOf(before.facts, facts),
            cancelledRemoval: before.decommission !== null,
            lastHeartbeatAt: before.lease.lastHeartbeatAt?.toISOString() ?? null,
          }),
          ...(before &&
            !replaces && {
              proof: registrationProof(before, claimantOf(order), listenedMs, terms.proofPolicy) ?? 'none',
            }),
          ...(replaces && { machineIds: { before: before.facts.machineId, after: facts.machineId } }),
          ...(tombstone && { returnedAfter: tombstone.removal, removedAt: tombstone.removedAt.toISOString() }),
          ...(warnings.length > 0 && { warnings: warnings.map(({ code }) => code) }),
        },
      },
      endedSilence: endedSilence(before, { now, listenedMs, author: calledBy(actor) }),
    },
  };
}

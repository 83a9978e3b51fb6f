import type { HealthInputs, ReportedHealth } from './health/health.js';
import type { Hardware } from './registration/sizing.js';

export type Environment = 'VMware' | 'NonVMware';

/** How a process server reaches the internet. The password of the proxy is never stored. */
export interface ProxyFacts {
  readonly used: boolean;
  readonly address: string | null;
  readonly port: number | null;
  readonly authenticated: boolean;
}

/** The facts that a process server reports when it registers. */
export interface ProcessServerFacts extends Hardware {
  readonly friendlyName: string;
  readonly fqdn: string | null;
  /** Canonical: IPv6 as in RFC 5952. */
  readonly ipAddress: string;
  readonly dataPort: number;
  readonly osType: string;
  readonly osVersion: string;
  /** Canonical four parts. */
  readonly agentVersion: string;
  readonly machineId: string;
  readonly environment: Environment;
  readonly proxy: ProxyFacts | null;
}

/** The facts that a registration may omit, and their values then. */
export const OMITTED_FACTS = { fqdn: null } as const satisfies Partial<ProcessServerFacts>;

/** The facts that should be unique in the fleet: entries that share one are possible duplicates of each other. */
export type IdentityFacts = Pick<ProcessServerFacts, 'ipAddress' | 'friendlyName' | 'machineId'>;

/** A decommissioning, with the deadline by which the entry is removed. */
export interface Decommission {
  readonly at: Date;
  readonly by: string;
  readonly reason: string | null;
  readonly removeBy: Date;
}

/** The lease of a process server. Timestamps on the availability clock end in `AvailableMs`. */
export interface Lease {
  /** SHA-256 of the credential, hex. */
  readonly credentialHash: string;
  readonly revoked: boolean;
  /** Null until the first heartbeat of this generation. */
  readonly lastHeartbeatAt: Date | null;
  /** The availability clock at the last registration or heartbeat. */
  readonly lastSeenAvailableMs: number;
  /** The availability clock at which the lease expires; at exactly this value it has expired. */
  readonly expiresAvailableMs: number;
  readonly assignedIntervalSeconds: number;
  readonly instanceId: string | null;
  /** The instances that the current one has replaced, latest first, at most `MAX_REPLACED_INSTANCES`. */
  readonly replacedInstanceIds: readonly string[];
  /** The source address of the last accepted call. */
  readonly sourceAddress: string;
  /** The sender's clock minus the server's, when last reported; positive is ahead. Displayed, never used. */
  readonly skewMs: number | null;
  /** Fields of the last heartbeat that were ignored, by their names in the response. */
  readonly ignoredFields: readonly string[];
}

/** One entry of the registry. */
export interface ProcessServer {
  readonly hostId: string;
  readonly generation: number;
  readonly facts: ProcessServerFacts;
  readonly registeredAt: Date;
  /** The passphrase of the registration; null if it used an enrolment. */
  readonly passphraseId: string | null;
  /** The enrolment of the registration; null if it used a passphrase. */
  readonly enrolmentId: string | null;
  readonly decommission: Decommission | null;
  readonly lease: Lease;
  readonly health: ReportedHealth;
}

/** The part of an entry that a list displays, and that its states are derived from. */
export interface ListedServer extends Pick<ProcessServer, 'hostId' | 'generation'> {
  readonly facts: Pick<ProcessServerFacts, 'friendlyName' | 'ipAddress' | 'agentVersion' | 'osType'>;
  readonly decommission: Pick<Decommission, 'removeBy'> | null;
  readonly lease: Pick<Lease, 'lastHeartbeatAt' | 'lastSeenAvailableMs' | 'expiresAvailableMs'>;
  readonly health: HealthInputs['reported'];
}

export type Lifecycle = 'Registered' | 'Decommissioned';
export type ConnectionState = 'Connected' | 'Disconnected';

export function lifecycleOf({ decommission }: Pick<ListedServer, 'decommission'>): Lifecycle {
  return decommission ? 'Decommissioned' : 'Registered';
}

/** Connected until the lease expires on the availability clock. Registration grants the first lease, so every entry has one. */
export function connectionStateAt(
  availableMs: number,
  { lease }: { readonly lease: Pick<Lease, 'expiresAvailableMs'> },
): ConnectionState {
  return availableMs < lease.expiresAvailableMs ? 'Connected' : 'Disconnected';
}

/** Marks a removed host id, so that its late heartbeats are rejected with the right instruction. */
export interface Tombstone {
  readonly hostId: string;
  readonly generation: number;
  readonly friendlyName: string;
  readonly ipAddress: string;
  readonly removedAt: Date;
  readonly removedBy: string;
  readonly reason: string | null;
  readonly removal: 'purge' | 'clean_up';
  /** The purge plan that removed the entry, if one did. */
  readonly planId: string | null;
}

/** The ways in which stored rows can contradict each other. No call writes such rows; each of them can be repaired. */
export const INCONSISTENCY_KINDS = [
  'lease_missing',
  'health_missing',
  'name_mismatch',
  'generation_mismatch',
  'retirement_mismatch',
  'entry_with_tombstone',
  'orphan',
  'counter_mismatch',
] as const;
export type InconsistencyKind = (typeof INCONSISTENCY_KINDS)[number];

/** The rows that exist for a host id; null where there is none. */
export interface HostRows {
  readonly entry: { readonly generation: number; readonly isDecommissioned: boolean } | null;
  readonly lease: { readonly generation: number; readonly isRetired: boolean } | null;
  readonly hasHealth: boolean;
  /** The number of current rows in the name history; exactly one is correct. */
  readonly names: number;
  readonly currentNames: number;
  readonly tombstone: Tombstone | null;
}

/** The inconsistencies of a host's rows, and the values that a repair writes. */
export interface Damage {
  readonly kinds: readonly InconsistencyKind[];
  readonly rows: HostRows;
  /** The highest generation in any of the rows. */
  readonly generation: number;
  readonly isDecommissioned: boolean;
}

/**
 * All that the registry stores of one host id. An entry and a tombstone never exist together. A damaged entry is
 * returned as it will be after its repair, which precedes any other write.
 */
export interface HostRecord {
  readonly entry: ProcessServer | null;
  readonly tombstone: Tombstone | null;
  readonly damage?: Damage;
}

/** The caller of a change: its name in the event, and its source address. */
export interface Actor {
  readonly name: string;
  readonly address: string;
  readonly requestId: string;
}

const OPERATOR = 'operator:';
/** The actor name of a caller with an API key. */
export const operatorName = (keyName: string): string => OPERATOR + keyName;
/** The name of an operator's API key. */
export const keyNameOf = ({ name }: Pick<Actor, 'name'>): string => name.slice(OPERATOR.length);

import type { HealthInputs, ReportedHealth } from './health/health.js';
import type { Hardware } from './registration/sizing.js';

export type Environment = 'VMware' | 'NonVMware';

/** How a process server reaches the internet. Never the proxy's password. */
export interface ProxyFacts {
  readonly used: boolean;
  readonly address: string | null;
  readonly port: number | null;
  readonly authenticated: boolean;
}

/** What a process server says of itself when it registers. */
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

/** What no two entries should have in common: the entries that do are possible duplicates of each other. */
export type IdentityFacts = Pick<ProcessServerFacts, 'ipAddress' | 'friendlyName' | 'machineId'>;

/** That a process server is leaving, and by when it is promised to be gone. */
export interface Decommission {
  readonly at: Date;
  readonly by: string;
  readonly reason: string | null;
  readonly removeBy: Date;
}

/** What is known of a process server's sign of life. Instants on the listening clock end in `ListenedMs`. */
export interface Lease {
  /** SHA-256 of the credential, hex. */
  readonly credentialHash: string;
  readonly revoked: boolean;
  /** Null until the first heartbeat of this generation. */
  readonly lastHeartbeatAt: Date | null;
  /** L at the last sign of life: registration or heartbeat. */
  readonly lastSeenAvailableMs: number;
  /** L at which the lease ends. Half-open: at this very instant it has ended. */
  readonly expiresAvailableMs: number;
  readonly assignedIntervalSeconds: number;
  readonly instanceId: string | null;
  /** Those that the present one has replaced, latest first, at most `MAX_REPLACED_INSTANCES`. */
  readonly replacedInstanceIds: readonly string[];
  /** Where the last accepted call came from. */
  readonly sourceAddress: string;
  /** The sender's clock minus ours when it last said; positive is ahead. Shown, never used. */
  readonly skewMs: number | null;
  /** Members of the last heartbeat that were not used, by their names in the response. */
  readonly ignoredFields: readonly string[];
}

/** One entry of the registry. */
export interface ProcessServer {
  readonly hostId: string;
  readonly generation: number;
  readonly facts: ProcessServerFacts;
  readonly registeredAt: Date;
  readonly passphraseId: string;
  readonly decommission: Decommission | null;
  readonly lease: Lease;
  readonly health: ReportedHealth;
}

/** Of an entry what a list shows, and what its states follow from. */
export interface ListedServer extends Pick<ProcessServer, 'hostId' | 'generation'> {
  readonly facts: Pick<ProcessServerFacts, 'friendlyName' | 'ipAddress' | 'agentVersion'>;
  readonly decommission: Pick<Decommission, 'removeBy'> | null;
  readonly lease: Pick<Lease, 'lastHeartbeatAt' | 'lastSeenAvailableMs' | 'expiresAvailableMs'>;
  readonly health: HealthInputs['reported'];
}

export type Lifecycle = 'Registered' | 'Decommissioned';
export type ConnectionState = 'Connected' | 'Disconnected';

export function lifecycleOf({ decommission }: Pick<ListedServer, 'decommission'>): Lifecycle {
  return decommission ? 'Decommissioned' : 'Registered';
}

/** Connected while the lease runs on the listening clock. Registration grants the first lease, so there is always one to judge by. */
export function connectionStateAt(
  availableMs: number,
  { lease }: { readonly lease: Pick<Lease, 'expiresAvailableMs'> },
): ConnectionState {
  return availableMs < lease.expiresAvailableMs ? 'Connected' : 'Disconnected';
}

/** Remembers a host id that is gone: what may not come back, and what its late heartbeats are told. */
export interface Tombstone {
  readonly hostId: string;
  readonly generation: number;
  readonly friendlyName: string;
  readonly ipAddress: string;
  readonly removedAt: Date;
  readonly removedBy: string;
  readonly reason: string | null;
  readonly removal: 'purge' | 'clean_up';
  /** The purge plan that removed it, when one did. */
  readonly planId: string | null;
}

/** Ways in which stored rows can contradict each other. None of them is ever written by a call; each can be repaired. */
export const INCONSISTENCY_KINDS = [
  'lease_missing',
  'health_missing',
  'name_mismatch',
  'generation_mismatch',
  'retirement_mismatch',
  'entry_with_tombstone',
  'orphan',
  'tally_mismatch',
] as const;
export type InconsistencyKind = (typeof INCONSISTENCY_KINDS)[number];

/** Which rows a host id has; null where there is none. */
export interface HostRows {
  readonly entry: { readonly generation: number; readonly isDecommissioned: boolean } | null;
  readonly lease: { readonly generation: number; readonly isRetired: boolean } | null;
  readonly hasHealth: boolean;
  /** Of its names, and of those that hold now: one is right. */
  readonly names: number;
  readonly currentNames: number;
  readonly tombstone: Tombstone | null;
}

/** What is wrong with the rows of a host, and what they will say when they are repaired. */
export interface Damage {
  readonly kinds: readonly InconsistencyKind[];
  readonly rows: HostRows;
  /** The highest that any of the rows names. */
  readonly generation: number;
  readonly isDecommissioned: boolean;
}

/**
 * All that the registry holds of one host id. An entry and a tombstone never exist together. Of damaged rows, the entry is shown
 * as it will be once they are repaired, which any write does first.
 */
export interface HostRecord {
  readonly entry: ProcessServer | null;
  readonly tombstone: Tombstone | null;
  readonly damage?: Damage;
}

/** Who asks for a change: the name that its event carries, and from where. */
export interface Actor {
  readonly name: string;
  readonly address: string;
  readonly requestId: string;
}

const OPERATOR = 'operator:';
/** The name that somebody with an API key acts under. */
export const operatorName = (keyName: string): string => OPERATOR + keyName;
/** The name of the API key that an operator has. */
export const keyNameOf = ({ name }: Pick<Actor, 'name'>): string => name.slice(OPERATOR.length);

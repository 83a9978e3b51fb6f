import type { EventBounds, HeartbeatEvent } from '../events/event-bounds.js';
import type { EventKind } from '../events/fleet-event.js';
import type { FleetErrorDetails } from '../fleet-error.js';
import type { ServiceState } from '../health/health.js';
import type { Load } from '../health/load.js';
import type { Tombstone } from '../process-server.js';
import type { Moment } from '../availability/moment.js';
import { silenceEnded } from '../events/silence.js';
import type { OsKey } from '../version/release.js';
import { compareVersions, parseVersion, type Version } from '../version/version.js';

/** The members whose stored value is cleared when a heartbeat sends an invalid one. */
export type ForgettableMember =
  | 'skewMs'
  | 'services'
  | 'protectedMachineCount'
  | 'replicationPairCount'
  | 'churnBytesPerDay'
  | 'certificateExpiresAt';

/** The members whose stored value a heartbeat clears by sending `null`. */
export type WithdrawableMember = 'load' | 'services' | 'certificateExpiresAt';

/** The fields of a heartbeat that were ignored. */
export interface IgnoredMembers {
  /** Their names in the response, e.g. `load.cpuPercent`. */
  readonly fields: readonly string[];
  /** Null in the heartbeat; the stored value is cleared. */
  readonly unusable: readonly ForgettableMember[];
}

/** A heartbeat with a valid form and a genuine credential. A member that was not sent is null. */
export interface Heartbeat {
  readonly hostId: string;
  readonly generation: number;
  readonly credentialHash: string;
  readonly sourceAddress: string;
  /** The request id of the call. */
  readonly requestId: string;
  readonly machineId: string | null;
  readonly instanceId: string | null;
  /** Canonical four parts. */
  readonly agentVersion: string | null;
  /** The sender's clock minus the server's; displayed, never used. */
  readonly skewMs: number | null;
  readonly load: Load | null;
  readonly services: readonly ServiceState[] | null;
  readonly protectedMachineCount: number | null;
  readonly replicationPairCount: number | null;
  readonly churnBytesPerDay: number | null;
  readonly certificateExpiresAt: Date | null;
  /** Members sent as null, whose stored value is cleared. Null for nearly all heartbeats. */
  readonly withdrawn: readonly WithdrawableMember[] | null;
  /** Other ignored fields; null for nearly all heartbeats. */
  readonly ignored: IgnoredMembers | null;
}

/** A heartbeat with its assigned interval and the lease that follows from it. */
export interface QueuedHeartbeat {
  readonly heartbeat: Heartbeat;
  readonly assignedIntervalSeconds: number;
  readonly leaseSeconds: number;
  /** Its row was locked when the previous batch was written. */
  readonly deferred: boolean;
}

export type HeartbeatVerdict =
  | ({
      readonly outcome: 'accepted';
      readonly agentVersion: string;
      /** Read only if the version status depends on it. */
      readonly osKey?: OsKey;
    } & Moment)
  | { readonly outcome: 'rejected'; readonly rejection: FleetErrorDetails }
  | { readonly outcome: 'deferred' };

/** The stored state against which a heartbeat is checked. */
export interface StoredLease {
  readonly generation: number;
  readonly credentialHash: string;
  readonly retired: boolean;
  readonly revoked: boolean;
  readonly instanceId: string | null;
  /** The instances before the current one, latest first, at most `MAX_REPLACED_INSTANCES`. */
  readonly replacedInstanceIds: readonly string[];
  readonly sourceAddress: string;
  readonly expiresAvailableMs: number;
  /** The time of the last heartbeat, or of the registration before the first. */
  readonly lastSeenAt: Date;
  readonly machineId: string;
  readonly agentVersion: string;
  readonly osKey: OsKey;
  readonly eventBounds: EventBounds;
}

/**
 * Checks whether a credential may act for the entry: the first rejection that applies, or null. Machine and instance
 * are checked separately. A genuine credential of an unknown later generation was issued before the database was
 * restored to this state.
 */
export function checkCredential(
  { generation, credentialHash }: Pick<Heartbeat, 'generation' | 'credentialHash'>,
  stored: Pick<StoredLease, 'generation' | 'credentialHash' | 'retired' | 'revoked'> | null,
  tombstone: Pick<Tombstone, 'removal' | 'generation'> | null,
): FleetErrorDetails | null {
  const current = Math.max(stored?.generation ?? 0, tombstone?.generation ?? 0);
  if ((stored || tombstone) && generation > current) return { code: 'generation_unknown', given: generation, current };
  if (tombstone) return { code: 'generation_retired', removal: tombstone.removal };
  if (stored?.retired) return { code: 'generation_retired', removal: 'clean_up' };
  if (!stored) return { code: 'process_server_not_found' };
  if (generation < stored.generation)
    return { code: 'generation_superseded', given: generation, current: stored.generation };
  if (stored.revoked) return { code: 'credential_revoked' };
  return credentialHash === stored.credentialHash ? null : { code: 'credential_rejected' };
}

/** Checks a heartbeat in the order of the contract: the first rejection that applies, or null when it renews the lease. */
export function checkHeartbeat(
  heartbeat: Heartbeat,
  stored: StoredLease | null,
  tombstone: Pick<Tombstone, 'removal' | 'generation'> | null,
): FleetErrorDetails | null {
  const rejection = checkCredential(heartbeat, stored, tombstone);
  if (rejection || !stored) return rejection;
  const otherMachine = heartbeat.machineId !== null && heartbeat.machineId !== stored.machineId;
  const replacedInstance =
    heartbeat.instanceId !== null &&
    heartbeat.instanceId !== stored.instanceId &&
    stored.replacedInstanceIds.includes(heartbeat.instanceId);
  return otherMachine || replacedInstance
    ? { code: 'host_id_conflict', registeredAddress: stored.sourceAddress, otherAddress: heartbeat.sourceAddress }
    : null;
}

/**
 * The events of an accepted heartbeat: the end of a silence, a changed version, a version newer than the configuration
 * server, a changed address.
 */
export function heartbeatEvents(
  heartbeat: Heartbeat,
  stored: StoredLease,
  { at, availableMs }: Moment,
  configurationServer: Version,
): HeartbeatEvent[] {
  const events: HeartbeatEvent[] = [];
  if (availableMs >= stored.expiresAvailableMs) {
    events.push(silenceEnded(stored.lastSeenAt, at));
  }
  const agentVersion = heartbeat.agentVersion ?? stored.agentVersion;
  if (agentVersion !== stored.agentVersion) {
    events.push({ kind: 'version_changed', detail: { from: stored.agentVersion, to: agentVersion } });
  }
  const version = parseVersion(agentVersion);
  if (version && compareVersions(version, configurationServer) > 0) {
    const serverVersion = `${configurationServer.major}.${configurationServer.minor}.${configurationServer.build}.${configurationServer.revision}`;
    events.push({
      kind: 'version_newer_than_configuration_server',
      detail: { agentVersion, configurationServerVersion: serverVersion },
      key: `${heartbeat.hostId} ${heartbeat.generation} ${agentVersion} above ${serverVersion}`,
    });
  }
  if (heartbeat.sourceAddress !== stored.sourceAddress) {
    events.push({
      kind: 'source_address_changed',
      detail: { from: stored.sourceAddress, to: heartbeat.sourceAddress },
    });
  }
  return events;
}

/** The number of replaced instances that are stored, so that further senders under one host id are still detected. */
export const MAX_REPLACED_INSTANCES = 8;

export type Instances = Pick<StoredLease, 'instanceId' | 'replacedInstanceIds'>;

/** The instances to store: a new one replaces the current one. */
export function nextInstances(
  heartbeat: Pick<Heartbeat, 'instanceId'>,
  { instanceId, replacedInstanceIds }: Instances,
): Instances {
  if (heartbeat.instanceId === null || heartbeat.instanceId === instanceId) return { instanceId, replacedInstanceIds };
  const replaced = instanceId === null ? replacedInstanceIds : [instanceId, ...replacedInstanceIds];
  return { instanceId: heartbeat.instanceId, replacedInstanceIds: replaced.slice(0, MAX_REPLACED_INSTANCES) };
}

/** The event kind of a rejection that concerns operators; null for other rejections. */
export function rejectionEventKind({ code }: FleetErrorDetails): EventKind | null {
  switch (code) {
    case 'host_id_conflict':
    case 'host_id_in_use':
    case 'registration_rate_exceeded':
    case 'generation_retired':
    case 'generation_superseded':
    case 'generation_unknown':
    case 'process_server_not_found':
    case 'credential_revoked':
    case 'credential_rejected':
      return `refused_${code}`;
    case 'version_newer_than_configuration_server':
    case 'version_not_exact':
      return 'refused_version';
    default:
      return null;
  }
}

import type { EventBounds, HeartbeatNews } from './event-bounds.js';
import type { EventKind } from './fleet-event.js';
import type { FleetFault } from './fleet-fault.js';
import type { Load, ServiceState } from './health.js';
import type { Tombstone } from './process-server.js';
import { silenceEnded } from './silence.js';
import { compareVersions, parseVersion, type Version } from './version.js';

/** What a store forgets when a heartbeat carries it in a form that cannot be used. */
export type ForgettableMember =
  'skewMs' | 'services' | 'protectedMachineCount' | 'replicationPairCount' | 'certificateExpiresAt';

/** Members that a heartbeat withdraws by sending `null`. */
export type WithdrawableMember = 'load' | 'services' | 'certificateExpiresAt';

/** What a heartbeat carried and what was not used of it. */
export interface IgnoredMembers {
  /** As they are named in the response, e.g. `load.cpuPercent`; one line each. */
  readonly fields: readonly string[];
  /** Null in the heartbeat; what was known of them no longer holds. */
  readonly unusable: readonly ForgettableMember[];
}

/** One heartbeat, checked for form and with a genuine credential. What it does not carry is null. */
export interface Heartbeat {
  readonly hostId: string;
  readonly generation: number;
  readonly credentialHash: string;
  readonly sourceAddress: string;
  /** Of the call that brought it. */
  readonly requestId: string;
  readonly machineId: string | null;
  readonly instanceId: string | null;
  /** Canonical four parts. */
  readonly agentVersion: string | null;
  /** The sender's clock minus ours; shown, never used. */
  readonly skewMs: number | null;
  readonly load: Load | null;
  readonly services: readonly ServiceState[] | null;
  readonly protectedMachineCount: number | null;
  readonly replicationPairCount: number | null;
  readonly certificateExpiresAt: Date | null;
  /** Null in the heartbeat; what was known of them is withdrawn. Null for nearly all heartbeats. */
  readonly withdrawn: readonly WithdrawableMember[] | null;
  /** What it carried besides that is not used; null for nearly all heartbeats. */
  readonly ignored: IgnoredMembers | null;
}

/** A heartbeat with the interval that its sender is about to be told, and the lease that follows from it. */
export interface WaitingHeartbeat {
  readonly beat: Heartbeat;
  readonly toldIntervalSeconds: number;
  readonly leaseSeconds: number;
  /** Its row was locked when the group before was written. */
  readonly carried: boolean;
}

export type HeartbeatVerdict =
  | { readonly outcome: 'accepted'; readonly agentVersion: string; readonly at: Date; readonly listenedMs: number }
  | { readonly outcome: 'refused'; readonly fault: FleetFault }
  | { readonly outcome: 'carry' };

/** What a heartbeat is judged against. */
export interface LeaseOnRecord {
  readonly generation: number;
  readonly credentialHash: string;
  readonly retired: boolean;
  readonly revoked: boolean;
  readonly instanceId: string | null;
  /** Those that came before it, latest first, at most `REPLACED_INSTANCES_KEPT`. */
  readonly replacedInstanceIds: readonly string[];
  readonly sourceAddress: string;
  readonly endsAtListenedMs: number;
  /** The last heartbeat, or the registration when there was none. */
  readonly lastHeardAt: Date;
  readonly machineId: string;
  readonly agentVersion: string;
  readonly eventBounds: EventBounds;
}

/**
 * Whether these credentials may act for the entry: the first refusal that is true, or null. Machine and instance are judged apart.
 * A genuine credential of a later generation than all that is known was issued after this state of the database: it was restored.
 */
export function credentialFault(
  { generation, credentialHash }: Pick<Heartbeat, 'generation' | 'credentialHash'>,
  onRecord: Pick<LeaseOnRecord, 'generation' | 'credentialHash' | 'retired' | 'revoked'> | null,
  tombstone: Pick<Tombstone, 'removal' | 'generation'> | null,
): FleetFault | null {
  const current = Math.max(onRecord?.generation ?? 0, tombstone?.generation ?? 0);
  if ((onRecord || tombstone) && generation > current)
    return { code: 'generation_unknown', given: generation, current };
  if (tombstone) return { code: 'generation_retired', removal: tombstone.removal };
  if (onRecord?.retired) return { code: 'generation_retired', removal: 'clean_up' };
  if (!onRecord) return { code: 'process_server_not_found' };
  if (generation < onRecord.generation)
    return { code: 'generation_superseded', given: generation, current: onRecord.generation };
  if (onRecord.revoked) return { code: 'credential_revoked' };
  return credentialHash === onRecord.credentialHash ? null : { code: 'credential_rejected' };
}

/** The refusal of a heartbeat, in the order of the contract; null when it renews the lease. */
export function heartbeatFault(
  beat: Heartbeat,
  onRecord: LeaseOnRecord | null,
  tombstone: Pick<Tombstone, 'removal' | 'generation'> | null,
): FleetFault | null {
  const fault = credentialFault(beat, onRecord, tombstone);
  if (fault || !onRecord) return fault;
  const otherMachine = beat.machineId !== null && beat.machineId !== onRecord.machineId;
  const replacedInstance =
    beat.instanceId !== null &&
    beat.instanceId !== onRecord.instanceId &&
    onRecord.replacedInstanceIds.includes(beat.instanceId);
  return otherMachine || replacedInstance
    ? { code: 'host_id_conflict', registeredAddress: onRecord.sourceAddress, otherAddress: beat.sourceAddress }
    : null;
}

/** What an accepted heartbeat tells that was not known: the end of a silence, another version, a version above ours, another address. */
export function heartbeatNews(
  beat: Heartbeat,
  onRecord: LeaseOnRecord,
  now: Date,
  listenedMs: number,
  configurationServer: Version,
): HeartbeatNews[] {
  const news: HeartbeatNews[] = [];
  if (listenedMs >= onRecord.endsAtListenedMs) {
    news.push(silenceEnded(onRecord.lastHeardAt, now));
  }
  const agentVersion = beat.agentVersion ?? onRecord.agentVersion;
  if (agentVersion !== onRecord.agentVersion) {
    news.push({ kind: 'version_changed', detail: { from: onRecord.agentVersion, to: agentVersion } });
  }
  const version = parseVersion(agentVersion);
  if (version && compareVersions(version, configurationServer) > 0) {
    const ours = `${configurationServer.major}.${configurationServer.minor}.${configurationServer.build}.${configurationServer.revision}`;
    news.push({
      kind: 'version_newer_than_configuration_server',
      detail: { agentVersion, configurationServerVersion: ours },
      key: `${beat.hostId} ${beat.generation} ${agentVersion} above ${ours}`,
    });
  }
  if (beat.sourceAddress !== onRecord.sourceAddress) {
    news.push({ kind: 'source_address_changed', detail: { from: onRecord.sourceAddress, to: beat.sourceAddress } });
  }
  return news;
}

/** So many more senders than two may share a host id and are still told apart. */
export const REPLACED_INSTANCES_KEPT = 8;

export type Instances = Pick<LeaseOnRecord, 'instanceId' | 'replacedInstanceIds'>;

/** The instances to remember: a new one replaces the present one. */
export function instancesAfter(
  beat: Pick<Heartbeat, 'instanceId'>,
  { instanceId, replacedInstanceIds }: Instances,
): Instances {
  if (beat.instanceId === null || beat.instanceId === instanceId) return { instanceId, replacedInstanceIds };
  const replaced = instanceId === null ? replacedInstanceIds : [instanceId, ...replacedInstanceIds];
  return { instanceId: beat.instanceId, replacedInstanceIds: replaced.slice(0, REPLACED_INSTANCES_KEPT) };
}

/** The event kind of a refusal that an operator will want to see; null for those that say nothing of the fleet. */
export function refusalKind({ code }: FleetFault): EventKind | null {
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

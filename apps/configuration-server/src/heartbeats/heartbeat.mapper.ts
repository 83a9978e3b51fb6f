import {
  canonicalVersion,
  FleetError,
  roundedPercent,
  type ForgettableMember,
  type Heartbeat,
  type HeartbeatResult,
  type IgnoredMembers,
  type Load,
  type WithdrawableMember,
} from '@app/fleet';
import type { HeartbeatRequest, HeartbeatResponse, LoadReport, Reading } from '@app/api-contract';
import type { AuthenticatedCall } from '../access/principal.js';

const parseDateOrNull = (text: string | null | undefined): Date | null => (text ? new Date(text) : null);

const toLoad = (load: LoadReport): Load => ({
  cpuPercent: typeof load.cpuPercent === 'number' ? roundedPercent(load.cpuPercent) : null,
  totalMemoryBytes: load.totalMemoryBytes ?? null,
  availableMemoryBytes: load.availableMemoryBytes ?? null,
  totalCacheBytes: load.totalCacheBytes ?? null,
  freeCacheBytes: load.freeCacheBytes ?? null,
  throughputBytesPerSecond: load.throughputBytesPerSecond ?? null,
  pendingUploadBytes: load.pendingUploadBytes ?? null,
});

/** Ignored members of a body; null without any. */
export type OmittedMembers = Pick<Reading<HeartbeatRequest>, 'ignored' | 'unusable'> | null;

/** Members whose stored value becomes unknown if the heartbeat has an unusable value. */
const FORGETTABLE: Readonly<Partial<Record<keyof HeartbeatRequest, ForgettableMember>>> = {
  sentAt: 'skewMs',
  services: 'services',
  protectedMachineCount: 'protectedMachineCount',
  replicationPairCount: 'replicationPairCount',
  churnBytesPerDay: 'churnBytesPerDay',
  certificateExpiresAt: 'certificateExpiresAt',
};

function toIgnoredMembers(omitted: OmittedMembers): IgnoredMembers | null {
  if (!omitted || omitted.ignored.length === 0) return null;
  return {
    fields: omitted.ignored.map(({ field }) => field),
    unusable: omitted.unusable.flatMap((name) => FORGETTABLE[name] ?? []),
  };
}

/** An unusable load is still a report: all of its values are unknown. */
function reportedLoad({ load }: HeartbeatRequest, omitted: OmittedMembers): Load | null {
  if (load) return toLoad(load);
  return omitted?.unusable.includes('load') ? toLoad({}) : null;
}

/** Members that the body withdraws with `null`. */
function withdrawnMembers({
  load,
  services,
  certificateExpiresAt,
}: HeartbeatRequest): readonly WithdrawableMember[] | null {
  if (load !== null && services !== null && certificateExpiresAt !== null) return null;
  const given = { load, services, certificateExpiresAt };
  return (['load', 'services', 'certificateExpiresAt'] as const).filter((name) => given[name] === null);
}

/** @throws FleetError `credential_rejected` if the body names another generation than the credential. */
export function toHeartbeat(
  hostId: string,
  body: HeartbeatRequest,
  { principal, actor }: AuthenticatedCall,
  now: Date,
  omitted: OmittedMembers = null,
): Heartbeat {
  if (principal.kind !== 'process_server' || principal.generation !== body.generation)
    throw new FleetError({ code: 'credential_rejected' });
  const sentAt = parseDateOrNull(body.sentAt);
  return {
    hostId,
    generation: body.generation,
    credentialHash: principal.credentialHash,
    sourceAddress: actor.address,
    requestId: actor.requestId,
    machineId: body.machineId ?? null,
    instanceId: body.instanceId ?? null,
    agentVersion: body.agentVersion ? canonicalVersion(body.agentVersion) : null,
    skewMs: sentAt && sentAt.getTime() - now.getTime(),
    load: reportedLoad(body, omitted),
    services: body.services?.map(({ name, state }) => ({ name, state })) ?? null,
    protectedMachineCount: body.protectedMachineCount ?? null,
    replicationPairCount: body.replicationPairCount ?? null,
    churnBytesPerDay: body.churnBytesPerDay ?? null,
    certificateExpiresAt: parseDateOrNull(body.certificateExpiresAt),
    withdrawn: withdrawnMembers(body),
    ignored: toIgnoredMembers(omitted),
  };
}

export const toHeartbeatResponse = (result: HeartbeatResult): HeartbeatResponse => ({
  ...result,
  leaseExpiresAt: result.leaseExpiresAt.toISOString(),
});

/** Adds the ignored members of one heartbeat, because responses of a batch are shared. */
export function toSenderResponse(result: HeartbeatResult, omitted: OmittedMembers): HeartbeatResponse {
  const response = toHeartbeatResponse(result);
  return omitted && omitted.ignored.length > 0 ? { ...response, ignored: [...omitted.ignored] } : response;
}

import {
  FleetError,
  roundedPercent,
  type ForgettableMember,
  type Heartbeat,
  type HeartbeatAnswer,
  type IgnoredMembers,
  type Load,
  type WithdrawableMember,
} from '@app/fleet';
import type { HeartbeatRequest, HeartbeatResponse, LoadReport, Reading } from '@app/wire';
import type { Recognised } from '../access/caller.js';
import { canonicalVersion } from './registration.mapping.js';

const instantOrNull = (text: string | null | undefined): Date | null => (text ? new Date(text) : null);

const loadOf = (load: LoadReport): Load => ({
  cpuPercent: typeof load.cpuPercent === 'number' ? roundedPercent(load.cpuPercent) : null,
  totalMemoryBytes: load.totalMemoryBytes ?? null,
  availableMemoryBytes: load.availableMemoryBytes ?? null,
  totalCacheBytes: load.totalCacheBytes ?? null,
  freeCacheBytes: load.freeCacheBytes ?? null,
  throughputBytesPerSecond: load.throughputBytesPerSecond ?? null,
  pendingUploadBytes: load.pendingUploadBytes ?? null,
});

/** What was left out when a body was read; null when nothing was. */
export type LeftOut = Pick<Reading<HeartbeatRequest>, 'ignored' | 'unusable'> | null;

/** The members whose stored value a heartbeat that cannot say another one makes unknown. */
const FORGETTABLE: Readonly<Partial<Record<keyof HeartbeatRequest, ForgettableMember>>> = {
  sentAt: 'skewMs',
  services: 'services',
  protectedMachineCount: 'protectedMachineCount',
  replicationPairCount: 'replicationPairCount',
  certificateExpiresAt: 'certificateExpiresAt',
};

function ignoredOf(leftOut: LeftOut): IgnoredMembers | null {
  if (!leftOut || leftOut.ignored.length === 0) return null;
  return {
    fields: leftOut.ignored.map(({ field }) => field),
    unusable: leftOut.unusable.flatMap((name) => FORGETTABLE[name] ?? []),
  };
}

/** A load that cannot be used is a report all the same: of it, everything is unknown. */
function reportedLoad({ load }: HeartbeatRequest, leftOut: LeftOut): Load | null {
  if (load) return loadOf(load);
  return leftOut?.unusable.includes('load') ? loadOf({}) : null;
}

/** What the body withdraws with `null`. */
function withdrawnBy({ load, services, certificateExpiresAt }: HeartbeatRequest): readonly WithdrawableMember[] | null {
  if (load !== null && services !== null && certificateExpiresAt !== null) return null;
  const given = { load, services, certificateExpiresAt };
  return (['load', 'services', 'certificateExpiresAt'] as const).filter((name) => given[name] === null);
}

/** @throws FleetError `credential_rejected` when the body names another generation than the credential was made for. */
export function heartbeatOf(
  hostId: string,
  body: HeartbeatRequest,
  { caller, actor }: Recognised,
  now: Date,
  leftOut: LeftOut = null,
): Heartbeat {
  if (caller.kind !== 'process_server' || caller.generation !== body.generation)
    throw new FleetError({ code: 'credential_rejected' });
  const sentAt = instantOrNull(body.sentAt);
  return {
    hostId,
    generation: body.generation,
    credentialHash: caller.credentialHash,
    sourceAddress: actor.address,
    requestId: actor.requestId,
    machineId: body.machineId ?? null,
    instanceId: body.instanceId ?? null,
    agentVersion: body.agentVersion ? canonicalVersion(body.agentVersion) : null,
    skewMs: sentAt && sentAt.getTime() - now.getTime(),
    load: reportedLoad(body, leftOut),
    services: body.services?.map(({ name, state }) => ({ name, state })) ?? null,
    protectedMachineCount: body.protectedMachineCount ?? null,
    replicationPairCount: body.replicationPairCount ?? null,
    certificateExpiresAt: instantOrNull(body.certificateExpiresAt),
    withdrawn: withdrawnBy(body),
    ignored: ignoredOf(leftOut),
  };
}

const responses = new WeakMap<HeartbeatAnswer, HeartbeatResponse>();

/** The same answer, which many of a group share, makes the same response. */
export function heartbeatResponse(answer: HeartbeatAnswer): HeartbeatResponse {
  let response = responses.get(answer);
  if (!response) responses.set(answer, (response = { ...answer, leaseExpiresAt: answer.leaseExpiresAt.toISOString() }));
  return response;
}

/** The same with what was left out of one heartbeat: the response to each sender names its own. */
export function responseTo(answer: HeartbeatAnswer, leftOut: LeftOut): HeartbeatResponse {
  const response = heartbeatResponse(answer);
  return leftOut && leftOut.ignored.length > 0 ? { ...response, ignored: [...leftOut.ignored] } : response;
}

const texts = new WeakMap<HeartbeatResponse, string>();

/** As JSON, made once for all who share the response. */
export function textOf(response: HeartbeatResponse): string {
  let text = texts.get(response);
  if (text === undefined) texts.set(response, (text = JSON.stringify(response)));
  return text;
}

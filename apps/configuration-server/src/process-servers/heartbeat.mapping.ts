import { FleetError, type Heartbeat, type HeartbeatAnswer, type Load } from '@app/fleet';
import type { HeartbeatRequest, HeartbeatResponse, LoadReport } from '@app/wire';
import type { Recognised } from '../access/caller.js';
import { canonicalVersion } from './registration.mapping.js';

const instantOrNull = (text: string | null | undefined): Date | null => (text ? new Date(text) : null);

const loadOf = (load: LoadReport): Load => ({
  cpuPercent: load.cpuPercent ?? null,
  totalMemoryBytes: load.totalMemoryBytes ?? null,
  availableMemoryBytes: load.availableMemoryBytes ?? null,
  totalCacheBytes: load.totalCacheBytes ?? null,
  freeCacheBytes: load.freeCacheBytes ?? null,
  throughputBytesPerSecond: load.throughputBytesPerSecond ?? null,
  pendingUploadBytes: load.pendingUploadBytes ?? null,
});

/** @throws FleetError `credential_rejected` when the body names another generation than the credential was made for. */
export function heartbeatOf(hostId: string, body: HeartbeatRequest, { caller, actor }: Recognised, now: Date): Heartbeat {
  if (caller.kind !== 'process_server' || caller.generation !== body.generation) throw new FleetError({ code: 'credential_rejected' });
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
    load: body.load ? loadOf(body.load) : null,
    services: body.services?.map(({ name, state }) => ({ name, state })) ?? null,
    protectedMachineCount: body.protectedMachineCount ?? null,
    replicationPairCount: body.replicationPairCount ?? null,
    certificateExpiresAt: instantOrNull(body.certificateExpiresAt),
    ignored: null,
  };
}

const responses = new WeakMap<HeartbeatAnswer, HeartbeatResponse>();

/** The same answer, which many of a group share, makes the same response. */
export function heartbeatResponse(answer: HeartbeatAnswer): HeartbeatResponse {
  let response = responses.get(answer);
  if (!response) responses.set(answer, (response = { ...answer, leaseExpiresAt: answer.leaseExpiresAt.toISOString() }));
  return response;
}

const texts = new WeakMap<HeartbeatResponse, string>();

/** As JSON, made once for all who share the response. */
export function textOf(response: HeartbeatResponse): string {
  let text = texts.get(response);
  if (text === undefined) texts.set(response, (text = JSON.stringify(response)));
  return text;
}

import {
  connectionStateAt,
  earliestWallInstant,
  healthAt,
  lifecycleOf,
  loadStatus,
  loadStatuses,
  parseVersion,
  sizingClassOf,
  versionStatus,
  type Neighbour,
  type ProcessServer,
  type ReportedHealth,
  type Version,
} from '@app/fleet';
import type { AsOf } from '@app/fleet-mysql';
import type { LoadBody, ProcessServerDetail, ProcessServerSummary } from '@app/wire';

const DAY_MS = 24 * 3_600_000;
const isoOrNull = (instant: Date | null): string | null => instant && instant.toISOString();

/** One line of a list: the facts, and the states that follow from them at `asOf`. */
export function summaryOf(server: ProcessServer, { at, listenedMs }: AsOf, ours: Version, possibleDuplicate: boolean): ProcessServerSummary {
  const { hostId, generation, facts, lease, decommission } = server;
  const version = parseVersion(facts.agentVersion);
  return {
    hostId,
    generation,
    friendlyName: facts.friendlyName,
    ipAddress: facts.ipAddress,
    agentVersion: facts.agentVersion,
    versionStatus: version ? versionStatus(version, ours) : 'NotSupported',
    lifecycle: lifecycleOf(server),
    connectionState: connectionStateAt(listenedMs, server),
    health: healthAt(at, {
      decommissioned: decommission !== null,
      silentMs: listenedMs - lease.heardAtListenedMs,
      reported: server.health,
      loadStatus: loadStatus(server.health.load),
    }),
    lastHeartbeat: isoOrNull(lease.lastHeartbeatAt),
    leaseExpiresAt: earliestWallInstant(lease.endsAtListenedMs, listenedMs, at).toISOString(),
    removeBy: isoOrNull(decommission?.removeBy ?? null),
    possibleDuplicate,
  };
}

function loadBody({ load, loadReportedAt }: ReportedHealth): LoadBody | null {
  if (!load || !loadReportedAt) return null;
  const { cpu, memory, cache, upload } = loadStatuses(load);
  return { reportedAt: loadReportedAt.toISOString(), ...load, cpuStatus: cpu, memoryStatus: memory, cacheStatus: cache, uploadStatus: upload };
}

/** Everything that is known of one process server. */
export function detailOf(server: ProcessServer, asOf: AsOf, ours: Version, possibleDuplicates: readonly Neighbour[]): ProcessServerDetail {
  const { facts, lease, health, decommission } = server;
  const { certificateExpiresAt } = health;
  return {
    ...summaryOf(server, asOf, ours, possibleDuplicates.length > 0),
    fqdn: facts.fqdn,
    dataPort: facts.dataPort,
    osType: facts.osType,
    osVersion: facts.osVersion,
    machineId: facts.machineId,
    environment: facts.environment,
    cpuCores: facts.cpuCores,
    memoryBytes: facts.memoryBytes,
    cacheDiskBytes: facts.cacheDiskBytes,
    sizingClass: sizingClassOf(facts),
    proxy: facts.proxy,
    registeredAt: server.registeredAt.toISOString(),
    passphraseId: server.passphraseId,
    decommissionedAt: isoOrNull(decommission?.at ?? null),
    decommissionedBy: decommission?.by ?? null,
    decommissionReason: decommission?.reason ?? null,
    heartbeatIntervalSeconds: lease.toldIntervalSeconds,
    instanceId: lease.instanceId,
    sourceAddress: lease.sourceAddress,
    clockSkewMs: lease.skewMs,
    load: loadBody(health),
    services: health.services && [...health.services],
    protectedMachineCount: health.protectedMachineCount,
    replicationPairCount: health.replicationPairCount,
    certificateExpiresAt: isoOrNull(certificateExpiresAt),
    certificateRemainingDays: certificateExpiresAt && Math.floor((certificateExpiresAt.getTime() - asOf.at.getTime()) / DAY_MS),
    possibleDuplicates: [...possibleDuplicates],
  };
}

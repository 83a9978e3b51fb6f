import {
  ageSecondsAt,
  certificateStatusAt,
  compareVersions,
  connectionStateAt,
  findUpgradePath,
  parseVersion,
  toWallClock,
  healthAt,
  HEALTH_ERROR_CATALOGUE,
  healthErrorsAt,
  lifecycleOf,
  loadStatusesAt,
  servicesStatusAt,
  sizingClassOf,
  type HealthError,
  type ListedServer,
  type PossibleDuplicate,
  type Moment,
  type ProcessServer,
  type ProcessServerFacts,
  type HealthMoment,
  type ReportedHealth,
  type VersionRules,
} from '@app/fleet';
import type {
  AgentVersionDetails,
  HealthErrorDto,
  LoadDto,
  ProcessServerDetail,
  ProcessServerSummary,
} from '@app/api-contract';

const DAY_MS = 24 * 3_600_000;
const toIsoOrNull = (timestamp: Date | null): string | null => timestamp && timestamp.toISOString();

const healthMoment = (server: Pick<ListedServer, 'lease'>, asOf: Moment, windowMs: number): HealthMoment => ({
  ...asOf,
  connected: connectionStateAt(asOf.availableMs, server) === 'Connected',
  windowMs,
});

/** One item of a list: the facts, and the states derived from them at `asOf`. */
export function toSummary(
  server: ListedServer,
  asOf: Moment,
  rules: VersionRules,
  healthWindowMs: number,
  possibleDuplicate: boolean,
): ProcessServerSummary {
  const { hostId, generation, facts, lease, decommission } = server;
  const { at, availableMs } = asOf;
  const connectionState = connectionStateAt(availableMs, server);
  return {
    hostId,
    generation,
    friendlyName: facts.friendlyName,
    ipAddress: facts.ipAddress,
    agentVersion: facts.agentVersion,
    versionStatus: rules.verdictOf(facts.agentVersion, facts.osType, at).status,
    agentExpiryDate: toIsoOrNull(rules.findRelease(facts.agentVersion, facts.osType)?.supportEndsAt ?? null),
    lifecycle: lifecycleOf(server),
    connectionState,
    health: healthAt(healthMoment(server, asOf, healthWindowMs), {
      decommissioned: decommission !== null,
      silentMs: availableMs - lease.lastSeenAvailableMs,
      reported: server.health,
    }),
    lastHeartbeat: toIsoOrNull(lease.lastHeartbeatAt),
    leaseExpiresAt: toWallClock(lease.expiresAvailableMs, availableMs, at).toISOString(),
    removeBy: toIsoOrNull(decommission?.removeBy ?? null),
    possibleDuplicate,
  };
}

/** The version against the catalogue, and the way to the version of the configuration server. */
function toAgentVersionDetails(
  { agentVersion, osType }: ProcessServerFacts,
  rules: VersionRules,
  at: Date,
): AgentVersionDetails {
  const { status, reason } = rules.verdictOf(agentVersion, osType, at);
  const version = parseVersion(agentVersion);
  const target = rules.configurationServer;
  const { steps, blockedBy } = version
    ? findUpgradePath(version, target, { component: 'ProcessServer', osType }, rules)
    : { steps: [], blockedBy: 'UnknownAcrossMajor' as const };
  return {
    version: agentVersion,
    expiryDate: toIsoOrNull(rules.findRelease(agentVersion, osType)?.supportEndsAt ?? null),
    status,
    statusReason: reason,
    updateAvailable: version !== null && compareVersions(version, target) < 0,
    upgradePath: [...steps],
    upgradeBlockReason: blockedBy,
  };
}

function toLoadDto(reported: ReportedHealth, moment: HealthMoment): LoadDto | null {
  const { load, loadReportedAt, loadAvailableMs } = reported;
  if (!load || !loadReportedAt) return null;
  const { cpu, memory, cache, upload } = loadStatusesAt(moment, reported);
  return {
    reportedAt: loadReportedAt.toISOString(),
    ageSeconds: ageSecondsAt(moment, loadAvailableMs),
    ...load,
    cpuStatus: cpu,
    memoryStatus: memory,
    cacheStatus: cache,
    uploadStatus: upload,
  };
}

function toHealthErrorDto(entityId: string, { code, level, since }: HealthError): HealthErrorDto {
  const { category, source, summary, message, possibleCauses, recommendedAction, customerResolvability } =
    HEALTH_ERROR_CATALOGUE[code];
  return {
    errorCode: code,
    errorLevel: level,
    errorCategory: category,
    errorSource: source,
    entityId,
    summaryMessage: summary,
    errorMessage: message,
    possibleCauses,
    recommendedAction,
    creationTimeUtc: toIsoOrNull(since),
    customerResolvability,
  };
}

/** All facts of one process server. */
export function toDetail(
  server: ProcessServer,
  asOf: Moment,
  rules: VersionRules,
  healthWindowMs: number,
  possibleDuplicates: readonly PossibleDuplicate[],
): ProcessServerDetail {
  const { facts, lease, health, decommission } = server;
  const { certificateExpiresAt } = health;
  const moment = healthMoment(server, asOf, healthWindowMs);
  return {
    ...toSummary(server, asOf, rules, healthWindowMs, possibleDuplicates.length > 0),
    ...facts,
    agentVersionDetails: toAgentVersionDetails(facts, rules, asOf.at),
    sizingClass: sizingClassOf(facts),
    registeredAt: server.registeredAt.toISOString(),
    passphraseId: server.passphraseId,
    enrolmentId: server.enrolmentId,
    decommissionedAt: toIsoOrNull(decommission?.at ?? null),
    decommissionedBy: decommission?.by ?? null,
    decommissionReason: decommission?.reason ?? null,
    heartbeatIntervalSeconds: lease.assignedIntervalSeconds,
    instanceId: lease.instanceId,
    replacedInstanceIds: [...lease.replacedInstanceIds],
    credentialRevoked: lease.revoked,
    sourceAddress: lease.sourceAddress,
    clockSkewMs: lease.skewMs,
    load: toLoadDto(health, moment),
    services: health.services && [...health.services],
    servicesReportedAt: toIsoOrNull(health.servicesReportedAt),
    servicesAgeSeconds: ageSecondsAt(asOf, health.servicesAvailableMs),
    servicesStatus: servicesStatusAt(moment, health),
    servicesDownSince: toIsoOrNull(health.servicesDownAt),
    protectedMachineCount: health.protectedMachineCount,
    replicationPairCount: health.replicationPairCount,
    churnBytesPerDay: health.churnBytesPerDay,
    certificateExpiresAt: toIsoOrNull(certificateExpiresAt),
    certificateReportedAt: toIsoOrNull(health.certificateReportedAt),
    certificateAgeSeconds: ageSecondsAt(asOf, health.certificateAvailableMs),
    certificateStatus: certificateStatusAt(moment, health),
    certificateRemainingDays:
      certificateExpiresAt && Math.floor((certificateExpiresAt.getTime() - asOf.at.getTime()) / DAY_MS),
    healthErrors: healthErrorsAt(moment, {
      decommissioned: decommission !== null,
      silentMs: asOf.availableMs - lease.lastSeenAvailableMs,
      lastSeenAt: lease.lastHeartbeatAt ?? server.registeredAt,
      reported: health,
    }).map((error) => toHealthErrorDto(server.hostId, error)),
    possibleDuplicates: [...possibleDuplicates],
  };
}

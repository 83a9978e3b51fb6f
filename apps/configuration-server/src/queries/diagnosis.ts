import {
  connectionStateAt,
  currentRefusals,
  mayConcernAnotherMachine,
  REFUSAL_KINDS,
  refusalsAmong,
  type FleetEvent,
  type Moment,
  type ProcessServer,
  type Refusal,
  type VersionRuleSource,
} from '@app/fleet';
import type { EventLogQuery } from '@app/fleet-mysql';
import type { DiagnosisResponse, ServiceOutageDto, RefusalDto } from '@app/api-contract';
import type { ProcessServerQueries } from './process-server-queries.js';
import { toSummary } from './process-server.mapper.js';

const EVENT_WINDOW_MS = 24 * 3_600_000;
/** The newest events of each kind; there are fewer rejections and address changes, because they are recorded once an hour. */
const MAX_EVENTS_READ = 1_000;
const NOTABLE_SKEW_MS = 60_000;
const NOTABLE_KINDS = [...REFUSAL_KINDS, 'source_address_changed'] as const;

/** Explains the state of a process server and recommends actions. */
export class DiagnosisService {
  constructor(
    private readonly processServerQueries: ProcessServerQueries,
    private readonly events: EventLogQuery,
    private readonly versions: VersionRuleSource,
    private readonly healthWindowMs: number,
  ) {}

  /** @throws FleetError `process_server_not_found`. */
  async diagnose(hostId: string): Promise<DiagnosisResponse> {
    const { server, asOf } = await this.processServerQueries.entry(hostId);
    const summary = toSummary(server, asOf, await this.versions.current(), this.healthWindowMs, false);
    const lastSeenAt = server.lease.lastHeartbeatAt ?? server.registeredAt;
    const outages = await this.events.fetchPage(
      { kind: 'service_outage', from: lastSeenAt },
      MAX_EVENTS_READ,
      null,
      'newest',
    );
    const from = new Date(asOf.at.getTime() - EVENT_WINDOW_MS);
    const notable = await this.events.fetchPage(
      { hostId, kinds: NOTABLE_KINDS, from },
      MAX_EVENTS_READ,
      null,
      'newest',
    );
    const recent = [...notable.items].reverse();
    const refusals = refusalsAmong(recent);
    return {
      hostId,
      connectionState: summary.connectionState,
      lifecycle: summary.lifecycle,
      ...explainState(server, asOf, recent, currentRefusals(server, refusals)),
      lastHeartbeat: summary.lastHeartbeat,
      silentForSeconds: Math.max(0, Math.floor((asOf.availableMs - server.lease.lastSeenAvailableMs) / 1000)),
      heartbeatIntervalSeconds: server.lease.assignedIntervalSeconds,
      leaseExpiresAt: summary.leaseExpiresAt,
      clockSkewMs: server.lease.skewMs,
      sourceAddress: server.lease.sourceAddress,
      agentVersion: server.facts.agentVersion,
      versionStatus: summary.versionStatus,
      serviceOutages: [...outages.items].reverse().map(toServiceOutage),
      recentRefusals: refusals.map(({ kind }) => kind),
      refusals: refusals.map(toRefusalDto),
      ignoredFields: [...server.lease.ignoredFields],
      asOf: asOf.at.toISOString(),
    };
  }
}

const toServiceOutage = ({ detail }: FleetEvent): ServiceOutageDto => ({
  from: String(detail['from']),
  to: String(detail['to']),
});

const toRefusalDto = ({ kind, event, meaning, recommendedActions }: Refusal): RefusalDto => ({
  kind,
  at: event.at.toISOString(),
  generation: event.generation,
  sourceAddress: event.sourceAddress,
  meaning: `${meaning}.`,
  recommendedActions,
});

/** One or two sentences: the rejection, its source address and time, and the recommended action. */
function refusalHint({ event, meaning, recommendedActions }: Refusal): string {
  const { code, explanation } = event.detail;
  const why = explanation === undefined ? '.' : `: ${String(explanation).replace(/\.?$/, '.')}`;
  return `${meaning}, from ${event.sourceAddress} at ${event.at.toISOString()} (${code})${why} ${recommendedActions}`;
}

function hintsFor(server: ProcessServer, recent: readonly FleetEvent[], current: readonly Refusal[]): string[] {
  const { lease, facts, health } = server;
  const hints = current.map(refusalHint);
  if (lease.ignoredFields.length > 0) {
    hints.push(
      `Its last heartbeat has ignored members: ${lease.ignoredFields.join(', ')}. Their values are unknown. ` +
        'Update this configuration server if the agent is newer; otherwise correct the agent.',
    );
  }
  if (health.protectedMachinesUnknown) {
    hints.push(
      'Its last reported count of protected machines is unusable: until it reports another one, it can be removed only by force.',
    );
  }
  const moved = recent.findLast(({ kind }) => kind === 'source_address_changed');
  if (moved) {
    hints.push(
      `Its heartbeats come from ${lease.sourceAddress}; it registered as ${facts.ipAddress}, and at ${moved.at.toISOString()} the source address ` +
        `changed from ${moved.detail['from']} to ${moved.detail['to']}. If that is not intended, check whether a clone or a proxy sends them.`,
    );
  }
  if (lease.skewMs !== null && Math.abs(lease.skewMs) > NOTABLE_SKEW_MS) {
    hints.push(
      `Set its clock: it is ${Math.round(Math.abs(lease.skewMs) / 1000)} s ${lease.skewMs > 0 ? 'ahead' : 'behind'}. The skew does not disconnect it, but makes logs hard to compare.`,
    );
  }
  return hints;
}

/** The last accepted call; rejected calls do not count as silence. */
function lastAccepted({ lastHeartbeatAt }: ProcessServer['lease'], isRejected: boolean): string {
  if (lastHeartbeatAt)
    return `Its last ${isRejected ? 'accepted ' : ''}heartbeat arrived at ${lastHeartbeatAt.toISOString()}`;
  return isRejected
    ? 'It registered, and none of its heartbeats has been accepted'
    : 'It registered and never sent a heartbeat';
}

const isHeartbeat = ({ event }: Refusal): boolean => event.detail['call'] === 'heartbeat';

function describeRejectedCalls(refusal: Refusal, isStillSending: boolean): string {
  if (isHeartbeat(refusal))
    return isStillSending
      ? 'It sends heartbeats, and they are rejected'
      : 'Before that, some of its heartbeats were rejected';
  return isStillSending ? 'Calls with its host id are rejected' : 'Before that, calls with its host id were rejected';
}

function explainState(
  server: ProcessServer,
  { availableMs }: Moment,
  recent: readonly FleetEvent[],
  current: readonly Refusal[],
): Pick<DiagnosisResponse, 'summary' | 'recommendedActions'> {
  const { decommission, lease, facts } = server;
  if (decommission) {
    const nothing = current.length > 0 ? [] : ['Nothing.'];
    return {
      summary: `Decommissioned by ${decommission.by} at ${decommission.at.toISOString()}; removed by ${decommission.removeBy.toISOString()}.`,
      recommendedActions: [
        ...current.map(refusalHint),
        [...nothing, 'If it was a mistake, register the process server again, which cancels the removal.'].join(' '),
      ],
    };
  }
  const rejection = current.findLast(({ kind }) => !mayConcernAnotherMachine(kind)) ?? current.at(-1);
  const isStillSending =
    rejection !== undefined && (lease.lastHeartbeatAt === null || rejection.event.at > lease.lastHeartbeatAt);
  const rejectionText =
    rejection && ` ${describeRejectedCalls(rejection, isStillSending)}: ${rejection.event.detail['code']}.`;
  const hints = hintsFor(server, recent, current);
  if (connectionStateAt(availableMs, server) === 'Connected') {
    return {
      summary: `Connected: its lease has not expired.${(isStillSending && rejectionText) || ''}`,
      recommendedActions: hints.length > 0 ? hints : ['Nothing.'],
    };
  }
  const silentSeconds = Math.floor((availableMs - lease.lastSeenAvailableMs) / 1000);
  const summary = `Disconnected: ${lastAccepted(lease, current.some(isHeartbeat))}, ${silentSeconds} s ago not counting outages of the service, and its lease has expired.${rejectionText ?? ''}`;
  if (isStillSending && !mayConcernAnotherMachine(rejection.kind)) return { summary, recommendedActions: hints };
  return {
    summary,
    recommendedActions: [
      ...hints,
      `Check that the machine and its agent are running: ${facts.friendlyName}, ${facts.ipAddress}, last seen from ${lease.sourceAddress}.`,
      `Check that it can reach this configuration server.${rejection ? '' : ' Its agent then resumes by itself.'}`,
      'If the machine cannot be recovered, purge it.',
    ],
  };
}

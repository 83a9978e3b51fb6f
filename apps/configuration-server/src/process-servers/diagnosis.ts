import { connectionStateAt, type FleetEvent, type ProcessServer, type Version } from '@app/fleet';
import type { AsOf, EventReader } from '@app/fleet-mysql';
import type { DiagnosisResponse, ListeningGap } from '@app/wire';
import type { FleetViews } from './fleet-views.js';
import { summaryOf } from './process-server.mapping.js';

const REFUSALS_SINCE_MS = 24 * 3_600_000;
const LARGEST_LOOK_BACK = 1_000;
const NOTABLE_SKEW_MS = 60_000;
/** A refusal is noted once an hour: one noted up to an hour before the last accepted heartbeat may have gone on after it. */
const REFUSALS_NOTED_EVERY_MS = 3_600_000;

/** Explains why a process server is in the state that it is in, and what to do about it. */
export class Diagnosis {
  constructor(
    private readonly views: FleetViews,
    private readonly events: EventReader,
    private readonly version: Version,
  ) {}

  /** @throws FleetError `process_server_not_found`. */
  async of(hostId: string): Promise<DiagnosisResponse> {
    const { server, asOf } = await this.views.entry(hostId);
    const summary = summaryOf(server, asOf, this.version, false);
    const lastHeardAt = server.lease.lastHeartbeatAt ?? server.registeredAt;
    const outages = await this.events.page({ kind: 'listening_outage', from: lastHeardAt }, LARGEST_LOOK_BACK, null);
    const lately = await this.events.page({ hostId, from: new Date(asOf.at.getTime() - REFUSALS_SINCE_MS) }, LARGEST_LOOK_BACK, null);
    return {
      hostId,
      connectionState: summary.connectionState,
      lifecycle: summary.lifecycle,
      ...explained(server, asOf, lately.items),
      lastHeartbeat: summary.lastHeartbeat,
      silentForSeconds: Math.max(0, Math.floor((asOf.listenedMs - server.lease.heardAtListenedMs) / 1000)),
      heartbeatIntervalSeconds: server.lease.toldIntervalSeconds,
      leaseExpiresAt: summary.leaseExpiresAt,
      clockSkewMs: server.lease.skewMs,
      sourceAddress: server.lease.sourceAddress,
      agentVersion: server.facts.agentVersion,
      versionStatus: summary.versionStatus,
      ourOutages: outages.items.map(gapOf),
      recentRefusals: lately.items.map(({ kind }) => kind).filter((kind) => kind.startsWith('refused_')),
      ignoredFields: [...server.lease.ignoredFields],
      asOf: asOf.at.toISOString(),
    };
  }
}

const gapOf = ({ detail }: FleetEvent): ListeningGap => ({ from: String(detail['from']), to: String(detail['to']) });

/** The last heartbeat of this very registration that was refused and perhaps not followed by an accepted one. */
function refusedHeartbeat({ generation, lease, registeredAt }: ProcessServer, recent: readonly FleetEvent[]): FleetEvent | undefined {
  const since = (lease.lastHeartbeatAt ?? registeredAt).getTime() - REFUSALS_NOTED_EVERY_MS;
  return recent.findLast(({ kind, generation: of, at, detail }) => kind.startsWith('refused_') && of === generation && detail['call'] === 'heartbeat' && at.getTime() >= since);
}

function hintsFor(server: ProcessServer, recent: readonly FleetEvent[], refused: FleetEvent | undefined): string[] {
  const { lease, facts, health } = server;
  const hints: string[] = [];
  if (recent.some(({ kind }) => kind === 'refused_host_id_conflict')) {
    hints.push('Another machine sends under the same host id: see the conflict in the timeline, and give the clone a host id of its own.');
  }
  const unproved = recent.findLast(({ kind }) => kind === 'refused_host_id_in_use');
  if (unproved) {
    hints.push(
      `A registration of this host id and machine id was refused while it was Connected, from ${unproved.sourceAddress} at ${unproved.at.toISOString()}: it had no proof. ` +
        'If it was this machine with a new address, its agent sends previousCredential, or registers when the lease has ended. Otherwise a caller that knows the passphrase tries to replace it: rotate the passphrase.',
    );
  }
  if (refused?.kind === 'refused_malformed_heartbeat') {
    const { explanation, code } = refused.detail;
    hints.push(
      `It sends heartbeats that cannot be read, from ${refused.sourceAddress}, noted at ${refused.at.toISOString()} (${code}): ${String(explanation).replace(/\.?$/, '.')} ` +
        'Correct the agent, or the proxy that changes what it sends.',
    );
  } else if (refused && refused.kind !== 'refused_host_id_conflict') {
    hints.push(`It sends heartbeats that are refused, from ${refused.sourceAddress}, noted at ${refused.at.toISOString()}: ${refused.detail['code']}. See the timeline.`);
  }
  if (lease.ignoredFields.length > 0) {
    hints.push(
      `Its last heartbeat carried members that are not used: ${lease.ignoredFields.join(', ')}. What they report is unknown. ` +
        'Update this configuration server if the agent is newer; otherwise correct the agent.',
    );
  }
  if (health.protectedMachinesUnknown) {
    hints.push('The last count of protected machines that it reported cannot be used: until it reports another one, it is removed only by force.');
  }
  const moved = recent.findLast(({ kind }) => kind === 'source_address_changed');
  if (moved) {
    hints.push(
      `Its heartbeats come from ${lease.sourceAddress}; it registered as ${facts.ipAddress}, and at ${moved.at.toISOString()} the source address ` +
        `changed from ${moved.detail['from']} to ${moved.detail['to']}. If that is not intended, see whether a clone or a proxy sends them.`,
    );
  }
  if (lease.skewMs !== null && Math.abs(lease.skewMs) > NOTABLE_SKEW_MS) {
    hints.push(`Set its clock: it is ${Math.round(Math.abs(lease.skewMs) / 1000)} s ${lease.skewMs > 0 ? 'ahead' : 'behind'}. That does not disconnect it, but it confuses logs.`);
  }
  return hints;
}

/** When it was last accepted; what is refused is no silence. */
function lastAccepted({ lastHeartbeatAt }: ProcessServer['lease'], refused: FleetEvent | undefined): string {
  if (lastHeartbeatAt) return `Its last ${refused ? 'accepted ' : ''}heartbeat came at ${lastHeartbeatAt.toISOString()}`;
  return refused ? 'It registered, and none of its heartbeats has been accepted' : 'It registered and never sent a heartbeat';
}

function explained(server: ProcessServer, { listenedMs }: AsOf, recent: readonly FleetEvent[]): Pick<DiagnosisResponse, 'summary' | 'whatToDo'> {
  const { decommission, lease, facts } = server;
  if (decommission) {
    return {
      summary: `Decommissioned by ${decommission.by} at ${decommission.at.toISOString()}; gone by ${decommission.removeBy.toISOString()}.`,
      whatToDo: ['Nothing. If it was a mistake, register the process server again: that cancels the removal.'],
    };
  }
  const refused = refusedHeartbeat(server, recent);
  const hints = hintsFor(server, recent, refused);
  if (connectionStateAt(listenedMs, server) === 'Connected') {
    return { summary: 'Connected: its lease runs.', whatToDo: hints.length > 0 ? hints : ['Nothing.'] };
  }
  const silentSeconds = Math.floor((listenedMs - lease.heardAtListenedMs) / 1000);
  const silence = `Disconnected: ${lastAccepted(lease, refused)}, ${silentSeconds} s ago as far as we listened, and its lease has ended.`;
  const isStillSending = refused !== undefined && (lease.lastHeartbeatAt === null || refused.at > lease.lastHeartbeatAt);
  const refusal = isStillSending ? 'It sends heartbeats, and they are refused' : 'Before that, some of its heartbeats were refused';
  const summary = refused ? `${silence} ${refusal}: ${refused.detail['code']}.` : silence;
  if (isStillSending && refused.kind !== 'refused_host_id_conflict') return { summary, whatToDo: hints };
  return {
    summary,
    whatToDo: [
      ...hints,
      `See whether the machine runs and whether its agent does: ${facts.friendlyName}, ${facts.ipAddress}, last heard from ${lease.sourceAddress}.`,
      'See whether it reaches this configuration server. Its agent goes on by itself as soon as it does.',
      'If the machine cannot be revived, purge it.',
    ],
  };
}

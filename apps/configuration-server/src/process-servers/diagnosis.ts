import { connectionStateAt, type FleetEvent, type ProcessServer, type Version } from '@app/fleet';
import type { AsOf, EventReader } from '@app/fleet-mysql';
import type { DiagnosisResponse, ListeningGap } from '@app/wire';
import type { FleetViews } from './fleet-views.js';
import { summaryOf } from './process-server.mapping.js';

const REFUSALS_SINCE_MS = 24 * 3_600_000;
const LARGEST_LOOK_BACK = 1_000;
const NOTABLE_SKEW_MS = 60_000;

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
    const refusals = lately.items.filter(({ kind }) => kind.startsWith('refused_')).map(({ kind }) => kind);
    return {
      hostId,
      connectionState: summary.connectionState,
      lifecycle: summary.lifecycle,
      ...explained(server, asOf, refusals),
      lastHeartbeat: summary.lastHeartbeat,
      silentForSeconds: Math.max(0, Math.floor((asOf.listenedMs - server.lease.heardAtListenedMs) / 1000)),
      heartbeatIntervalSeconds: server.lease.toldIntervalSeconds,
      leaseExpiresAt: summary.leaseExpiresAt,
      clockSkewMs: server.lease.skewMs,
      sourceAddress: server.lease.sourceAddress,
      agentVersion: server.facts.agentVersion,
      versionStatus: summary.versionStatus,
      ourOutages: outages.items.map(gapOf),
      recentRefusals: refusals,
      asOf: asOf.at.toISOString(),
    };
  }
}

const gapOf = ({ detail }: FleetEvent): ListeningGap => ({ from: String(detail['from']), to: String(detail['to']) });

function explained(server: ProcessServer, { listenedMs }: AsOf, refusals: readonly string[]): Pick<DiagnosisResponse, 'summary' | 'whatToDo'> {
  const { decommission, lease, facts } = server;
  if (decommission) {
    return {
      summary: `Decommissioned by ${decommission.by} at ${decommission.at.toISOString()}; gone by ${decommission.removeBy.toISOString()}.`,
      whatToDo: ['Nothing. If it was a mistake, register the process server again: that cancels the removal.'],
    };
  }
  const hints: string[] = [];
  if (refusals.includes('refused_host_id_conflict')) {
    hints.push('Another machine sends under the same host id: see the conflict in the timeline, and give the clone a host id of its own.');
  }
  if (lease.skewMs !== null && Math.abs(lease.skewMs) > NOTABLE_SKEW_MS) {
    hints.push(`Set its clock: it is ${Math.round(Math.abs(lease.skewMs) / 1000)} s ${lease.skewMs > 0 ? 'ahead' : 'behind'}. That does not disconnect it, but it confuses logs.`);
  }
  if (connectionStateAt(listenedMs, server) === 'Connected') {
    return { summary: 'Connected: its lease runs.', whatToDo: hints.length > 0 ? hints : ['Nothing.'] };
  }
  const silentSeconds = Math.floor((listenedMs - lease.heardAtListenedMs) / 1000);
  const since = lease.lastHeartbeatAt ? `Its last heartbeat came at ${lease.lastHeartbeatAt.toISOString()}` : 'It registered and never sent a heartbeat';
  return {
    summary: `Disconnected: ${since}, ${silentSeconds} s ago as far as we listened, and its lease has ended.`,
    whatToDo: [
      ...hints,
      `See whether the machine runs and whether its agent does: ${facts.friendlyName}, ${facts.ipAddress}, last heard from ${lease.sourceAddress}.`,
      'See whether it reaches this configuration server. Its agent goes on by itself as soon as it does.',
      'If the machine cannot be revived, purge it.',
    ],
  };
}

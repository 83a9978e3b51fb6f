import { Inject, Injectable } from '@nestjs/common';
import { register as ofProcess, Registry as MetricRegistry, type Metric } from 'prom-client';
import {
  CleanUpDeadlineMonitor,
  ConsistencyCheck,
  formatVersion,
  HeartbeatReceiver,
  INCONSISTENCY_KINDS,
  LocalAvailabilityClock,
  Monitor,
} from '@app/fleet';
import { Database, type PoolUsage } from '@app/fleet-mysql';
import { CallDeadline } from '../access/call-deadline.js';
import { FailedAttemptTracker } from '../access/failed-attempts.js';
import { RejectedRequestAudit } from '../access/rejected-request-audit.js';
import { CERTIFICATE } from '../edge/edge.module.js';
import type { Sample } from '../edge/fast-histogram.js';
import { RejectedConnections } from '../edge/proxy-protocol.js';
import { RateLimitedLog } from '../edge/rate-limited-log.js';
import { ResponseStatistics } from '../edge/response-statistics.js';
import type { TlsCertificate } from '../edge/tls-certificate.js';
import { UnreadResponses } from '../edge/unread-responses.js';
import { MeasuredLeases } from '../heartbeats/measured-leases.js';
import { FleetSummaryCache } from '../queries/fleet-summary-cache.js';
import { CleanUpJob } from '../removal/clean-up.job.js';
import { APP_OPTIONS, type AppOptions } from '../site/app-options.js';
import { HeartbeatDatabase } from '../site/site.module.js';
import { InstanceStatus } from './instance-status.js';

/** A scrape does not wait for an unavailable database. */
const READ_OVERDUE_TIMEOUT_MS = 1_000;
const AS_COUNTED = 'Process servers by {}, as last counted; every replica reports the whole fleet';
/** One metric for each dimension, so that the sum over its series is the size of the fleet. */
const FLEET = [
  ['cs_process_servers_by_lifecycle', 'lifecycle', 'lifecycle'],
  ['cs_process_servers_by_version_status', 'version_status', 'versionStatus'],
  ['cs_process_servers_by_health', 'health', 'health'],
] as const;

/** The metrics of this replica and of its process. */
@Injectable()
export class Metrics {
  private readonly registry = new MetricRegistry();
  private overdueSeconds = 0;

  constructor(
    @Inject(APP_OPTIONS) { settings, servers, siteClock }: AppOptions,
    @Inject(CERTIFICATE) certificate: TlsCertificate | null,
    status: InstanceStatus,
    receiver: HeartbeatReceiver,
    leases: MeasuredLeases,
    counts: FleetSummaryCache,
    heartbeats: HeartbeatDatabase,
    requests: Database,
    availabilityClock: LocalAvailabilityClock,
    cleanUpJob: CleanUpJob,
    private readonly deadlineMonitor: CleanUpDeadlineMonitor,
    consistency: ConsistencyCheck,
    failedAttempts: FailedAttemptTracker,
    rejectedRequestAudit: RejectedRequestAudit,
    rateLimitedLog: RateLimitedLog,
    rejectedConnections: RejectedConnections,
    responses: ResponseStatistics,
    unread: UnreadResponses,
    monitor: Monitor,
  ) {
    const pools = Object.entries({ heartbeats, requests });
    const ofPools = (read: (usage: PoolUsage) => number): Sample[] =>
      pools.map(([pool, { usage }]) => ({ labels: { pool }, value: read(usage) }));

    this.add('gauge', 'cs_build_info', 'Version of the configuration server and of Node.js; always 1', () => [
      { labels: { version: formatVersion(settings.version), node_version: process.version }, value: 1 },
    ]);
    this.add(
      'histogram',
      'cs_http_request_duration_seconds',
      'Time from a request to its response, by route template; without requests that are not valid HTTP',
      () => responses.durations('cs_http_request_duration_seconds'),
    );
    this.add('counter', 'cs_http_responses_total', 'HTTP responses by status class and problem code', () =>
      responses.counts(),
    );
    this.registry.registerMetric(leases.seconds);
    this.registry.registerMetric(leases.sizes);
    this.gauge('cs_heartbeat_queue_length', 'Heartbeats that wait for a commit', () => receiver.queueLength);
    this.gauge('cs_accepting_heartbeats', '1 while this replica can commit heartbeats, otherwise 0', () =>
      Number(status.canCommit),
    );
    this.counter(
      'cs_available_seconds_total',
      'Time in which the site could commit heartbeats, by its availability clock; the same for every replica',
      () => availabilityClock.recordedAvailableMs / 1000,
    );
    this.add('gauge', 'cs_process_servers', AS_COUNTED.replace('{}', 'connection state and lifecycle'), () => {
      const byLifecycle = counts.lastCounted?.connectionStateByLifecycle;
      return (['Registered', 'Decommissioned'] as const).flatMap((lifecycle) =>
        Object.entries<number>({ ...byLifecycle?.[lifecycle] }).map(([state, value]) => ({
          labels: { connection_state: state, lifecycle },
          value,
        })),
      );
    });
    for (const [name, label, member] of FLEET)
      this.add('gauge', name, AS_COUNTED.replace('{}', label.replace('_', ' ')), () =>
        Object.entries(counts.lastCounted?.[member] ?? {}).map(([state, value]) => ({
          labels: { [label]: state },
          value,
        })),
      );
    this.add('gauge', 'cs_database_pool_connections', 'Open connections to the database by pool and state', () =>
      pools.flatMap(([pool, { usage }]) => [
        { labels: { pool, state: 'in_use' }, value: usage.inUse },
        { labels: { pool, state: 'idle' }, value: usage.idle },
      ]),
    );
    this.add('gauge', 'cs_database_pool_max_connections', 'Limit of the connections of a pool', () =>
      ofPools(({ limit }) => limit),
    );
    this.add('gauge', 'cs_database_pool_pending_requests', 'Reads and transactions that wait for a connection', () =>
      ofPools(({ pending }) => pending),
    );
    this.counter('cs_database_server_changes_total', 'Changes of the database server in use', () => servers.changes);
    this.gauge(
      'cs_database_clock_difference_seconds',
      'How far the clock of the current database node is ahead of the clock of the site, which does not follow it',
      () => (siteClock?.databaseDifferenceMs ?? 0) / 1000,
    );
    this.counter('cs_clean_up_removed_total', 'Entries that the clean-up removed', () => cleanUpJob.removed);
    this.counter('cs_clean_up_failures_total', 'Clean-up runs that failed', () => cleanUpJob.failedRuns);
    this.gauge(
      'cs_clean_up_overdue_seconds',
      'Time since an entry should have been removed; 0 when none is overdue',
      () => this.overdueSeconds,
    );
    this.gauge(
      'cs_monitor_lag_seconds',
      'Time on the availability clock since the monitor last wrote all transitions as events; 0 before its first attempt',
      () => monitor.lagSeconds,
    );
    this.add(
      'gauge',
      'cs_inconsistencies',
      'Contradictory rows by kind, found by the last consistency check of this replica; it repairs most of them',
      () => {
        const { last } = consistency;
        return last ? INCONSISTENCY_KINDS.map((kind) => ({ labels: { kind }, value: last.found.get(kind) ?? 0 })) : [];
      },
    );
    this.gauge(
      'cs_auth_failing_addresses',
      'Addresses that sent wrong passphrases or keys in the last ten minutes',
      () => failedAttempts.addresses,
    );
    this.counter(
      'cs_log_lines_suppressed_total',
      'Log lines about callers and failed reads that were not written because of their number',
      () => rateLimitedLog.suppressed,
    );
    this.counter(
      'cs_refusal_events_suppressed_total',
      'Events about rejected callers that were not written because of their number',
      () => rejectedRequestAudit.suppressedEvents,
    );
    this.gauge('cs_http_unread_responses', 'Responses that clients have not read yet', () => unread.responses);
    this.gauge('cs_http_unread_bytes', 'Memory of the responses that clients have not read yet', () => unread.bytes);
    this.counter(
      'cs_http_unread_connections_closed_total',
      'Connections closed because too much data was unread',
      () => unread.closed,
    );
    if (settings.http.proxyProtocol)
      this.counter(
        'cs_proxy_protocol_refused_connections_total',
        'Connections closed without a PROXY protocol header of a trusted proxy; only with PROXY_PROTOCOL=required',
        () => rejectedConnections.count,
      );
    if (certificate)
      this.gauge(
        'cs_tls_certificate_expires_at_seconds',
        'Expiry of the TLS certificate in use, in seconds since 1970; only with TLS',
        () => certificate.expiresAt.getTime() / 1000,
      );
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** If the database is unavailable, the last known value stays. */
  async text(): Promise<string> {
    this.overdueSeconds = await new CallDeadline(READ_OVERDUE_TIMEOUT_MS)
      .within(this.deadlineMonitor.overdueSeconds())
      .catch(() => this.overdueSeconds);
    return MetricRegistry.merge([this.registry, ofProcess]).metrics();
  }

  private gauge(name: string, help: string, read: () => number): void {
    this.add('gauge', name, help, () => [{ labels: {}, value: read() }]);
  }

  private counter(name: string, help: string, read: () => number): void {
    this.add('counter', name, help, () => [{ labels: {}, value: read() }]);
  }

  /** Its samples are read at each scrape. */
  private add(type: 'counter' | 'gauge' | 'histogram', name: string, help: string, samples: () => Sample[]): void {
    const get = async (): Promise<object> => ({ name, help, type, values: samples() });
    this.registry.registerMetric({ name, get } as unknown as Metric);
  }
}

import { register as ofProcess, Registry as MetricRegistry, type Metric } from 'prom-client';
import {
  formatVersion,
  INCONSISTENCY_KINDS,
  type CleanUpRun,
  type CleanUpDeadlineMonitor,
  type ConsistencyCheck,
  type HeartbeatReceiver,
  type LocalAvailabilityClock,
  type Version,
} from '@app/fleet';
import type { PoolUsage } from '@app/fleet-mysql';
import { CallDeadline } from '../access/call-deadline.js';
import type { FailedAttemptTracker } from '../access/failed-attempts.js';
import type { RejectedRequestAudit } from '../access/rejected-request-audit.js';
import type { RejectedConnections } from '../edge/proxy-protocol.js';
import type { UnreadResponses } from '../edge/unread-responses.js';
import type { RateLimitedLog } from '../edge/rate-limited-log.js';
import { FastHistogram, type Sample } from './fast-histogram.js';
import type { MeasuredLeases } from './measured-leases.js';
import type { FleetSummaryCache } from '../queries/fleet-summary-cache.js';

/** A scrape does not wait for an unavailable database. */
const READ_OVERDUE_TIMEOUT_MS = 1_000;
/** Further values share one label value, which bounds the number of series whatever clients send. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE']);
const HEARTBEAT_ROUTE = '/v1/process-servers/:hostId/heartbeats';
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const AS_COUNTED = 'Process servers by {}, as last counted; every replica reports the whole fleet';
/** One metric for each dimension, so that the sum over its series is the size of the fleet. */
const FLEET = [
  ['cs_process_servers', 'connection_state', 'connectionState'],
  ['cs_process_servers_by_lifecycle', 'lifecycle', 'lifecycle'],
  ['cs_process_servers_by_version_status', 'version_status', 'versionStatus'],
  ['cs_process_servers_by_health', 'health', 'health'],
] as const;

/** Sources of the metrics. */
export interface MetricSources {
  readonly version: Version;
  readonly receiver: HeartbeatReceiver;
  readonly leases: MeasuredLeases;
  readonly counts: FleetSummaryCache;
  readonly pools: Readonly<Record<string, { readonly usage: PoolUsage }>>;
  readonly availabilityClock: LocalAvailabilityClock;
  readonly failedAttempts: FailedAttemptTracker;
  readonly deadlineMonitor: CleanUpDeadlineMonitor;
  /** How far the clock of the current database node is ahead of the site's, in ms. */
  readonly databaseDifferenceMs: () => number;
  readonly unread: UnreadResponses;
  readonly consistency: ConsistencyCheck;
  readonly rateLimitedLog: RateLimitedLog;
  readonly rejectedRequestAudit: RejectedRequestAudit;
  /** Null if no PROXY protocol header is expected. */
  readonly rejectedConnections: RejectedConnections | null;
  /** Number of changes of the database server. */
  readonly servers: { readonly changes: number };
}

/** The metrics of this replica and of its process. */
export class Metrics {
  private readonly registry = new MetricRegistry();
  /** By problem code, then by status class: a prom-client counter with labels would cost each response more. */
  private readonly responseCounts = new Map<string, number[]>();
  private readonly requestSeconds = new FastHistogram(['method', 'route', 'status'], SECONDS);
  /** The durations of accepted heartbeats, in seconds. */
  readonly acceptedHeartbeats = this.requestSeconds.with({ method: 'POST', route: HEARTBEAT_ROUTE, status: '200' });
  private removed = 0;
  private failedCleanUpRuns = 0;
  private readonly readOverdueSeconds: () => Promise<number>;
  private overdueSeconds = 0;

  constructor(sources: MetricSources) {
    const { receiver, availabilityClock, leases, consistency, counts, rejectedConnections, servers, unread } = sources;
    this.readOverdueSeconds = () =>
      new CallDeadline(READ_OVERDUE_TIMEOUT_MS).within(sources.deadlineMonitor.overdueSeconds());
    const pools = Object.entries(sources.pools);
    const ofPools = (read: (usage: PoolUsage) => number): Sample[] =>
      pools.map(([pool, { usage }]) => ({ labels: { pool }, value: read(usage) }));

    this.add('gauge', 'cs_build_info', 'Version of the configuration server and of Node.js; always 1', () => [
      { labels: { version: formatVersion(sources.version), node_version: process.version }, value: 1 },
    ]);
    this.add(
      'histogram',
      'cs_http_request_duration_seconds',
      'Time from a request to its response, by route template; without requests that are not valid HTTP',
      () => this.requestSeconds.samples('cs_http_request_duration_seconds'),
    );
    this.add('counter', 'cs_http_responses_total', 'HTTP responses by status class and problem code', () =>
      this.answerCounts(),
    );
    this.registry.registerMetric(leases.seconds);
    this.registry.registerMetric(leases.sizes);
    this.gauge('cs_heartbeat_queue_length', 'Heartbeats that wait for a commit', () => receiver.queueLength);
    this.gauge('cs_accepting_heartbeats', '1 while this replica can commit heartbeats, otherwise 0', () =>
      Number(receiver.isAccepting && availabilityClock.isValid && !receiver.isStalled),
    );
    this.counter(
      'cs_available_seconds_total',
      'Time in which the site could commit heartbeats, by its availability clock; the same for every replica',
      () => availabilityClock.recordedAvailableMs / 1000,
    );
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
      () => sources.databaseDifferenceMs() / 1000,
    );
    this.counter('cs_clean_up_removed_total', 'Entries that the clean-up removed', () => this.removed);
    this.counter('cs_clean_up_failures_total', 'Clean-up runs that failed', () => this.failedCleanUpRuns);
    this.gauge(
      'cs_clean_up_overdue_seconds',
      'Time since an entry should have been removed; 0 when none is overdue',
      () => this.overdueSeconds,
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
      () => sources.failedAttempts.addresses,
    );
    this.counter(
      'cs_log_lines_suppressed_total',
      'Log lines about rejected callers that were not written because of their number',
      () => sources.rateLimitedLog.suppressed,
    );
    this.counter(
      'cs_refusal_events_suppressed_total',
      'Events about rejected callers that were not written because of their number',
      () => sources.rejectedRequestAudit.suppressedEvents,
    );
    this.gauge('cs_http_unread_responses', 'Responses that clients have not read yet', () => unread.responses);
    this.gauge('cs_http_unread_bytes', 'Memory of the responses that clients have not read yet', () => unread.bytes);
    this.counter(
      'cs_http_unread_connections_closed_total',
      'Connections closed because too much data was unread',
      () => unread.closed,
    );
    if (rejectedConnections)
      this.counter(
        'cs_proxy_protocol_refused_connections_total',
        'Connections closed without a PROXY protocol header of a trusted proxy; only with PROXY_PROTOCOL=required',
        () => rejectedConnections.count,
      );
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** Adds the expiry of the certificate. */
  observeCertificate(certificate: { readonly expiresAt: Date }): void {
    this.gauge(
      'cs_tls_certificate_expires_at_seconds',
      'Expiry of the TLS certificate in use, in seconds since 1970; only with TLS',
      () => certificate.expiresAt.getTime() / 1000,
    );
  }

  recordResponse(status: number, code: string): void {
    let counts = this.responseCounts.get(code);
    if (!counts) this.responseCounts.set(code, (counts = []));
    const statusClass = Math.floor(status / 100);
    counts[statusClass] = (counts[statusClass] ?? 0) + 1;
  }

  /** Records a response to a valid HTTP request; `route` is undefined if no route matches. */
  measured(method: string, route: string | undefined, status: number, seconds: number): void {
    const labels = {
      method: METHODS.has(method) ? method : 'other',
      route: route ?? 'unknown',
      status: String(status),
    };
    this.requestSeconds.with(labels).observe(seconds);
  }

  recordCleanUpRun({ removed }: Pick<CleanUpRun, 'removed'>): void {
    this.removed += removed;
  }

  recordCleanUpFailure(): void {
    this.failedCleanUpRuns += 1;
  }

  /** If the database is unavailable, the last known value stays. */
  async text(): Promise<string> {
    this.overdueSeconds = await this.readOverdueSeconds().catch(() => this.overdueSeconds);
    return MetricRegistry.merge([this.registry, ofProcess]).metrics();
  }

  private answerCounts(): Sample[] {
    return [...this.responseCounts].flatMap(([code, counts]) =>
      counts.flatMap((value, status) => [{ labels: { status: `${status}xx`, code }, value }]),
    );
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

import { Counter, Gauge, Registry as MetricRegistry } from 'prom-client';
import {
  INCONSISTENCY_KINDS,
  type CleanUpRun,
  type CleanUpDeadlineMonitor,
  type ConsistencyCheck,
  type HeartbeatReceiver,
  type LocalAvailabilityClock,
} from '@app/fleet';
import { CallDeadline } from '../access/call-deadline.js';
import type { FailedAttemptTracker } from '../access/failed-attempts.js';
import type { RejectedRequestAudit } from '../access/rejected-request-audit.js';
import type { RejectedConnections } from '../edge/proxy-protocol.js';
import type { UnreadResponses } from '../edge/unread-responses.js';
import type { RateLimitedLog } from '../edge/rate-limited-log.js';

/** A scrape does not wait for a database that is away. */
const READ_OVERDUE_TIMEOUT_MS = 1_000;

/** What the metrics are read from. */
export interface MetricSources {
  readonly receiver: HeartbeatReceiver;
  readonly availabilityClock: LocalAvailabilityClock;
  readonly failedAttempts: FailedAttemptTracker;
  readonly deadlineMonitor: CleanUpDeadlineMonitor;
  /** How far the clock of the present database node is ahead of the site's, in ms. */
  readonly databaseDifferenceMs: () => number;
  readonly unread: UnreadResponses;
  readonly consistency: ConsistencyCheck;
  readonly rateLimitedLog: RateLimitedLog;
  readonly rejectedRequestAudit: RejectedRequestAudit;
  /** Null where no PROXY protocol header is expected. */
  readonly rejectedConnections: RejectedConnections | null;
  /** How often another database server was chosen. */
  readonly servers: { readonly changes: number };
}

/** Counters and gauges of this replica. */
export class Metrics {
  private readonly registry = new MetricRegistry();
  /** By problem code, and by status class there: a counter with labels would cost each answer more than it tells. */
  private readonly responseCounts = new Map<string, number[]>();
  private readonly removed = new Counter({
    name: 'cs_clean_up_removed_total',
    help: 'Entries removed by the clean-up',
    registers: [this.registry],
  });
  private readonly failedCleanUpRuns = new Counter({
    name: 'cs_clean_up_failures_total',
    help: 'Clean-up passes that failed',
    registers: [this.registry],
  });
  private readonly overdue = new Gauge({
    name: 'cs_clean_up_overdue_seconds',
    help: 'How long an entry has stayed beyond its promise',
    registers: [this.registry],
  });

  constructor({
    receiver,
    availabilityClock,
    failedAttempts,
    deadlineMonitor,
    databaseDifferenceMs,
    unread,
    consistency,
    rateLimitedLog,
    rejectedConnections,
    rejectedRequestAudit,
    servers,
  }: MetricSources) {
    const gauge = (name: string, help: string, value: () => number): void =>
      void new Gauge({
        name,
        help,
        registers: [this.registry],
        collect() {
          this.set(value());
        },
      });
    const counter = (name: string, help: string, value: () => number): void =>
      void new Counter({
        name,
        help,
        registers: [this.registry],
        collect() {
          this.reset();
          this.inc(value());
        },
      });
    const { responseCounts } = this;
    new Counter({
      name: 'cs_http_responses_total',
      help: 'HTTP answers by status class and problem code',
      labelNames: ['status', 'code'],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [code, counts] of responseCounts)
          counts.forEach((count, status) => this.inc({ status: `${status}xx`, code }, count));
      },
    });
    gauge('cs_heartbeat_queue_length', 'Heartbeats that wait for a commit', () => receiver.queueLength);
    gauge('cs_accepting_heartbeats', '1 while this replica can commit heartbeats', () =>
      Number(receiver.isAccepting && availabilityClock.isValid && !receiver.isStalled),
    );
    gauge(
      'cs_database_clock_difference_seconds',
      'How far the clock of the present database node is ahead of the clock of the site, which does not follow it',
      () => databaseDifferenceMs() / 1000,
    );
    gauge(
      'cs_process_servers',
      'Process servers that have sent a heartbeat, as last counted',
      () => receiver.fleetSize,
    );
    gauge(
      'cs_auth_failing_addresses',
      'Addresses from which wrong passphrases or keys came in the last ten minutes',
      () => failedAttempts.addresses,
    );
    gauge('cs_http_unread_responses', 'Responses that wait to be read by their clients', () => unread.responses);
    gauge('cs_http_unread_bytes', 'Memory that these hold', () => unread.bytes);
    counter(
      'cs_http_unread_connections_closed_total',
      'Connections closed because too much of all responses was not read',
      () => unread.closed,
    );
    counter(
      'cs_log_lines_suppressed_total',
      'Log lines about refused callers that were not written because there were too many',
      () => rateLimitedLog.suppressed,
    );
    counter(
      'cs_refusal_events_suppressed_total',
      'Events of refused callers that were not written because there were too many in an hour',
      () => rejectedRequestAudit.suppressedEvents,
    );
    if (rejectedConnections)
      counter(
        'cs_proxy_protocol_refused_connections_total',
        'Connections closed for want of a PROXY protocol header of a trusted proxy',
        () => rejectedConnections.count,
      );
    counter('cs_database_server_changes_total', 'Changes of the database server in use', () => servers.changes);
    new Gauge({
      name: 'cs_inconsistencies',
      help: 'Stored rows that contradicted each other at the last check of this replica, by kind; most of them are repaired by it',
      labelNames: ['kind'],
      registers: [this.registry],
      collect() {
        if (consistency.last)
          for (const kind of INCONSISTENCY_KINDS) this.set({ kind }, consistency.last.found.get(kind) ?? 0);
      },
    });
    this.readOverdueSeconds = () => new CallDeadline(READ_OVERDUE_TIMEOUT_MS).within(deadlineMonitor.overdueSeconds());
  }

  private readonly readOverdueSeconds: () => Promise<number>;

  get contentType(): string {
    return this.registry.contentType;
  }

  /** Adds when the certificate expires, in seconds since 1970. */
  observeCertificate(certificate: { readonly expiresAt: Date }): void {
    new Gauge({
      name: 'cs_tls_certificate_expires_at_seconds',
      help: 'When the TLS certificate that is served expires, in seconds since 1970',
      registers: [this.registry],
      collect() {
        this.set(certificate.expiresAt.getTime() / 1000);
      },
    });
  }

  recordResponse(status: number, code: string): void {
    let counts = this.responseCounts.get(code);
    if (!counts) this.responseCounts.set(code, (counts = []));
    const statusClass = Math.floor(status / 100);
    counts[statusClass] = (counts[statusClass] ?? 0) + 1;
  }

  recordCleanUpRun({ removed }: Pick<CleanUpRun, 'removed'>): void {
    this.removed.inc(removed);
  }

  recordCleanUpFailure(): void {
    this.failedCleanUpRuns.inc();
  }

  /** The database may be away: then the last known overdue stays. */
  async text(): Promise<string> {
    await this.readOverdueSeconds().then(
      (seconds) => this.overdue.set(seconds),
      () => undefined,
    );
    return this.registry.metrics();
  }
}

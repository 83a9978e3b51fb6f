import { Counter, Gauge, Registry as MetricRegistry } from 'prom-client';
import {
  INCONSISTENCY_KINDS,
  type CleanUpPass,
  type CleanUpPromise,
  type ConsistencyCheck,
  type HeartbeatReceiver,
  type ListeningClock,
} from '@app/fleet';
import { CallDeadline } from '../access/call-deadline.js';
import type { RefusedCallers } from '../access/refused-callers.js';
import type { RefusedRequests } from '../access/refused-requests.js';
import type { RefusedConnections } from '../edge/proxy-protocol.js';
import type { UnreadResponses } from '../edge/unread-responses.js';
import type { LimitedLog } from '../limited-log.js';

/** A scrape does not wait for a database that is away. */
const READ_OVERDUE_WITHIN_MS = 1_000;

/** What the metrics are read from. */
export interface MetricSources {
  readonly receiver: HeartbeatReceiver;
  readonly listening: ListeningClock;
  readonly refused: RefusedCallers;
  readonly promise: CleanUpPromise;
  /** How far the clock of the present database node is ahead of the site's, in ms. */
  readonly databaseDifferenceMs: () => number;
  readonly unread: UnreadResponses;
  readonly consistency: ConsistencyCheck;
  readonly limitedLog: LimitedLog;
  readonly refusedRequests: RefusedRequests;
  /** Null where no PROXY protocol header is expected. */
  readonly refusedConnections: RefusedConnections | null;
  /** How often another database server was chosen. */
  readonly servers: { readonly changes: number };
}

/** Counters and gauges of this replica. */
export class Metrics {
  private readonly registry = new MetricRegistry();
  /** By problem code, and by status class there: a counter with labels would cost each answer more than it tells. */
  private readonly answers = new Map<string, number[]>();
  private readonly removed = new Counter({
    name: 'cs_clean_up_removed_total',
    help: 'Entries removed by the clean-up',
    registers: [this.registry],
  });
  private readonly failedPasses = new Counter({
    name: 'cs_clean_up_failed_passes_total',
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
    listening,
    refused,
    promise,
    databaseDifferenceMs,
    unread,
    consistency,
    limitedLog,
    refusedConnections,
    refusedRequests,
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
    const { answers } = this;
    new Counter({
      name: 'cs_http_answers_total',
      help: 'HTTP answers by status class and problem code',
      labelNames: ['status', 'code'],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [code, counts] of answers)
          counts.forEach((count, status) => this.inc({ status: `${status}xx`, code }, count));
      },
    });
    gauge('cs_heartbeat_queue_length', 'Heartbeats that wait for a commit', () => receiver.queueLength);
    gauge('cs_listening', '1 while this replica can commit heartbeats', () =>
      Number(receiver.accepts && listening.isListening && !receiver.isStalled),
    );
    gauge(
      'cs_database_clock_difference_seconds',
      'How far the clock of the present database node is ahead of the clock of the site, which does not follow it',
      () => databaseDifferenceMs() / 1000,
    );
    gauge('cs_fleet_size', 'Process servers that have sent a heartbeat, as last counted', () => receiver.fleetSize);
    gauge(
      'cs_refused_addresses',
      'Addresses from which wrong passphrases or keys came in the last ten minutes',
      () => refused.addresses,
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
      () => limitedLog.suppressed,
    );
    counter(
      'cs_refusal_events_suppressed_total',
      'Events of refused callers that were not written because there were too many in an hour',
      () => refusedRequests.suppressedEvents,
    );
    if (refusedConnections)
      counter(
        'cs_proxy_protocol_refused_connections_total',
        'Connections closed for want of a PROXY protocol header of a trusted proxy',
        () => refusedConnections.count,
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
    this.readOverdue = () => new CallDeadline(READ_OVERDUE_WITHIN_MS).within(promise.overdueSeconds());
  }

  private readonly readOverdue: () => Promise<number>;

  get contentType(): string {
    return this.registry.contentType;
  }

  /** Adds when the certificate expires, in seconds since 1970. */
  observe(certificate: { readonly expiresAt: Date }): void {
    new Gauge({
      name: 'cs_tls_certificate_expires_at_seconds',
      help: 'When the TLS certificate that is served expires, in seconds since 1970',
      registers: [this.registry],
      collect() {
        this.set(certificate.expiresAt.getTime() / 1000);
      },
    });
  }

  answered(status: number, code: string): void {
    let counts = this.answers.get(code);
    if (!counts) this.answers.set(code, (counts = []));
    const statusClass = Math.floor(status / 100);
    counts[statusClass] = (counts[statusClass] ?? 0) + 1;
  }

  passed({ removed }: Pick<CleanUpPass, 'removed'>): void {
    this.removed.inc(removed);
  }

  passFailed(): void {
    this.failedPasses.inc();
  }

  /** The database may be away: then the last known overdue stays. */
  async text(): Promise<string> {
    await this.readOverdue().then(
      (seconds) => this.overdue.set(seconds),
      () => undefined,
    );
    return this.registry.metrics();
  }
}

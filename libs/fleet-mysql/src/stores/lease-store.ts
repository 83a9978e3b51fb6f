import {
  boundHeartbeatEvents,
  formatVersion,
  checkHeartbeat,
  HEALTH_WINDOW_MS,
  heartbeatEvents,
  parseVersion,
  rejectionKey,
  silenceEvents,
  rejectionEventKind,
  versionKey,
  type EventAuthor,
  type FleetEvent,
  type FleetErrorDetails,
  type Heartbeat,
  type HeartbeatVerdict,
  type Identifiers,
  type StoredLease,
  type Leases,
  type Moment,
  type Tombstone,
  type Version,
  type QueuedHeartbeat,
} from '@app/fleet';
import { type Database, type Statement, type Transaction } from '../database.js';
import { errorNumber, ER_LOCK_WAIT_TIMEOUT } from '../database-errors.js';
import { toStoredLease, type FactsRow, type LockedLeaseRow } from './locked-lease.js';
import { insertEvents, insertEventsOnce } from '../statements/events.js';
import {
  lastHeartbeatParameters,
  LOCK_LEASES_SKIP_LOCKED,
  READ_REGISTERED_FACTS,
  CLASSIFY_UNLOCKED_HOSTS,
  RENEW_UNCHANGED_LEASES,
  UPDATE_LOCKED_LEASES,
  UPDATE_VERSION,
} from '../statements/leases.js';
import { MARK_REVIEW_DUE } from '../statements/health-review.js';
import { CLEAR_REPORTS } from '../statements/health-reports.js';
import {
  clearedReportsRow,
  lockedLeaseRow,
  loadRow,
  reportRow,
  updateLoadReports,
  updateStatusReports,
  type HeartbeatRow,
} from '../statements/heartbeat-rows.js';
import { CounterDelta, versionKeyOf } from '../statements/counters.js';
import type { PendingWrites } from '../pending-writes.js';
import type { EvaluatedHeartbeat, OperatingSystems } from './operating-systems.js';

type LeaseLookup =
  | { lease: StoredLease; fingerprint: string }
  | { locked: true }
  | { gone: Pick<Tombstone, 'removal' | 'generation'> | null };

const DEFERRED: HeartbeatVerdict = { outcome: 'deferred' };

/** A heartbeat of a batch, with its verdict by the latest attempt. */
class BatchItem implements EvaluatedHeartbeat {
  verdict: HeartbeatVerdict = DEFERRED;

  constructor(
    readonly queued: QueuedHeartbeat,
    /** Digest of everything that the verdict depends on. */
    readonly fingerprint: string,
  ) {}

  get hostId(): string {
    return this.queued.heartbeat.hostId;
  }

  get credentialHash(): string {
    return this.queued.heartbeat.credentialHash;
  }
}

const byHostId = (a: BatchItem, b: BatchItem): number => (a.hostId < b.hostId ? -1 : 1);

/** Writes heartbeats in batches. Its separate connections wait one second for a lock, so that a locked row delays a batch briefly. */
export class LeaseStore implements Leases {
  private readonly ourVersion: string;

  constructor(
    private readonly database: Database,
    private readonly identifiers: Identifiers,
    private readonly version: Version,
    private readonly pendingWrites: PendingWrites,
    private readonly operatingSystems: Pick<OperatingSystems, 'addTo'>,
    private readonly healthWindowMs = HEALTH_WINDOW_MS,
  ) {
    this.ourVersion = formatVersion(version);
  }

  async writeBatch(
    batch: readonly QueuedHeartbeat[],
    moment: () => Moment,
    withinMs: number,
  ): Promise<HeartbeatVerdict[]> {
    const deadline = performance.now() + withinMs;
    const items = batch.map((queued) => new BatchItem(queued, this.fingerprint(queued.heartbeat)));
    const inKeyOrder = [...items].sort(byHostId);
    const eventIds = new Map<string, string>();
    await this.pendingWrites.track((markAt) =>
      this.skippingLockedRows(inKeyOrder, deadline, (transaction, mayWait) =>
        this.writeIn(transaction, inKeyOrder, markAt(moment()), mayWait, eventIds),
      ),
    );
    await this.operatingSystems.addTo(items);
    return items.map(({ verdict }) => verdict);
  }

  /** Writes the whole batch; if a row stays locked for longer than a second, only the heartbeats whose rows are not locked. */
  private async skippingLockedRows(
    items: readonly BatchItem[],
    deadline: number,
    work: (transaction: Transaction, mayWait: boolean) => Promise<void>,
  ): Promise<void> {
    if (!items.some(({ queued }) => queued.deferred)) {
      try {
        return await this.database.transaction((transaction) => work(transaction, true), {
          nonRetryable: [ER_LOCK_WAIT_TIMEOUT],
          deadline,
        });
      } catch (error) {
        if (errorNumber(error) !== ER_LOCK_WAIT_TIMEOUT) throw error;
      }
    }
    return this.database.transaction((transaction) => work(transaction, false), { deadline });
  }

  private async writeIn(
    transaction: Transaction,
    items: readonly BatchItem[],
    moment: Moment,
    mayWait: boolean,
    eventIds: Map<string, string>,
  ): Promise<void> {
    const renewals = mayWait ? items.filter(({ queued }) => queued.heartbeat.agentVersion !== null) : [];
    const renewed =
      renewals.length === 0
        ? 0
        : await transaction.executeAndCommitIfExact(
            renewalStatement(renewals, moment),
            items.length,
            this.healthStatements(items, moment),
          );
    if (renewed === items.length) {
      for (const item of items) item.verdict = accepted(item.queued.heartbeat.agentVersion ?? '', moment);
      return;
    }
    await this.evaluateEach(transaction, items, renewed, moment, eventIds);
    for (const { sql, parameters } of this.healthStatements(
      items.filter(({ verdict }) => verdict.outcome === 'accepted'),
      moment,
    )) {
      await transaction.write(sql, parameters);
    }
  }

  /** Evaluates the heartbeats of a batch of which `renewed` were renewed unchanged. */
  private async evaluateEach(
    transaction: Transaction,
    items: readonly BatchItem[],
    renewed: number,
    moment: Moment,
    eventIds: Map<string, string>,
  ): Promise<void> {
    const lookups = await this.classify(
      transaction,
      items.map(({ hostId }) => hostId),
    );
    const unchanged = new Set(
      items.filter(
        ({ hostId, fingerprint, queued }) =>
          renewed > 0 && queued.heartbeat.agentVersion !== null && wasRenewed(lookups.get(hostId), fingerprint, moment),
      ),
    );
    const isExact = unchanged.size === renewed; // otherwise another transaction wrote meanwhile; a second evaluation of a renewed heartbeat is harmless
    const changed: AcceptedItem[] = [];
    const rejections: FleetEvent[] = [];
    for (const item of items) {
      const { heartbeat } = item.queued;
      const found = lookups.get(heartbeat.hostId) ?? { gone: null };
      if ('locked' in found) {
        item.verdict = DEFERRED;
        continue;
      }
      const stored = 'lease' in found ? found.lease : null;
      const rejection = checkHeartbeat(heartbeat, stored, 'gone' in found ? found.gone : null);
      if (rejection) {
        item.verdict = { outcome: 'rejected', rejection };
        rejections.push(...this.rejectionEvents(heartbeat, rejection, moment.at));
      } else if (stored) {
        item.verdict = { ...accepted(heartbeat.agentVersion ?? stored.agentVersion, moment), osKey: stored.osKey };
        if (!(isExact && unchanged.has(item))) changed.push({ item, stored });
      }
    }
    await this.updateLocked(transaction, changed, moment, eventIds);
    await insertEventsOnce(transaction, rejections);
  }

  private async classify(transaction: Transaction, hostIds: readonly string[]): Promise<Map<string, LeaseLookup>> {
    const leases = await transaction.rows<LockedLeaseRow>(LOCK_LEASES_SKIP_LOCKED, [hostIds]);
    const found = new Map<string, LeaseLookup>();
    if (leases.length > 0) {
      const facts = await transaction.rows<FactsRow>(READ_REGISTERED_FACTS, [leases.map(({ host_id }) => host_id)]);
      const factsOf = new Map(facts.map((row) => [row.host_id, row]));
      for (const lease of leases) {
        const registered = factsOf.get(lease.host_id);
        if (registered)
          found.set(lease.host_id, {
            lease: toStoredLease(lease, registered),
            fingerprint: lease.report_fingerprint.toString('hex'),
          });
      }
    }
    const missing = hostIds.filter((hostId) => !found.has(hostId));
    if (missing.length > 0) {
      const rows = await transaction.rows<{
        host_id: string;
        removal: Tombstone['removal'] | null;
        generation: number;
      }>(CLASSIFY_UNLOCKED_HOSTS, [missing, missing]);
      for (const { host_id, removal, generation } of rows)
        found.set(host_id, removal === null ? { locked: true } : { gone: { removal, generation } });
    }
    return found;
  }

  private async updateLocked(
    transaction: Transaction,
    items: readonly AcceptedItem[],
    moment: Moment,
    eventIds: Map<string, string>,
  ): Promise<void> {
    if (items.length === 0) return;
    const { at: now, availableMs } = moment;
    const evaluated = items.map(({ item, stored }) => {
      const { heartbeat } = item.queued;
      return {
        item,
        heartbeat,
        stored,
        ...boundHeartbeatEvents(heartbeatEvents(heartbeat, stored, moment, this.version), stored.eventBounds, now),
      };
    });
    const rows = evaluated.map(({ item: { queued, fingerprint }, stored, bounds }) =>
      lockedLeaseRow(queued, fingerprint, stored, bounds, availableMs),
    );
    await transaction.write(UPDATE_LOCKED_LEASES, [JSON.stringify(rows), ...lastHeartbeatParameters(now), availableMs]);
    const cleared = evaluated.map(({ heartbeat }) => clearedReportsRow(heartbeat)).filter((row) => row !== null);
    if (cleared.length > 0) await transaction.write(CLEAR_REPORTS, [JSON.stringify(cleared)]);
    const returned = items.filter(({ stored }) => stored.expiresAvailableMs <= availableMs);
    if (returned.length > 0) await transaction.write(MARK_REVIEW_DUE, [returned.map(({ item }) => item.hostId)]);
    const counters = new CounterDelta();
    const events: FleetEvent[] = [];
    const idempotentEvents: FleetEvent[] = [];
    for (const { heartbeat, stored, heartbeatEvents: changes } of evaluated) {
      const version = heartbeat.agentVersion === null ? null : parseVersion(heartbeat.agentVersion);
      if (version && heartbeat.agentVersion !== stored.agentVersion) {
        await transaction.write(UPDATE_VERSION, [
          formatVersion(version),
          versionKey(version),
          heartbeat.hostId,
          heartbeat.generation,
        ]);
        counters.add(versionKeyOf(stored.agentVersion), stored.osKey, false, -1);
        counters.add(versionKey(version), stored.osKey, false, 1);
      }
      for (const { kind, detail, key } of changes) {
        const event = {
          at: now,
          kind,
          hostId: heartbeat.hostId,
          generation: heartbeat.generation,
          ...authorOf(heartbeat),
          detail,
        };
        if (key) idempotentEvents.push({ ...event, id: this.identifiers.deterministicId(key) });
        else events.push({ ...event, id: this.eventId(eventIds, `${heartbeat.hostId} ${kind}`, now) });
        if (kind === 'silence_ended') {
          const ended = { ...event, id: '' };
          const reconnectedId = this.eventId(eventIds, `${heartbeat.hostId} reconnected`, now);
          const lease = { ...stored, hostId: heartbeat.hostId };
          const pair = silenceEvents(ended, lease, availableMs, reconnectedId, this.identifiers);
          idempotentEvents.push(pair.disconnected);
          events.push(pair.reconnected);
        }
      }
    }
    await transaction.executeAll(counters.statements());
    await insertEvents(transaction, events);
    await insertEventsOnce(transaction, idempotentEvents);
  }

  /** Writes the load and status reports of accepted heartbeats. */
  private healthStatements(items: readonly BatchItem[], moment: Moment): Statement[] {
    const loads: HeartbeatRow[] = [];
    const reports: HeartbeatRow[] = [];
    for (const { queued } of items) {
      const { load } = queued.heartbeat;
      if (load) loads.push(loadRow(queued, load));
      const report = reportRow(queued);
      if (report) reports.push(report);
    }
    return [
      ...(loads.length > 0 ? [updateLoadReports(loads, moment, this.healthWindowMs)] : []),
      ...(reports.length > 0 ? [updateStatusReports(reports, moment, this.healthWindowMs)] : []),
    ];
  }

  /** Returns the same id in each attempt. */
  private eventId(eventIds: Map<string, string>, key: string, now: Date): string {
    const id = eventIds.get(key) ?? this.identifiers.newId(now);
    eventIds.set(key, id);
    return id;
  }

  /**
   * Digest of everything that the verdict depends on, 32 hex digits. An equal fingerprint means an unchanged heartbeat. It is stored
   * with the lease of an accepted heartbeat and cleared by a registration. No part can contain a line break; `null` marks absent parts.
   */
  private fingerprint({
    generation,
    credentialHash,
    machineId,
    instanceId,
    agentVersion,
    sourceAddress,
    withdrawn,
    ignored,
  }: Heartbeat): string {
    const text = `${generation}\n${credentialHash}\n${machineId}\n${instanceId}\n${agentVersion}\n${sourceAddress}\n${this.ourVersion}`;
    if (ignored === null && withdrawn === null) return this.identifiers.digest(text);
    return this.identifiers.digest(
      [
        text,
        ...(ignored ? [...ignored.unusable, ...ignored.fields] : []),
        ...(withdrawn ? ['', ...withdrawn] : []),
      ].join('\n'),
    );
  }

  private rejectionEvents(heartbeat: Heartbeat, rejection: FleetErrorDetails, at: Date): FleetEvent[] {
    const kind = rejectionEventKind(rejection);
    if (!kind) return [];
    const { hostId, generation } = heartbeat;
    const id = this.identifiers.deterministicId(rejectionKey(hostId, kind, at));
    const detail = {
      ...rejection,
      call: 'heartbeat',
      machineId: heartbeat.machineId,
      instanceId: heartbeat.instanceId,
    };
    return [{ id, at, kind, hostId, generation, ...authorOf(heartbeat), detail }];
  }
}

const authorOf = ({ sourceAddress, requestId }: Heartbeat): EventAuthor => ({
  actor: 'process-server',
  sourceAddress,
  requestId,
});

/** Renews the leases of unchanged heartbeats; matches one row for each. */
function renewalStatement(items: readonly BatchItem[], { at, availableMs }: Moment): Statement {
  const rows = items.map(
    ({ queued: { heartbeat, leaseSeconds, assignedIntervalSeconds }, fingerprint }): HeartbeatRow => [
      heartbeat.hostId,
      fingerprint,
      availableMs + leaseSeconds * 1000,
      assignedIntervalSeconds,
      heartbeat.skewMs,
    ],
  );
  return {
    sql: RENEW_UNCHANGED_LEASES,
    parameters: [JSON.stringify(rows), ...lastHeartbeatParameters(at), availableMs, availableMs],
  };
}

/** An accepted heartbeat with the lease as stored before it. */
interface AcceptedItem {
  readonly item: BatchItem;
  readonly stored: StoredLease;
}

/** Whether RENEW_UNCHANGED_LEASES has matched the heartbeat. */
const wasRenewed = (found: LeaseLookup | undefined, fingerprint: string, { availableMs }: Moment): boolean =>
  found !== undefined &&
  'lease' in found &&
  found.fingerprint === fingerprint &&
  !found.lease.retired &&
  !found.lease.revoked &&
  found.lease.expiresAvailableMs > availableMs;

const accepted = (agentVersion: string, moment: Moment): Extract<HeartbeatVerdict, { outcome: 'accepted' }> => ({
  outcome: 'accepted',
  agentVersion,
  ...moment,
});

import {
  boundHeartbeatEvents,
  formatVersion,
  checkHeartbeat,
  heartbeatEvents,
  parseVersion,
  rejectionKey,
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
  CLEAR_REPORTS,
  lastHeartbeatParameters,
  LOCK_LEASES_SKIP_LOCKED,
  READ_REGISTERED_FACTS,
  CLASSIFY_UNLOCKED_HOSTS,
  RENEW_UNCHANGED_LEASES,
  UPDATE_LOCKED_LEASES,
  UPDATE_VERSION,
} from '../statements/leases.js';
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

type LeaseLookup =
  | { lease: StoredLease; fingerprint: string }
  | { locked: true }
  | { gone: Pick<Tombstone, 'removal' | 'generation'> | null };

const DEFERRED: HeartbeatVerdict = { outcome: 'deferred' };

/** One of a group, and what becomes of it in the attempt that counts. */
class BatchItem {
  verdict: HeartbeatVerdict = DEFERRED;

  constructor(
    readonly waiting: QueuedHeartbeat,
    /** A digest of all that the heartbeat is judged by. */
    readonly fingerprint: string,
  ) {}

  get hostId(): string {
    return this.waiting.heartbeat.hostId;
  }
}

const byHostId = (a: BatchItem, b: BatchItem): number => (a.hostId < b.hostId ? -1 : 1);

/** Writes heartbeats in groups. Its database has connections of its own and a lock wait of a second, so that a locked row holds nobody long. */
export class LeaseStore implements Leases {
  private readonly ourVersion: string;

  constructor(
    private readonly database: Database,
    private readonly identifiers: Identifiers,
    private readonly version: Version,
    private readonly pendingWrites: PendingWrites,
  ) {
    this.ourVersion = formatVersion(version);
  }

  async writeBatch(
    batch: readonly QueuedHeartbeat[],
    moment: () => Moment,
    withinMs: number,
  ): Promise<HeartbeatVerdict[]> {
    const deadline = performance.now() + withinMs;
    const items = batch.map((waiting) => new BatchItem(waiting, this.fingerprint(waiting.heartbeat)));
    const inKeyOrder = [...items].sort(byHostId);
    const eventIds = new Map<string, string>();
    await this.pendingWrites.track((markAt) =>
      this.skippingLockedRows(inKeyOrder, deadline, (transaction, mayWait) =>
        this.writeIn(transaction, inKeyOrder, markAt(moment()), mayWait, eventIds),
      ),
    );
    return items.map(({ verdict }) => verdict);
  }

  /** First all together; when a row is locked for longer than a second, those that are free. */
  private async skippingLockedRows(
    items: readonly BatchItem[],
    deadline: number,
    work: (transaction: Transaction, mayWait: boolean) => Promise<void>,
  ): Promise<void> {
    if (!items.some(({ waiting }) => waiting.deferred)) {
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
    const renewals = mayWait ? items.filter(({ waiting }) => waiting.heartbeat.agentVersion !== null) : [];
    const renewed =
      renewals.length === 0
        ? 0
        : await transaction.executeAndCommitIfExact(
            renewalStatement(renewals, moment),
            items.length,
            healthStatements(items, moment),
          );
    if (renewed === items.length) {
      for (const item of items) item.verdict = accepted(item.waiting.heartbeat.agentVersion ?? '', moment);
      return;
    }
    await this.evaluateEach(transaction, items, renewed, moment, eventIds);
    for (const { sql, parameters } of healthStatements(
      items.filter(({ verdict }) => verdict.outcome === 'accepted'),
      moment,
    )) {
      await transaction.write(sql, parameters);
    }
  }

  /** Judges those that were not renewed; `renewed` is how many were. */
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
        ({ hostId, fingerprint, waiting }) =>
          renewed > 0 &&
          waiting.heartbeat.agentVersion !== null &&
          wasRenewed(lookups.get(hostId), fingerprint, moment),
      ),
    );
    const isExact = unchanged.size === renewed; // otherwise somebody else wrote one meanwhile: to judge one that was renewed does no harm
    const changed: AcceptedItem[] = [];
    const rejections: FleetEvent[] = [];
    for (const item of items) {
      const { heartbeat } = item.waiting;
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
        item.verdict = accepted(heartbeat.agentVersion ?? stored.agentVersion, moment);
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
      const { heartbeat } = item.waiting;
      return {
        claim: item,
        beat: heartbeat,
        stored,
        ...boundHeartbeatEvents(heartbeatEvents(heartbeat, stored, moment, this.version), stored.eventBounds, now),
      };
    });
    const rows = evaluated.map(({ claim: { waiting, fingerprint }, stored, bounds }) =>
      lockedLeaseRow(waiting, fingerprint, stored, bounds, availableMs),
    );
    await transaction.write(UPDATE_LOCKED_LEASES, [JSON.stringify(rows), ...lastHeartbeatParameters(now), availableMs]);
    const cleared = evaluated.map(({ beat: heartbeat }) => clearedReportsRow(heartbeat)).filter((row) => row !== null);
    if (cleared.length > 0) await transaction.write(CLEAR_REPORTS, [JSON.stringify(cleared)]);
    const counters = new CounterDelta();
    const events: FleetEvent[] = [];
    const idempotentEvents: FleetEvent[] = [];
    for (const { beat: heartbeat, stored, heartbeatEvents: news } of evaluated) {
      const version = heartbeat.agentVersion === null ? null : parseVersion(heartbeat.agentVersion);
      if (version && heartbeat.agentVersion !== stored.agentVersion) {
        await transaction.write(UPDATE_VERSION, [
          formatVersion(version),
          versionKey(version),
          heartbeat.hostId,
          heartbeat.generation,
        ]);
        counters.add(versionKeyOf(stored.agentVersion), false, -1);
        counters.add(versionKey(version), false, 1);
      }
      for (const { kind, detail, key } of news) {
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
      }
    }
    await transaction.executeAll(counters.statements());
    await insertEvents(transaction, events);
    await insertEventsOnce(transaction, idempotentEvents);
  }

  /** The same id in each attempt. */
  private eventId(eventIds: Map<string, string>, key: string, now: Date): string {
    const id = eventIds.get(key) ?? this.identifiers.newId(now);
    eventIds.set(key, id);
    return id;
  }

  /**
   * A digest of all that a heartbeat is judged by, 32 hex digits: the same again is no news. It is kept with the lease when a
   * heartbeat was accepted, and cleared by a registration. No part of it can hold a line break; nobody said is told by `null`.
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

/** Renews those who said just what they said before; matches as many. */
function renewalStatement(items: readonly BatchItem[], { at, availableMs }: Moment): Statement {
  const rows = items.map(
    ({ waiting: { heartbeat, leaseSeconds, assignedIntervalSeconds }, fingerprint }): HeartbeatRow => [
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

/** Writes what heartbeats that are accepted report besides: their load, and the rest. */
function healthStatements(items: readonly BatchItem[], { at }: Moment): Statement[] {
  const loads: HeartbeatRow[] = [];
  const reports: HeartbeatRow[] = [];
  for (const { waiting } of items) {
    const { hostId, load } = waiting.heartbeat;
    if (load) loads.push(loadRow(hostId, load));
    const report = reportRow(waiting.heartbeat);
    if (report) reports.push(report);
  }
  return [
    ...(loads.length > 0 ? [updateLoadReports(loads, at)] : []),
    ...(reports.length > 0 ? [updateStatusReports(reports, at)] : []),
  ];
}

/** One that is accepted, with what was on record before it. */
interface AcceptedItem {
  readonly item: BatchItem;
  readonly stored: StoredLease;
}

/** Whether RENEW_UNCHANGED_LEASES must have matched it. */
const wasRenewed = (found: LeaseLookup | undefined, fingerprint: string, { availableMs }: Moment): boolean =>
  found !== undefined &&
  'lease' in found &&
  found.fingerprint === fingerprint &&
  !found.lease.retired &&
  !found.lease.revoked &&
  found.lease.expiresAvailableMs > availableMs;

const accepted = (agentVersion: string, moment: Moment): HeartbeatVerdict => ({
  outcome: 'accepted',
  agentVersion,
  ...moment,
});

import {
  boundedNews,
  formatVersion,
  heartbeatFault,
  heartbeatNews,
  parseVersion,
  refusalKey,
  refusalKind,
  versionKey,
  type EventAuthor,
  type FleetEvent,
  type FleetFault,
  type Heartbeat,
  type HeartbeatVerdict,
  type Identifiers,
  type LeaseOnRecord,
  type Leases,
  type Moment,
  type Tombstone,
  type Version,
  type WaitingHeartbeat,
} from '@app/fleet';
import { type Database, type Statement, type Transaction } from './database.js';
import { errorNumber, LOCK_WAIT_TIMEOUT } from './database-errors.js';
import { onRecordOf, type FactsRow, type HeldLeaseRow } from './held-lease.js';
import { insertEvents, insertEventsOnce } from './statements/events.js';
import {
  FORGET_REPORTS,
  keptHeartbeat,
  LOCK_LEASES,
  READ_REGISTERED_FACTS,
  READ_WHEREABOUTS,
  RENEW_AS_BEFORE,
  RENEW_HELD_LEASES,
  WRITE_VERSION,
} from './statements/leases.js';
import {
  forgetRow,
  heldLeaseRow,
  loadRow,
  reportRow,
  writeLoads,
  writeReports,
  type HeartbeatRow,
} from './statements/heartbeat-rows.js';
import { TallyChange, versionKeyOf } from './statements/tally.js';
import type { StampsInFlight } from './stamps-in-flight.js';

type Whereabouts =
  { held: LeaseOnRecord; said: string } | { locked: true } | { gone: Pick<Tombstone, 'removal' | 'generation'> | null };

const CARRY: HeartbeatVerdict = { outcome: 'carry' };

/** One of a group, and what becomes of it in the attempt that counts. */
class Claim {
  verdict: HeartbeatVerdict = CARRY;

  constructor(
    readonly waiting: WaitingHeartbeat,
    /** A digest of all that the heartbeat is judged by. */
    readonly said: string,
  ) {}

  get hostId(): string {
    return this.waiting.beat.hostId;
  }
}

const byHostId = (a: Claim, b: Claim): number => (a.hostId < b.hostId ? -1 : 1);

/** Writes heartbeats in groups. Its database has connections of its own and a lock wait of a second, so that a locked row holds nobody long. */
export class LeaseStore implements Leases {
  private readonly ourVersion: string;

  constructor(
    private readonly database: Database,
    private readonly identifiers: Identifiers,
    private readonly version: Version,
    private readonly stamps: StampsInFlight,
  ) {
    this.ourVersion = formatVersion(version);
  }

  async writeGroup(
    group: readonly WaitingHeartbeat[],
    moment: () => Moment,
    withinMs: number,
  ): Promise<HeartbeatVerdict[]> {
    const giveUpAt = performance.now() + withinMs;
    const claims = group.map((waiting) => new Claim(waiting, this.said(waiting.beat)));
    const inKeyOrder = [...claims].sort(byHostId);
    const eventIds = new Map<string, string>();
    await this.stamps.during((stamp) =>
      this.withoutWaiting(inKeyOrder, giveUpAt, (transaction, mayWait) =>
        this.writeIn(transaction, inKeyOrder, stamp(moment()), mayWait, eventIds),
      ),
    );
    return claims.map(({ verdict }) => verdict);
  }

  /** First all together; when a row is locked for longer than a second, those that are free. */
  private async withoutWaiting(
    claims: readonly Claim[],
    giveUpAt: number,
    work: (transaction: Transaction, mayWait: boolean) => Promise<void>,
  ): Promise<void> {
    if (!claims.some(({ waiting }) => waiting.carried)) {
      try {
        return await this.database.transaction((transaction) => work(transaction, true), {
          final: [LOCK_WAIT_TIMEOUT],
          giveUpAt,
        });
      } catch (error) {
        if (errorNumber(error) !== LOCK_WAIT_TIMEOUT) throw error;
      }
    }
    return this.database.transaction((transaction) => work(transaction, false), { giveUpAt });
  }

  private async writeIn(
    transaction: Transaction,
    claims: readonly Claim[],
    moment: Moment,
    mayWait: boolean,
    eventIds: Map<string, string>,
  ): Promise<void> {
    const renewals = mayWait ? claims.filter(({ waiting }) => waiting.beat.agentVersion !== null) : [];
    const renewed =
      renewals.length === 0
        ? 0
        : await transaction.writeWhole(renewal(renewals, moment), claims.length, healthStatements(claims, moment));
    if (renewed === claims.length) {
      for (const claim of claims) claim.verdict = accepted(claim.waiting.beat.agentVersion ?? '', moment);
      return;
    }
    await this.judgeEach(transaction, claims, renewed, moment, eventIds);
    for (const { sql, parameters } of healthStatements(
      claims.filter(({ verdict }) => verdict.outcome === 'accepted'),
      moment,
    )) {
      await transaction.write(sql, parameters);
    }
  }

  /** Judges those that were not renewed; `renewed` is how many were. */
  private async judgeEach(
    transaction: Transaction,
    claims: readonly Claim[],
    renewed: number,
    moment: Moment,
    eventIds: Map<string, string>,
  ): Promise<void> {
    const whereabouts = await this.lookUp(
      transaction,
      claims.map(({ hostId }) => hostId),
    );
    const asBefore = new Set(
      claims.filter(
        ({ hostId, said, waiting }) =>
          renewed > 0 && waiting.beat.agentVersion !== null && isRenewed(whereabouts.get(hostId), said, moment),
      ),
    );
    const isSure = asBefore.size === renewed; // otherwise somebody else wrote one meanwhile: to judge one that was renewed does no harm
    const withNews: JudgedClaim[] = [];
    const refusals: FleetEvent[] = [];
    for (const claim of claims) {
      const { beat } = claim.waiting;
      const found = whereabouts.get(beat.hostId) ?? { gone: null };
      if ('locked' in found) {
        claim.verdict = CARRY;
        continue;
      }
      const onRecord = 'held' in found ? found.held : null;
      const fault = heartbeatFault(beat, onRecord, 'gone' in found ? found.gone : null);
      if (fault) {
        claim.verdict = { outcome: 'refused', fault };
        refusals.push(...this.refusalEvents(beat, fault, moment.now));
      } else if (onRecord) {
        claim.verdict = accepted(beat.agentVersion ?? onRecord.agentVersion, moment);
        if (!(isSure && asBefore.has(claim))) withNews.push({ claim, onRecord });
      }
    }
    await this.renewHeld(transaction, withNews, moment, eventIds);
    await insertEventsOnce(transaction, refusals);
  }

  private async lookUp(transaction: Transaction, hostIds: readonly string[]): Promise<Map<string, Whereabouts>> {
    const leases = await transaction.rows<HeldLeaseRow>(LOCK_LEASES, [hostIds]);
    const found = new Map<string, Whereabouts>();
    if (leases.length > 0) {
      const facts = await transaction.rows<FactsRow>(READ_REGISTERED_FACTS, [leases.map(({ host_id }) => host_id)]);
      const factsOf = new Map(facts.map((row) => [row.host_id, row]));
      for (const lease of leases) {
        const registered = factsOf.get(lease.host_id);
        if (registered)
          found.set(lease.host_id, { held: onRecordOf(lease, registered), said: lease.said.toString('hex') });
      }
    }
    const missing = hostIds.filter((hostId) => !found.has(hostId));
    if (missing.length > 0) {
      const rows = await transaction.rows<{
        host_id: string;
        removal: Tombstone['removal'] | null;
        generation: number;
      }>(READ_WHEREABOUTS, [missing, missing]);
      for (const { host_id, removal, generation } of rows)
        found.set(host_id, removal === null ? { locked: true } : { gone: { removal, generation } });
    }
    return found;
  }

  private async renewHeld(
    transaction: Transaction,
    claims: readonly JudgedClaim[],
    { now, listenedMs }: Moment,
    eventIds: Map<string, string>,
  ): Promise<void> {
    if (claims.length === 0) return;
    const judged = claims.map(({ claim, onRecord }) => {
      const { beat } = claim.waiting;
      return {
        claim,
        beat,
        onRecord,
        ...boundedNews(heartbeatNews(beat, onRecord, now, listenedMs, this.version), onRecord.eventBounds, now),
      };
    });
    const rows = judged.map(({ claim: { waiting, said }, onRecord, bounds }) =>
      heldLeaseRow(waiting, said, onRecord, bounds, listenedMs),
    );
    await transaction.write(RENEW_HELD_LEASES, [JSON.stringify(rows), ...keptHeartbeat(now), listenedMs]);
    const forgotten = judged.map(({ beat }) => forgetRow(beat)).filter((row) => row !== null);
    if (forgotten.length > 0) await transaction.write(FORGET_REPORTS, [JSON.stringify(forgotten)]);
    const tally = new TallyChange();
    const events: FleetEvent[] = [];
    const onceForEver: FleetEvent[] = [];
    for (const { beat, onRecord, news } of judged) {
      const version = beat.agentVersion === null ? null : parseVersion(beat.agentVersion);
      if (version && beat.agentVersion !== onRecord.agentVersion) {
        await transaction.write(WRITE_VERSION, [
          formatVersion(version),
          versionKey(version),
          beat.hostId,
          beat.generation,
        ]);
        tally.add(versionKeyOf(onRecord.agentVersion), false, -1);
        tally.add(versionKey(version), false, 1);
      }
      for (const { kind, detail, key } of news) {
        const event = { at: now, kind, hostId: beat.hostId, generation: beat.generation, ...authorOf(beat), detail };
        if (key) onceForEver.push({ ...event, id: this.identifiers.forKey(key) });
        else events.push({ ...event, id: this.eventId(eventIds, `${beat.hostId} ${kind}`, now) });
      }
    }
    await transaction.writeEach(tally.statements());
    await insertEvents(transaction, events);
    await insertEventsOnce(transaction, onceForEver);
  }

  /** The same id in each attempt. */
  private eventId(eventIds: Map<string, string>, key: string, now: Date): string {
    const id = eventIds.get(key) ?? this.identifiers.at(now);
    eventIds.set(key, id);
    return id;
  }

  /**
   * A digest of all that a heartbeat is judged by, 32 hex digits: the same again is no news. It is kept with the lease when a
   * heartbeat was accepted, and cleared by a registration. No part of it can hold a line break; nobody said is told by `null`.
   */
  private said({
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

  private refusalEvents(beat: Heartbeat, fault: FleetFault, at: Date): FleetEvent[] {
    const kind = refusalKind(fault);
    if (!kind) return [];
    const { hostId, generation } = beat;
    const id = this.identifiers.forKey(refusalKey(hostId, kind, at));
    const detail = { ...fault, call: 'heartbeat', machineId: beat.machineId, instanceId: beat.instanceId };
    return [{ id, at, kind, hostId, generation, ...authorOf(beat), detail }];
  }
}

const authorOf = ({ sourceAddress, requestId }: Heartbeat): EventAuthor => ({
  actor: 'process-server',
  sourceAddress,
  requestId,
});

/** Renews those who said just what they said before; matches as many. */
function renewal(claims: readonly Claim[], { now, listenedMs }: Moment): Statement {
  const rows = claims.map(({ waiting: { beat, leaseSeconds, toldIntervalSeconds }, said }): HeartbeatRow => [
    beat.hostId,
    said,
    listenedMs + leaseSeconds * 1000,
    toldIntervalSeconds,
    beat.skewMs,
  ]);
  return { sql: RENEW_AS_BEFORE, parameters: [JSON.stringify(rows), ...keptHeartbeat(now), listenedMs, listenedMs] };
}

/** Writes what heartbeats that are accepted report besides: their load, and the rest. */
function healthStatements(claims: readonly Claim[], { now }: Moment): Statement[] {
  const loads: HeartbeatRow[] = [];
  const reports: HeartbeatRow[] = [];
  for (const { waiting } of claims) {
    const { hostId, load } = waiting.beat;
    if (load) loads.push(loadRow(hostId, load));
    const report = reportRow(waiting.beat);
    if (report) reports.push(report);
  }
  return [
    ...(loads.length > 0 ? [writeLoads(loads, now)] : []),
    ...(reports.length > 0 ? [writeReports(reports, now)] : []),
  ];
}

/** One that is accepted, with what was on record before it. */
interface JudgedClaim {
  readonly claim: Claim;
  readonly onRecord: LeaseOnRecord;
}

/** Whether RENEW_AS_BEFORE must have matched it. */
const isRenewed = (found: Whereabouts | undefined, said: string, { listenedMs }: Moment): boolean =>
  found !== undefined &&
  'held' in found &&
  found.said === said &&
  !found.held.retired &&
  !found.held.revoked &&
  found.held.endsAtListenedMs > listenedMs;

const accepted = (agentVersion: string, { now, listenedMs }: Moment): HeartbeatVerdict => ({
  outcome: 'accepted',
  agentVersion,
  at: now,
  listenedMs,
});

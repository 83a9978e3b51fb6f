import {
  formatVersion,
  heartbeatFault,
  heartbeatNews,
  instancesAfter,
  isRunning,
  loadStatus,
  parseVersion,
  refusalKey,
  refusalKind,
  statusRank,
  versionKey,
  type FleetEvent,
  type FleetFault,
  type Heartbeat,
  type HeartbeatVerdict,
  type Identifiers,
  type LeaseOnRecord,
  type Leases,
  type Version,
  type WaitingHeartbeat,
} from '@app/fleet';
import { giveUpAtFromNow, type Database, type Transaction } from './database.js';
import { errorNumber, LOCK_WAIT_TIMEOUT } from './database-errors.js';
import { insertEvents, insertEventsOnce } from './statements/events.js';
import {
  LOCK_LEASES,
  READ_REGISTERED_FACTS,
  READ_WHEREABOUTS,
  RENEW_HELD_LEASES,
  RENEW_LEASES_WITHOUT_NEWS,
  WRITE_HEALTH,
  WRITE_VERSION,
} from './statements/leases.js';

interface HeldLeaseRow {
  host_id: string;
  generation: number;
  credential_hash: Buffer;
  retired: number;
  revoked: number;
  last_heartbeat_at: Date | null;
  ends_listened_ms: number;
  instance_id: string | null;
  previous_instance_id: string | null;
  source_address: string;
}

interface FactsRow {
  host_id: string;
  machine_id: string;
  agent_version: string;
  registered_at: Date;
}

type Whereabouts = { held: LeaseOnRecord } | { locked: true } | { gone: { removal: 'purge' | 'clean_up' } | null };
type Instant = { readonly now: Date; readonly listenedMs: number };

/** Writes heartbeats in groups. Its database has one connection and a lock wait of a second, so that a locked row holds nobody long. */
export class LeaseStore implements Leases {
  constructor(
    private readonly database: Database,
    private readonly identifiers: Identifiers,
    private readonly version: Version,
  ) {}

  async writeGroup(group: readonly WaitingHeartbeat[], now: Date, listenedMs: number): Promise<HeartbeatVerdict[]> {
    const beats = [...group].sort((a, b) => (a.beat.hostId < b.beat.hostId ? -1 : 1));
    const instant = { now, listenedMs };
    const eventIds = new Map<string, string>();
    const verdicts = await this.withoutWaiting(beats, (transaction, mayWait) => this.writeIn(transaction, beats, instant, mayWait, eventIds));
    return group.map(({ beat }) => verdicts.get(beat.hostId) ?? { outcome: 'carry' });
  }

  /** First all together; when a row is locked for longer than a second, those that are free. */
  private async withoutWaiting<A>(beats: readonly WaitingHeartbeat[], work: (transaction: Transaction, mayWait: boolean) => Promise<A>): Promise<A> {
    const giveUpAt = giveUpAtFromNow();
    if (!beats.some(({ carried }) => carried)) {
      try {
        return await this.database.transaction((transaction) => work(transaction, true), { lockWaitIsFinal: true, giveUpAt });
      } catch (error) {
        if (errorNumber(error) !== LOCK_WAIT_TIMEOUT) throw error;
      }
    }
    return this.database.transaction((transaction) => work(transaction, false), { giveUpAt });
  }

  private async writeIn(
    transaction: Transaction,
    beats: readonly WaitingHeartbeat[],
    instant: Instant,
    mayWait: boolean,
    eventIds: Map<string, string>,
  ): Promise<Map<string, HeartbeatVerdict>> {
    const versionsGiven = beats.every(({ beat }) => beat.agentVersion !== null);
    if (mayWait && versionsGiven && (await this.renewWithoutNews(transaction, beats, instant)) === beats.length) {
      await this.writeHealth(transaction, beats, instant);
      return new Map(beats.map(({ beat }) => [beat.hostId, accepted(beat.agentVersion ?? '', instant)]));
    }
    return this.judgeEach(transaction, beats, instant, eventIds);
  }

  private renewWithoutNews(transaction: Transaction, beats: readonly WaitingHeartbeat[], { now, listenedMs }: Instant): Promise<number> {
    const json = JSON.stringify(beats.map((waiting) => this.leaseJson(waiting, listenedMs)));
    return transaction.write(RENEW_LEASES_WITHOUT_NEWS, [json, now, now, listenedMs, listenedMs]);
  }

  private async judgeEach(
    transaction: Transaction,
    beats: readonly WaitingHeartbeat[],
    instant: Instant,
    eventIds: Map<string, string>,
  ): Promise<Map<string, HeartbeatVerdict>> {
    const whereabouts = await this.lookUp(transaction, beats.map(({ beat }) => beat.hostId));
    const verdicts = new Map<string, HeartbeatVerdict>();
    const renewed: (WaitingHeartbeat & { onRecord: LeaseOnRecord })[] = [];
    const refusals: FleetEvent[] = [];
    for (const waiting of beats) {
      const { beat } = waiting;
      const found = whereabouts.get(beat.hostId) ?? { gone: null };
      if ('locked' in found) {
        verdicts.set(beat.hostId, { outcome: 'carry' });
        continue;
      }
      const onRecord = 'held' in found ? found.held : null;
      const fault = heartbeatFault(beat, onRecord, 'gone' in found ? found.gone : null);
      if (fault) {
        verdicts.set(beat.hostId, { outcome: 'refused', fault });
        refusals.push(...this.refusalEvents(beat, fault, instant.now));
      } else if (onRecord) {
        verdicts.set(beat.hostId, accepted(beat.agentVersion ?? onRecord.agentVersion, instant));
        renewed.push({ ...waiting, onRecord });
      }
    }
    await this.renewHeld(transaction, renewed, instant, eventIds);
    await insertEventsOnce(transaction, refusals);
    return verdicts;
  }

  private async lookUp(transaction: Transaction, hostIds: readonly string[]): Promise<Map<string, Whereabouts>> {
    const leases = await transaction.rows<HeldLeaseRow>(LOCK_LEASES, [hostIds]);
    const found = new Map<string, Whereabouts>();
    if (leases.length > 0) {
      const facts = await transaction.rows<FactsRow>(READ_REGISTERED_FACTS, [leases.map(({ host_id }) => host_id)]);
      const factsOf = new Map(facts.map((row) => [row.host_id, row]));
      for (const lease of leases) {
        const registered = factsOf.get(lease.host_id);
        if (registered) found.set(lease.host_id, { held: onRecordOf(lease, registered) });
      }
    }
    const missing = hostIds.filter((hostId) => !found.has(hostId));
    if (missing.length > 0) {
      const rows = await transaction.rows<{ host_id: string; removal: 'purge' | 'clean_up' | null }>(READ_WHEREABOUTS, [missing, missing]);
      for (const { host_id, removal } of rows) found.set(host_id, removal === null ? { locked: true } : { gone: { removal } });
    }
    return found;
  }

  private async renewHeld(
    transaction: Transaction,
    renewed: readonly (WaitingHeartbeat & { onRecord: LeaseOnRecord })[],
    instant: Instant,
    eventIds: Map<string, string>,
  ): Promise<void> {
    if (renewed.length === 0) return;
    const { now, listenedMs } = instant;
    const json = JSON.stringify(
      renewed.map((waiting) => {
        const instances = instancesAfter(waiting.beat, waiting.onRecord);
        return { ...this.leaseJson(waiting, listenedMs), ...instances, sourceAddress: waiting.beat.sourceAddress };
      }),
    );
    await transaction.write(RENEW_HELD_LEASES, [json, now, now, listenedMs]);
    await this.writeHealth(transaction, renewed, instant);
    const news: FleetEvent[] = [];
    const onceForEver: FleetEvent[] = [];
    for (const { beat, onRecord } of renewed) {
      const version = beat.agentVersion === null ? null : parseVersion(beat.agentVersion);
      if (version && beat.agentVersion !== onRecord.agentVersion) {
        await transaction.write(WRITE_VERSION, [formatVersion(version), versionKey(version), beat.hostId, beat.generation]);
      }
      for (const { kind, detail, key } of heartbeatNews(beat, onRecord, now, listenedMs, this.version)) {
        const event = { at: now, kind, hostId: beat.hostId, generation: beat.generation, actor: 'process-server', detail };
        if (key) onceForEver.push({ ...event, id: this.identifiers.forKey(key) });
        else news.push({ ...event, id: this.eventId(eventIds, `${beat.hostId} ${kind}`, now) });
      }
    }
    await insertEvents(transaction, news);
    await insertEventsOnce(transaction, onceForEver);
  }

  /** The same id in each attempt. */
  private eventId(eventIds: Map<string, string>, key: string, now: Date): string {
    const id = eventIds.get(key) ?? this.identifiers.at(now);
    eventIds.set(key, id);
    return id;
  }

  private async writeHealth(transaction: Transaction, beats: readonly WaitingHeartbeat[], { now }: Instant): Promise<void> {
    const reports = beats.map(({ beat }) => healthJson(beat)).filter((report) => report !== null);
    if (reports.length > 0) await transaction.write(WRITE_HEALTH, [JSON.stringify(reports), now, now]);
  }

  private leaseJson({ beat, toldIntervalSeconds, leaseSeconds }: WaitingHeartbeat, listenedMs: number): Record<string, unknown> {
    return {
      hostId: beat.hostId,
      generation: beat.generation,
      credentialHash: beat.credentialHash,
      said: this.said(beat),
      endsListenedMs: listenedMs + leaseSeconds * 1000,
      toldIntervalSeconds,
      skewMs: beat.skewMs,
    };
  }

  /** A digest of what a heartbeat claims and what it is judged by, 32 hex digits: the same again is no news. */
  private said({ machineId, instanceId, agentVersion, sourceAddress }: Heartbeat): string {
    const claims = [machineId, instanceId, agentVersion, sourceAddress, formatVersion(this.version)];
    return this.identifiers.forKey(JSON.stringify(claims)).replaceAll('-', '');
  }

  private refusalEvents(beat: Heartbeat, fault: FleetFault, at: Date): FleetEvent[] {
    const kind = refusalKind(fault);
    if (!kind) return [];
    const { hostId, generation, sourceAddress } = beat;
    const id = this.identifiers.forKey(refusalKey(hostId, kind, at));
    const detail = { ...fault, call: 'heartbeat', from: sourceAddress, machineId: beat.machineId, instanceId: beat.instanceId };
    return [{ id, at, kind, hostId, generation, actor: 'process-server', detail }];
  }
}

const accepted = (agentVersion: string, { now, listenedMs }: Instant): HeartbeatVerdict => ({ outcome: 'accepted', agentVersion, at: now, listenedMs });

function onRecordOf(lease: HeldLeaseRow, facts: FactsRow): LeaseOnRecord {
  return {
    generation: lease.generation,
    credentialHash: lease.credential_hash.toString('hex'),
    retired: lease.retired === 1,
    revoked: lease.revoked === 1,
    instanceId: lease.instance_id,
    previousInstanceId: lease.previous_instance_id,
    sourceAddress: lease.source_address,
    endsAtListenedMs: lease.ends_listened_ms,
    lastHeardAt: lease.last_heartbeat_at ?? facts.registered_at,
    machineId: facts.machine_id,
    agentVersion: facts.agent_version,
  };
}

/** What a heartbeat reports of its condition, null when nothing. */
function healthJson({ hostId, load, services, protectedMachineCount, replicationPairCount, certificateExpiresAt }: Heartbeat): object | null {
  if (!load && !services && protectedMachineCount === null && replicationPairCount === null && !certificateExpiresAt) return null;
  return {
    hostId,
    ...(load && { ...load, loadRank: statusRank(loadStatus(load)) }),
    ...(services && { services: JSON.stringify(services), servicesDown: services.every(isRunning) ? 0 : 1 }),
    protectedMachineCount,
    replicationPairCount,
    certificateExpiresAt: certificateExpiresAt && certificateExpiresAt.toISOString().replace('T', ' ').replace('Z', ''),
  };
}

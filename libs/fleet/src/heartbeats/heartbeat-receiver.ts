import { CommitProgress } from './commit-progress.js';
import { FleetError, type FleetErrorDetails } from '../fleet-error.js';
import type { Heartbeat, HeartbeatVerdict, QueuedHeartbeat } from './heartbeat.js';
import { assignInterval, leaseSecondsFor, type LeaseTiming } from './lease.js';
import { toWallClock } from '../availability/availability-clock.js';
import type { LocalAvailabilityClock } from '../availability/local-availability-clock.js';
import { mergeHeartbeats } from './merge-heartbeats.js';
import type { Clock, Leases, Randomness } from '../ports.js';
import { parseVersion, versionStatus, compareVersions, type Version, type VersionStatus } from '../version/version.js';

export interface HeartbeatLimits {
  /** Heartbeats that may wait for a commit at once. */
  readonly maxQueueLength: number;
  /** Heartbeats written in one transaction. */
  readonly maxBatchSize: number;
  /** Of one credential, in one second, at this replica. */
  readonly maxPerServerPerSecond: number;
  /** Services that are reported in one transaction: with names of the greatest length, some kilobytes of statement each. */
  readonly maxServicesPerBatch: number;
}

export interface HeartbeatResult {
  readonly leaseExpiresAt: Date;
  readonly heartbeatIntervalSeconds: number;
  readonly versionStatus: VersionStatus;
  readonly instruction: 'none' | 'upgrade';
}

/** A heartbeat in the queue, and the callers that wait for its verdict. */
interface QueueEntry extends QueuedHeartbeat {
  /** When it arrived, by the monotonic clock; of merged ones the first. */
  readonly queuedAtMs: number;
  readonly callers: readonly HeartbeatCallbacks[];
}

/**
 * Whoever sent a heartbeat: told once, the numbers that were written or why none were. No promise: with nine of ten calls, it
 * would cost. Must not throw: the others of its group would go without an answer.
 */
export interface HeartbeatCallbacks {
  onAccepted(onAccepted: HeartbeatResult): void;
  /** By a FleetError, the refusal of the contract, unless something went wrong on our side. */
  onRejected(error: unknown): void;
}

/** Every heartbeat is answered within two seconds of its arrival, whatever the database does. */
const RESULT_TIMEOUT_MS = 1_800;
/** Different senders of one host that may wait behind the group in which it stands: one of them is written with each group, and a host has one who is right. */
const MAX_CONFLICTING_PER_HOST = 8;
/** Between two looks at rows that were all locked. */
const DEFERRED_RETRY_PAUSE_MS = 25;

const isSameSender = (a: Heartbeat, b: Heartbeat): boolean =>
  a.generation === b.generation &&
  a.credentialHash === b.credentialHash &&
  a.instanceId === b.instanceId &&
  a.machineId === b.machineId;

/** Two of one sender as one, with the numbers of the earlier one and the patience of whichever has waited longer; whoever waits for either is answered. */
const mergeEntries = (earlier: QueueEntry, later: QueueEntry): QueueEntry => ({
  ...earlier,
  deferred: earlier.deferred || later.deferred,
  queuedAtMs: Math.min(earlier.queuedAtMs, later.queuedAtMs),
  heartbeat: mergeHeartbeats(earlier.heartbeat, later.heartbeat),
  callers: [...earlier.callers, ...later.callers],
});

/**
 * Collects the heartbeats that arrive while a group is being written and writes them together as the next; each is
 * answered only after its group's commit. In a group a host stands once; the same sender's are merged, another's wait.
 */
export class HeartbeatReceiver {
  private queue = new Map<string, QueueEntry>();
  /** Those who are not the sender that stands in `next` for their host, by host. */
  private readonly conflicting = new Map<string, QueueEntry[]>();
  /** What is being written; those that were answered in the meantime are not in it any more. */
  private readonly inFlight = new Set<QueueEntry>();
  private queuedCount = 0;
  private writing: Promise<void> | null = null;
  private draining = false;
  private currentSecond = 0;
  private heartbeatsThisSecond = new Map<string, number>();
  /** Set by the job that counts the fleet now and then. */
  fleetSize = 0;
  private readonly progress: CommitProgress;

  constructor(
    private readonly leases: Leases,
    private readonly availabilityClock: LocalAvailabilityClock,
    private readonly clock: Clock,
    private readonly randomness: Randomness,
    private readonly version: Version,
    private readonly timing: LeaseTiming,
    private readonly limits: HeartbeatLimits,
    private readonly pauseMs: (ms: number) => Promise<void>,
  ) {
    this.progress = new CommitProgress(clock);
  }

  get queueLength(): number {
    return this.queuedCount;
  }

  get isDraining(): boolean {
    return this.draining;
  }

  /** True while this replica takes heartbeats into its queue. */
  get isAccepting(): boolean {
    return !this.draining && this.queuedCount < this.limits.maxQueueLength;
  }

  /** True while heartbeats arrive and none of them can be committed. */
  get isStalled(): boolean {
    return this.progress.isStalled;
  }

  /**
   * Whether heartbeats can be committed, for the availability clock; to be asked once for each of its records.
   * The proof of a record is made with the rows of the `witnesses`, of which one must be free.
   */
  takeProgress(): { readonly canCommit: boolean; readonly witnesses: readonly string[] } {
    let oldestMs = Infinity;
    for (const entry of [this.inFlight, this.queue.values()])
      for (const { queuedAtMs } of entry) oldestMs = Math.min(oldestMs, queuedAtMs);
    return { canCommit: this.isAccepting && this.progress.take(oldestMs), witnesses: this.progress.witnesses };
  }

  /** A record proved that heartbeats can be committed again. */
  markRecovered(): void {
    this.progress.markRecovered();
  }

  /** Answers those that have waited too long; what becomes of them in the database is not known. To be called about ten times a second. */
  expire(): void {
    const queuedBeforeMs = this.clock.monotonicMs() - RESULT_TIMEOUT_MS;
    for (const entry of this.inFlight)
      if (entry.queuedAtMs <= queuedBeforeMs && this.inFlight.delete(entry)) this.fail(entry);
    for (const [hostId, entry] of this.queue) {
      if (entry.queuedAtMs > queuedBeforeMs) continue;
      this.queue.delete(hostId);
      this.fail(entry);
    }
    for (const [hostId, entries] of this.conflicting) {
      this.conflicting.set(
        hostId,
        entries.filter(({ queuedAtMs }) => queuedAtMs > queuedBeforeMs),
      );
      for (const entry of entries) if (entry.queuedAtMs <= queuedBeforeMs) this.fail(entry);
    }
  }

  receive(heartbeat: Heartbeat, callbacks: HeartbeatCallbacks): void {
    const nowMs = this.clock.monotonicMs();
    const rejection = this.checkAdmission(heartbeat, nowMs);
    if (rejection) callbacks.onRejected(new FleetError(rejection));
    else this.enqueue(heartbeat, nowMs, callbacks);
  }

  /** Takes no more; resolves when all that were taken have been answered. */
  async drain(): Promise<void> {
    this.draining = true;
    while (this.writing) await this.writing;
  }

  private checkAdmission({ credentialHash }: Heartbeat, nowMs: number): FleetErrorDetails | null {
    if (this.draining) return { code: 'shutting_down' };
    if (!this.availabilityClock.isValid) return { code: 'replica_not_ready' };
    const second = Math.floor(nowMs / 1000);
    if (second !== this.currentSecond) {
      this.currentSecond = second;
      this.heartbeatsThisSecond.clear();
    }
    const heartbeats = (this.heartbeatsThisSecond.get(credentialHash) ?? 0) + 1;
    this.heartbeatsThisSecond.set(credentialHash, heartbeats);
    if (heartbeats > this.limits.maxPerServerPerSecond) return this.rateExceeded();
    return this.queuedCount >= this.limits.maxQueueLength ? { code: 'heartbeat_queue_full' } : null;
  }

  private rateExceeded(): FleetErrorDetails {
    const heartbeatIntervalSeconds = assignInterval(this.fleetSize, this.timing, this.randomness.random());
    return { code: 'heartbeat_rate_exceeded', perSecond: this.limits.maxPerServerPerSecond, heartbeatIntervalSeconds };
  }

  private enqueue(heartbeat: Heartbeat, queuedAtMs: number, callbacks: HeartbeatCallbacks): void {
    const assignedIntervalSeconds = assignInterval(this.fleetSize, this.timing, this.randomness.random());
    const leaseSeconds = leaseSecondsFor(assignedIntervalSeconds, this.timing);
    this.queuedCount += 1;
    this.enqueueEntry({
      heartbeat,
      assignedIntervalSeconds,
      leaseSeconds,
      deferred: false,
      queuedAtMs,
      callers: [callbacks],
    });
    this.writing ??= this.writeBatches();
  }

  /** Puts it into the next group, or merges it there, or leaves it for the group after. */
  private enqueueEntry(entry: QueueEntry): void {
    const { hostId } = entry.heartbeat;
    const existing = this.queue.get(hostId);
    if (!existing) this.queue.set(hostId, entry);
    else if (isSameSender(existing.heartbeat, entry.heartbeat)) this.queue.set(hostId, mergeEntries(existing, entry));
    else this.queueConflicting(entry);
  }

  /** The line of a host has its bound: those of the newest registration stay, and of these who came first, as one that was carried did. */
  private queueConflicting(entry: QueueEntry): void {
    const { hostId } = entry.heartbeat;
    const entries = this.conflicting.get(hostId) ?? [];
    const same = entries.findIndex(({ heartbeat }) => isSameSender(heartbeat, entry.heartbeat));
    const earlier = entries[same];
    if (earlier) entries[same] = entry.deferred ? mergeEntries(entry, earlier) : mergeEntries(earlier, entry);
    else if (entry.deferred) entries.unshift(entry);
    else entries.push(entry);
    this.conflicting.set(hostId, entries);
    if (entries.length <= MAX_CONFLICTING_PER_HOST) return;
    const oldest = Math.min(...entries.map(({ heartbeat }) => heartbeat.generation));
    const [over] = entries.splice(
      entries.findLastIndex(({ heartbeat }) => heartbeat.generation === oldest),
      1,
    );
    if (over) this.reject(over, new FleetError(this.rateExceeded()));
  }

  private async writeBatches(): Promise<void> {
    await Promise.resolve(); // what arrives in the same turn goes with the first
    while (this.queue.size > 0 || this.conflicting.size > 0) {
      const batch = this.takeBatch();
      const conflicts = [...this.conflicting.values()];
      this.conflicting.clear();
      for (const entries of conflicts) for (const entry of entries) this.enqueueEntry(entry);
      if (batch.length === 0) continue; // those before them have waited too long
      if (batch.every(({ deferred }) => deferred)) await this.pauseMs(DEFERRED_RETRY_PAUSE_MS);
      const deferred = await this.writeBatch(batch);
      for (const entry of deferred) this.requeueDeferred(entry);
    }
    this.writing = null;
  }

  /** Puts one whose row was locked before those that came after it; another sender of its host, who is there first by now, goes first. */
  private requeueDeferred(locked: QueueEntry): void {
    const entry = { ...locked, deferred: true };
    const existing = this.queue.get(entry.heartbeat.hostId);
    if (existing && !isSameSender(existing.heartbeat, entry.heartbeat)) this.queueConflicting(entry);
    else this.queue.set(entry.heartbeat.hostId, existing ? mergeEntries(entry, existing) : entry);
  }

  /** Those that came first, as many as go together. */
  private takeBatch(): QueueEntry[] {
    const batch: QueueEntry[] = [];
    let services = 0;
    for (const entry of this.queue.values()) {
      services += entry.heartbeat.services?.length ?? 0;
      if (batch.length === this.limits.maxBatchSize || (batch.length > 0 && services > this.limits.maxServicesPerBatch))
        break;
      batch.push(entry);
    }
    if (batch.length === this.queue.size) this.queue = new Map();
    else for (const { heartbeat } of batch) this.queue.delete(heartbeat.hostId);
    return batch;
  }

  /** Writes one group and answers it; returns those that go into the next. */
  private async writeBatch(batch: readonly QueueEntry[]): Promise<QueueEntry[]> {
    for (const entry of batch) this.inFlight.add(entry);
    const nowMs = this.clock.monotonicMs();
    const lastQueuedAtMs = Math.max(...batch.map(({ queuedAtMs }) => queuedAtMs));
    const verdicts = await this.leases
      .writeBatch(batch, () => this.availabilityClock.moment, lastQueuedAtMs + RESULT_TIMEOUT_MS - nowMs)
      .catch(asError);
    if (verdicts instanceof Error) return this.writeHalves(batch, verdicts);
    const results = new ResultCache(this.version);
    return batch.filter((entry, index) => {
      const verdict = verdicts[index];
      if (verdict?.outcome === 'accepted') this.progress.committed(entry.heartbeat.hostId);
      if (!this.inFlight.delete(entry)) return false; // it has waited too long, and has its answer
      if (verdict?.outcome === 'accepted') this.accept(entry, results.get(verdict, entry));
      else if (verdict?.outcome === 'rejected') this.reject(entry, new FleetError(verdict.rejection));
      else if (nowMs - entry.queuedAtMs < RESULT_TIMEOUT_MS) return true;
      else this.fail(entry);
      return false;
    });
  }

  /** A group that failed for another reason than an absent database is written in halves, so that what one heartbeat causes fails that one alone. */
  private async writeHalves(batch: readonly QueueEntry[], error: Error): Promise<QueueEntry[]> {
    if (batch.length === 1 || error instanceof FleetError) {
      for (const entry of batch) if (this.inFlight.delete(entry)) this.fail(entry, error);
      return [];
    }
    const half = Math.ceil(batch.length / 2);
    const deferred: QueueEntry[] = [];
    for (const part of [batch.slice(0, half), batch.slice(half)]) {
      const left = part.filter((entry) => this.inFlight.has(entry)); // others have waited too long, and have their answer
      if (left.length > 0) deferred.push(...(await this.writeBatch(left)));
    }
    return deferred;
  }

  /** It could not be committed. */
  private fail(entry: QueueEntry, error: Error = new FleetError({ code: 'database_unavailable' })): void {
    this.progress.failed(entry.heartbeat.hostId, entry.queuedAtMs);
    this.reject(entry, error);
  }

  private accept({ callers }: QueueEntry, accept: HeartbeatResult): void {
    this.queuedCount -= callers.length;
    for (const callbacks of callers) callbacks.onAccepted(accept);
  }

  private reject({ callers }: QueueEntry, error: Error): void {
    this.queuedCount -= callers.length;
    for (const callbacks of callers) callbacks.onRejected(error);
  }
}

const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

type Accepted = Extract<HeartbeatVerdict, { outcome: 'accepted' }>;
type Assigned = Pick<QueuedHeartbeat, 'assignedIntervalSeconds' | 'leaseSeconds'>;

/** The answers to one group, which was written at one moment: a few that differ in what was told, whoever asked. */
class ResultCache {
  private readonly results = new Map<string, HeartbeatResult>();

  constructor(private readonly configurationServer: Version) {}

  get(verdict: Accepted, assigned: Assigned): HeartbeatResult {
    const key = `${assigned.assignedIntervalSeconds} ${assigned.leaseSeconds} ${verdict.agentVersion} ${verdict.availableMs}`;
    let result = this.results.get(key);
    if (!result) this.results.set(key, (result = this.create(verdict, assigned)));
    return result;
  }

  private create(
    { agentVersion, at, availableMs }: Accepted,
    { assignedIntervalSeconds, leaseSeconds }: Assigned,
  ): HeartbeatResult {
    const version = parseVersion(agentVersion);
    const status = version ? versionStatus(version, this.configurationServer) : 'NotSupported';
    const isOlder = version !== null && compareVersions(version, this.configurationServer) < 0;
    return {
      leaseExpiresAt: toWallClock(availableMs + leaseSeconds * 1000, availableMs, at),
      heartbeatIntervalSeconds: assignedIntervalSeconds,
      versionStatus: status,
      instruction: status !== 'Supported' && isOlder ? 'upgrade' : 'none',
    };
  }
}

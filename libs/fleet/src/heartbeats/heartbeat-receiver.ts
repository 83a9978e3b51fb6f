import { Batcher, fulfilled, type Batch, type BatchOutcome } from '../batcher.js';
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

/** Two of one sender as one, with the numbers of the earlier one. */
const mergeEntries = (earlier: QueuedHeartbeat, later: QueuedHeartbeat): QueuedHeartbeat | null =>
  isSameSender(earlier.heartbeat, later.heartbeat)
    ? {
        ...earlier,
        deferred: earlier.deferred || later.deferred,
        heartbeat: mergeHeartbeats(earlier.heartbeat, later.heartbeat),
      }
    : null;

/**
 * Collects the heartbeats that arrive while a group is being written and writes them together as the next; each is
 * answered only after its group's commit. In a group a host stands once; the same sender's are merged, another's wait.
 */
export class HeartbeatReceiver {
  private readonly batcher: Batcher<QueuedHeartbeat, HeartbeatOutcome>;
  private queuedCount = 0;
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
    this.batcher = new Batcher({
      maxBatchSize: limits.maxBatchSize,
      maxConcurrentBatches: 1,
      timeoutMs: RESULT_TIMEOUT_MS,
      nowMs: () => clock.monotonicMs(),
      keyOf: ({ heartbeat }) => heartbeat.hostId,
      merge: mergeEntries,
      evict: (entry) => this.evicted(entry),
      weightOf: ({ heartbeat }) => heartbeat.services?.length ?? 0,
      maxWeight: limits.maxServicesPerBatch,
      halvesFailedBatches: true,
      onFailure: ({ heartbeat }, queuedAtMs) => this.progress.failed(heartbeat.hostId, queuedAtMs),
      write: (batch) => this.writeBatch(batch),
    });
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
    return {
      canCommit: this.isAccepting && this.progress.take(this.batcher.oldestMs),
      witnesses: this.progress.witnesses,
    };
  }

  /** A record proved that heartbeats can be committed again. */
  markRecovered(): void {
    this.progress.markRecovered();
  }

  /** Answers those that have waited too long; what becomes of them in the database is not known. To be called about ten times a second. */
  expire(): void {
    this.batcher.expire();
  }

  receive(heartbeat: Heartbeat, callbacks: HeartbeatCallbacks): void {
    const rejection = this.checkAdmission(heartbeat, this.clock.monotonicMs());
    if (rejection) callbacks.onRejected(new FleetError(rejection));
    else this.enqueue(heartbeat, callbacks);
  }

  /** Takes no more; resolves when all that were taken have been answered. */
  async drain(): Promise<void> {
    this.draining = true;
    await this.batcher.drain();
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

  private enqueue(heartbeat: Heartbeat, callbacks: HeartbeatCallbacks): void {
    const assignedIntervalSeconds = assignInterval(this.fleetSize, this.timing, this.randomness.random());
    const leaseSeconds = leaseSecondsFor(assignedIntervalSeconds, this.timing);
    this.queuedCount += 1;
    this.batcher.add({ heartbeat, assignedIntervalSeconds, leaseSeconds, deferred: false }, (outcome) => {
      this.queuedCount -= 1;
      if (outcome.status === 'rejected') callbacks.onRejected(asError(outcome.reason));
      else if ('rejection' in outcome.value) callbacks.onRejected(new FleetError(outcome.value.rejection));
      else callbacks.onAccepted(outcome.value);
    });
  }

  /** The heartbeats of a host that wait behind another sender's have their bound: those of the newest registration stay, and of these the ones that came first. */
  private evicted(entry: readonly QueuedHeartbeat[]): { index: number; error: Error } | null {
    if (entry.length <= MAX_CONFLICTING_PER_HOST) return null;
    const oldest = Math.min(...entry.map(({ heartbeat }) => heartbeat.generation));
    const index = entry.findLastIndex(({ heartbeat }) => heartbeat.generation === oldest);
    return { index, error: new FleetError(this.rateExceeded()) };
  }

  private async writeBatch({
    items,
    newestMs,
  }: Batch<QueuedHeartbeat>): Promise<BatchOutcome<QueuedHeartbeat, HeartbeatOutcome>[]> {
    if (items.every(({ deferred }) => deferred)) await this.pauseMs(DEFERRED_RETRY_PAUSE_MS);
    const withinMs = newestMs + RESULT_TIMEOUT_MS - this.clock.monotonicMs();
    const verdicts = await this.leases.writeBatch(items, () => this.availabilityClock.moment, withinMs);
    const results = new ResultCache(this.version);
    return verdicts.map((verdict, index) => {
      const entry = items[index] as QueuedHeartbeat;
      if (verdict.outcome === 'deferred') return { status: 'deferred', item: { ...entry, deferred: true } };
      if (verdict.outcome === 'rejected') return fulfilled({ rejection: verdict.rejection });
      this.progress.committed(entry.heartbeat.hostId);
      return results.get(verdict, entry);
    });
  }
}

const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

/** A refusal is an outcome of its batch like any other; an error says that nothing is known. */
type HeartbeatOutcome = HeartbeatResult | { readonly rejection: FleetErrorDetails };
type Accepted = Extract<HeartbeatVerdict, { outcome: 'accepted' }>;
type Assigned = Pick<QueuedHeartbeat, 'assignedIntervalSeconds' | 'leaseSeconds'>;

/** The answers to one group, which was written at one moment: a few that differ in what was told, whoever asked. */
class ResultCache {
  private readonly results = new Map<string, PromiseFulfilledResult<HeartbeatResult>>();

  constructor(private readonly configurationServer: Version) {}

  get(verdict: Accepted, assigned: Assigned): PromiseFulfilledResult<HeartbeatResult> {
    const key = `${assigned.assignedIntervalSeconds} ${assigned.leaseSeconds} ${verdict.agentVersion} ${verdict.availableMs}`;
    let result = this.results.get(key);
    if (!result) this.results.set(key, (result = fulfilled(this.create(verdict, assigned))));
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

import { Batcher, fulfilled, type Batch, type BatchOutcome } from '../batcher.js';
import { CommitProgress } from './commit-progress.js';
import { FleetError, type FleetErrorDetails } from '../fleet-error.js';
import type { Heartbeat, HeartbeatVerdict, QueuedHeartbeat } from './heartbeat.js';
import { assignInterval, leaseSecondsFor, type LeaseTiming } from './lease.js';
import { toWallClock } from '../availability/availability-clock.js';
import type { LocalAvailabilityClock } from '../availability/local-availability-clock.js';
import { mergeHeartbeats } from './merge-heartbeats.js';
import type { Clock, Leases, Randomness, VersionRuleSource } from '../ports.js';
import { parseVersion, compareVersions, versionKey, type VersionStatus } from '../version/version.js';
import type { VersionRules } from '../version/version-rules.js';
import { WindowCounter } from '../window-counter.js';

export interface HeartbeatLimits {
  /** The maximum number of heartbeats that wait for a commit. */
  readonly maxQueueLength: number;
  /** The maximum number of heartbeats written in one transaction. */
  readonly maxBatchSize: number;
  /** The maximum number of heartbeats of one credential in one second at this replica. */
  readonly maxPerServerPerSecond: number;
  /**
   * The maximum number of services reported in one transaction: with names of the maximum length, each adds some
   * kilobytes to the statement.
   */
  readonly maxServicesPerBatch: number;
}

export interface HeartbeatResult {
  readonly leaseExpiresAt: Date;
  readonly heartbeatIntervalSeconds: number;
  readonly versionStatus: VersionStatus;
  readonly instruction: 'none' | 'upgrade';
}

/**
 * The callbacks of a heartbeat: exactly one is called, once. They replace a promise, whose cost matters because nine of
 * ten calls are heartbeats. A callback must not throw, because the other heartbeats of its batch would get no response.
 */
export interface HeartbeatCallbacks {
  onAccepted(result: HeartbeatResult): void;
  /** Called with a FleetError for a rejection of the contract, otherwise with an internal error. */
  onRejected(error: unknown): void;
}

/** Every heartbeat gets its response within two seconds of its arrival, whatever the state of the database. */
const RESULT_TIMEOUT_MS = 1_800;
/**
 * The maximum number of conflicting senders of one host that wait behind the current batch. Each batch writes one of
 * them, and only one sender of a host is valid.
 */
const MAX_CONFLICTING_PER_HOST = 8;
/** The pause between two batches whose rows were all locked. */
const DEFERRED_RETRY_PAUSE_MS = 25;

const isSameSender = (a: Heartbeat, b: Heartbeat): boolean =>
  a.generation === b.generation &&
  a.credentialHash === b.credentialHash &&
  a.instanceId === b.instanceId &&
  a.machineId === b.machineId;

/** Merges two heartbeats of one sender, with the assigned interval and lease of the earlier one. */
const mergeEntries = (earlier: QueuedHeartbeat, later: QueuedHeartbeat): QueuedHeartbeat | null =>
  isSameSender(earlier.heartbeat, later.heartbeat)
    ? {
        ...earlier,
        deferred: earlier.deferred || later.deferred,
        heartbeat: mergeHeartbeats(earlier.heartbeat, later.heartbeat),
      }
    : null;

/**
 * Group commit for heartbeats: heartbeats that arrive while a batch is being written form the next batch. The response
 * is sent after the batch commits. A batch has at most one heartbeat of each host: heartbeats of the same sender are
 * merged, those of another sender wait.
 */
export class HeartbeatReceiver {
  private readonly batcher: Batcher<QueuedHeartbeat, HeartbeatOutcome>;
  private queuedCount = 0;
  private draining = false;
  private readonly heartbeats: WindowCounter;
  /** The last known fleet size, updated by a periodic job. */
  fleetSize = 0;
  private readonly progress: CommitProgress;

  constructor(
    private readonly leases: Leases,
    private readonly availabilityClock: LocalAvailabilityClock,
    private readonly clock: Clock,
    private readonly randomness: Randomness,
    private readonly versions: Pick<VersionRuleSource, 'known'>,
    private readonly timing: LeaseTiming,
    private readonly limits: HeartbeatLimits,
    private readonly pauseMs: (ms: number) => Promise<void>,
  ) {
    this.progress = new CommitProgress(clock);
    this.heartbeats = new WindowCounter(1_000, clock);
    this.batcher = new Batcher({
      maxBatchSize: limits.maxBatchSize,
      maxConcurrentBatches: 1,
      timeoutMs: RESULT_TIMEOUT_MS,
      nowMs: () => clock.monotonicMs(),
      keyOf: ({ heartbeat }) => heartbeat.hostId,
      merge: mergeEntries,
      evict: (queued) => this.selectEvicted(queued),
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

  /** Whether this replica accepts heartbeats into its queue. */
  get isAccepting(): boolean {
    return !this.draining && this.queuedCount < this.limits.maxQueueLength;
  }

  /** Whether heartbeats arrive and none of them can be committed. */
  get isStalled(): boolean {
    return this.progress.isStalled;
  }

  /**
   * Whether heartbeats can be committed; called once for each record of the availability clock. The proof of a record
   * uses the rows of the `witnesses`, of which at least one must be unlocked.
   */
  takeProgress(): { readonly canCommit: boolean; readonly witnesses: readonly string[] } {
    return {
      canCommit: this.isAccepting && this.progress.take(this.batcher.oldestMs),
      witnesses: this.progress.witnesses,
    };
  }

  /** Marks that a record proved that heartbeats can be committed again. */
  markRecovered(): void {
    this.progress.markRecovered();
  }

  /** Rejects the heartbeats that have timed out, whose outcome in the database is unknown. Called about ten times a second. */
  expire(): void {
    this.batcher.expire();
  }

  receive(heartbeat: Heartbeat, callbacks: HeartbeatCallbacks): void {
    const rejection = this.checkAdmission(heartbeat);
    if (rejection) callbacks.onRejected(new FleetError(rejection));
    else this.enqueue(heartbeat, callbacks);
  }

  /** Stops accepting heartbeats; resolves when all accepted ones have a response. */
  async drain(): Promise<void> {
    this.draining = true;
    await this.batcher.drain();
  }

  private checkAdmission({ credentialHash }: Heartbeat): FleetErrorDetails | null {
    if (this.draining) return { code: 'shutting_down' };
    if (!this.availabilityClock.isValid) return { code: 'replica_not_ready' };
    if (this.heartbeats.add(credentialHash) > this.limits.maxPerServerPerSecond) return this.rateExceeded();
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

  /**
   * Selects a heartbeat to reject when too many conflicting ones of a host wait: the newest generation stays, and
   * within a generation the earliest arrivals.
   */
  private selectEvicted(queued: readonly QueuedHeartbeat[]): { index: number; error: Error } | null {
    if (queued.length <= MAX_CONFLICTING_PER_HOST) return null;
    const oldest = Math.min(...queued.map(({ heartbeat }) => heartbeat.generation));
    const index = queued.findLastIndex(({ heartbeat }) => heartbeat.generation === oldest);
    return { index, error: new FleetError(this.rateExceeded()) };
  }

  private async writeBatch({
    items,
    newestMs,
  }: Batch<QueuedHeartbeat>): Promise<BatchOutcome<QueuedHeartbeat, HeartbeatOutcome>[]> {
    if (items.every(({ deferred }) => deferred)) await this.pauseMs(DEFERRED_RETRY_PAUSE_MS);
    const withinMs = newestMs + RESULT_TIMEOUT_MS - this.clock.monotonicMs();
    const verdicts = await this.leases.writeBatch(items, () => this.availabilityClock.moment, withinMs);
    const results = new ResultCache(this.versions.known);
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

/** A rejection is a regular outcome of a batch; an error means that the outcome is unknown. */
type HeartbeatOutcome = HeartbeatResult | { readonly rejection: FleetErrorDetails };
type Accepted = Extract<HeartbeatVerdict, { outcome: 'accepted' }>;
type Assigned = Pick<QueuedHeartbeat, 'assignedIntervalSeconds' | 'leaseSeconds'>;

/** Caches the results of one batch, which was written at one moment: few of them differ. */
class ResultCache {
  private readonly results = new Map<string, PromiseFulfilledResult<HeartbeatResult>>();

  constructor(private readonly rules: VersionRules) {}

  get(verdict: Accepted, assigned: Assigned): PromiseFulfilledResult<HeartbeatResult> {
    const key = `${assigned.assignedIntervalSeconds} ${assigned.leaseSeconds} ${verdict.agentVersion} ${verdict.osKey} ${verdict.availableMs}`;
    let result = this.results.get(key);
    if (!result) this.results.set(key, (result = fulfilled(this.create(verdict, assigned))));
    return result;
  }

  private create(
    { agentVersion, osKey = '', at, availableMs }: Accepted,
    { assignedIntervalSeconds, leaseSeconds }: Assigned,
  ): HeartbeatResult {
    const version = parseVersion(agentVersion);
    const { status } = this.rules.verdict(version ? versionKey(version) : '', osKey, at);
    const isOlder = version !== null && compareVersions(version, this.rules.configurationServer) < 0;
    return {
      leaseExpiresAt: toWallClock(availableMs + leaseSeconds * 1000, availableMs, at),
      heartbeatIntervalSeconds: assignedIntervalSeconds,
      versionStatus: status,
      instruction: status !== 'Supported' && isOlder ? 'upgrade' : 'none',
    };
  }
}

import { CommitProgress } from './commit-progress.js';
import { FleetError, type FleetFault } from './fleet-fault.js';
import type { Heartbeat, HeartbeatVerdict, WaitingHeartbeat } from './heartbeat.js';
import { intervalToTell, leaseSecondsFor, type LeaseTiming } from './lease.js';
import { earliestWallInstant } from './listening.js';
import type { ListeningClock } from './listening-clock.js';
import { mergedHeartbeats } from './merged-heartbeats.js';
import type { Clock, Leases, Moment, Randomness } from './ports.js';
import { parseVersion, versionStatus, compareVersions, type Version, type VersionStatus } from './version.js';

export interface HeartbeatLimits {
  /** Heartbeats that may wait for a commit at once. */
  readonly queueLength: number;
  /** Heartbeats written in one transaction. */
  readonly groupSize: number;
  /** Of one credential, in one second, at this replica. */
  readonly perServerPerSecond: number;
  /** Services that are reported in one transaction: with names of the greatest length, some kilobytes of statement each. */
  readonly servicesInGroup: number;
}

export interface HeartbeatAnswer {
  readonly leaseExpiresAt: Date;
  readonly heartbeatIntervalSeconds: number;
  readonly versionStatus: VersionStatus;
  readonly instruction: 'none' | 'upgrade';
}

/** A heartbeat in the queue, and the callers that wait for its verdict. */
interface Waiting extends WaitingHeartbeat {
  /** When it arrived, by the monotonic clock; of merged ones the first. */
  readonly sinceMs: number;
  readonly callers: readonly HeartbeatCaller[];
}

/**
 * Whoever sent a heartbeat: told once, the numbers that were written or why none were. No promise: with nine of ten calls, it
 * would cost. Must not throw: the others of its group would go without an answer.
 */
export interface HeartbeatCaller {
  answer(answer: HeartbeatAnswer): void;
  /** By a FleetError, the refusal of the contract, unless something went wrong on our side. */
  refuse(error: unknown): void;
}

/** Every heartbeat is answered within two seconds of its arrival, whatever the database does. */
const ANSWER_WITHIN_MS = 1_800;
/** Different senders of one host that may wait behind the group in which it stands: one of them is written with each group, and a host has one who is right. */
const LONGEST_LINE_OF_HOST = 8;
/** Between two looks at rows that were all locked. */
const CARRY_PAUSE_MS = 25;

const sameSender = (a: Heartbeat, b: Heartbeat): boolean =>
  a.generation === b.generation &&
  a.credentialHash === b.credentialHash &&
  a.instanceId === b.instanceId &&
  a.machineId === b.machineId;

/** Two of one sender as one, with the numbers of the earlier one and the patience of whichever has waited longer; whoever waits for either is answered. */
const joined = (earlier: Waiting, later: Waiting): Waiting => ({
  ...earlier,
  carried: earlier.carried || later.carried,
  sinceMs: Math.min(earlier.sinceMs, later.sinceMs),
  beat: mergedHeartbeats(earlier.beat, later.beat),
  callers: [...earlier.callers, ...later.callers],
});

/**
 * Collects the heartbeats that arrive while a group is being written and writes them together as the next; each is
 * answered only after its group's commit. In a group a host stands once; the same sender's are merged, another's wait.
 */
export class HeartbeatReceiver {
  private next = new Map<string, Waiting>();
  /** Those who are not the sender that stands in `next` for their host, by host. */
  private readonly later = new Map<string, Waiting[]>();
  /** What is being written; those that were answered in the meantime are not in it any more. */
  private readonly inFlight = new Set<Waiting>();
  private waitingCount = 0;
  private writing: Promise<void> | null = null;
  private draining = false;
  private currentSecond = 0;
  private beatsThisSecond = new Map<string, number>();
  /** Set by the job that counts the fleet now and then. */
  fleetSize = 0;
  private readonly progress: CommitProgress;

  constructor(
    private readonly leases: Leases,
    private readonly listening: ListeningClock,
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
    return this.waitingCount;
  }

  get isDraining(): boolean {
    return this.draining;
  }

  /** True while this replica takes heartbeats into its queue. */
  get accepts(): boolean {
    return !this.draining && this.waitingCount < this.limits.queueLength;
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
    for (const waiting of [this.inFlight, this.next.values()])
      for (const { sinceMs } of waiting) oldestMs = Math.min(oldestMs, sinceMs);
    return { canCommit: this.accepts && this.progress.take(oldestMs), witnesses: this.progress.witnesses };
  }

  /** A record proved that heartbeats can be committed again. */
  proved(): void {
    this.progress.proved();
  }

  /** Answers those that have waited too long; what becomes of them in the database is not known. To be called about ten times a second. */
  expire(): void {
    const latestMs = this.clock.monotonicMs() - ANSWER_WITHIN_MS;
    for (const waiting of this.inFlight)
      if (waiting.sinceMs <= latestMs && this.inFlight.delete(waiting)) this.fail(waiting);
    for (const [hostId, waiting] of this.next) {
      if (waiting.sinceMs > latestMs) continue;
      this.next.delete(hostId);
      this.fail(waiting);
    }
    for (const [hostId, line] of this.later) {
      this.later.set(
        hostId,
        line.filter(({ sinceMs }) => sinceMs > latestMs),
      );
      for (const waiting of line) if (waiting.sinceMs <= latestMs) this.fail(waiting);
    }
  }

  receive(beat: Heartbeat, caller: HeartbeatCaller): void {
    const nowMs = this.clock.monotonicMs();
    const fault = this.doorFault(beat, nowMs);
    if (fault) caller.refuse(new FleetError(fault));
    else this.enqueue(beat, nowMs, caller);
  }

  /** Takes no more; resolves when all that were taken have been answered. */
  async drain(): Promise<void> {
    this.draining = true;
    while (this.writing) await this.writing;
  }

  private doorFault({ credentialHash }: Heartbeat, nowMs: number): FleetFault | null {
    if (this.draining) return { code: 'shutting_down' };
    if (!this.listening.isListening) return { code: 'not_listening' };
    const second = Math.floor(nowMs / 1000);
    if (second !== this.currentSecond) {
      this.currentSecond = second;
      this.beatsThisSecond.clear();
    }
    const beats = (this.beatsThisSecond.get(credentialHash) ?? 0) + 1;
    this.beatsThisSecond.set(credentialHash, beats);
    if (beats > this.limits.perServerPerSecond) return this.rateExceeded();
    return this.waitingCount >= this.limits.queueLength ? { code: 'heartbeat_queue_full' } : null;
  }

  private rateExceeded(): FleetFault {
    const heartbeatIntervalSeconds = intervalToTell(this.fleetSize, this.timing, this.randomness.fraction());
    return { code: 'heartbeat_rate_exceeded', perSecond: this.limits.perServerPerSecond, heartbeatIntervalSeconds };
  }

  private enqueue(beat: Heartbeat, sinceMs: number, caller: HeartbeatCaller): void {
    const toldIntervalSeconds = intervalToTell(this.fleetSize, this.timing, this.randomness.fraction());
    const leaseSeconds = leaseSecondsFor(toldIntervalSeconds, this.timing);
    this.waitingCount += 1;
    this.take({ beat, toldIntervalSeconds, leaseSeconds, carried: false, sinceMs, callers: [caller] });
    this.writing ??= this.writeGroups();
  }

  /** Puts it into the next group, or merges it there, or leaves it for the group after. */
  private take(waiting: Waiting): void {
    const { hostId } = waiting.beat;
    const there = this.next.get(hostId);
    if (!there) this.next.set(hostId, waiting);
    else if (sameSender(there.beat, waiting.beat)) this.next.set(hostId, joined(there, waiting));
    else this.waitInLine(waiting);
  }

  /** The line of a host has its bound: those of the newest registration stay, and of these who came first, as one that was carried did. */
  private waitInLine(waiting: Waiting): void {
    const { hostId } = waiting.beat;
    const line = this.later.get(hostId) ?? [];
    const same = line.findIndex(({ beat }) => sameSender(beat, waiting.beat));
    const earlier = line[same];
    if (earlier) line[same] = waiting.carried ? joined(waiting, earlier) : joined(earlier, waiting);
    else if (waiting.carried) line.unshift(waiting);
    else line.push(waiting);
    this.later.set(hostId, line);
    if (line.length <= LONGEST_LINE_OF_HOST) return;
    const oldest = Math.min(...line.map(({ beat }) => beat.generation));
    const [over] = line.splice(
      line.findLastIndex(({ beat }) => beat.generation === oldest),
      1,
    );
    if (over) this.refuse(over, new FleetError(this.rateExceeded()));
  }

  private async writeGroups(): Promise<void> {
    await Promise.resolve(); // what arrives in the same turn goes with the first
    while (this.next.size > 0 || this.later.size > 0) {
      const group = this.takeGroup();
      const lines = [...this.later.values()];
      this.later.clear();
      for (const line of lines) for (const waiting of line) this.take(waiting);
      if (group.length === 0) continue; // those before them have waited too long
      if (group.every(({ carried }) => carried)) await this.pauseMs(CARRY_PAUSE_MS);
      const carried = await this.writeGroup(group);
      for (const waiting of carried) this.takeCarried(waiting);
    }
    this.writing = null;
  }

  /** Puts one whose row was locked before those that came after it; another sender of its host, who is there first by now, goes first. */
  private takeCarried(locked: Waiting): void {
    const waiting = { ...locked, carried: true };
    const there = this.next.get(waiting.beat.hostId);
    if (there && !sameSender(there.beat, waiting.beat)) this.waitInLine(waiting);
    else this.next.set(waiting.beat.hostId, there ? joined(waiting, there) : waiting);
  }

  /** Those that came first, as many as go together. */
  private takeGroup(): Waiting[] {
    const group: Waiting[] = [];
    let services = 0;
    for (const waiting of this.next.values()) {
      services += waiting.beat.services?.length ?? 0;
      if (group.length === this.limits.groupSize || (group.length > 0 && services > this.limits.servicesInGroup)) break;
      group.push(waiting);
    }
    if (group.length === this.next.size) this.next = new Map();
    else for (const { beat } of group) this.next.delete(beat.hostId);
    return group;
  }

  /** Writes one group and answers it; returns those that go into the next. */
  private async writeGroup(group: readonly Waiting[]): Promise<Waiting[]> {
    for (const waiting of group) this.inFlight.add(waiting);
    const nowMs = this.clock.monotonicMs();
    const latestMs = Math.max(...group.map(({ sinceMs }) => sinceMs));
    const verdicts = await this.leases
      .writeGroup(group, () => this.moment(), latestMs + ANSWER_WITHIN_MS - nowMs)
      .catch(asError);
    if (verdicts instanceof Error) return this.writeApart(group, verdicts);
    const answers = new Answers(this.version);
    return group.filter((waiting, index) => {
      const verdict = verdicts[index];
      if (verdict?.outcome === 'accepted') this.progress.committed(waiting.beat.hostId);
      if (!this.inFlight.delete(waiting)) return false; // it has waited too long, and has its answer
      if (verdict?.outcome === 'accepted') this.answer(waiting, answers.of(verdict, waiting));
      else if (verdict?.outcome === 'refused') this.refuse(waiting, new FleetError(verdict.fault));
      else if (nowMs - waiting.sinceMs < ANSWER_WITHIN_MS) return true;
      else this.fail(waiting);
      return false;
    });
  }

  /** A group that failed for another reason than an absent database is written in halves, so that what one heartbeat causes fails that one alone. */
  private async writeApart(group: readonly Waiting[], error: Error): Promise<Waiting[]> {
    if (group.length === 1 || error instanceof FleetError) {
      for (const waiting of group) if (this.inFlight.delete(waiting)) this.fail(waiting, error);
      return [];
    }
    const half = Math.ceil(group.length / 2);
    const carried: Waiting[] = [];
    for (const part of [group.slice(0, half), group.slice(half)]) {
      const left = part.filter((waiting) => this.inFlight.has(waiting)); // others have waited too long, and have their answer
      if (left.length > 0) carried.push(...(await this.writeGroup(left)));
    }
    return carried;
  }

  /** It could not be committed. */
  private fail(waiting: Waiting, error: Error = new FleetError({ code: 'database_unavailable' })): void {
    this.progress.failed(waiting.beat.hostId, waiting.sinceMs);
    this.refuse(waiting, error);
  }

  private answer({ callers }: Waiting, answer: HeartbeatAnswer): void {
    this.waitingCount -= callers.length;
    for (const caller of callers) caller.answer(answer);
  }

  private refuse({ callers }: Waiting, error: Error): void {
    this.waitingCount -= callers.length;
    for (const caller of callers) caller.refuse(error);
  }

  private moment(): Moment {
    const now = this.clock.now();
    return { now, listenedMs: this.listening.listenedMsAt(now) };
  }
}

const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

type Accepted = Extract<HeartbeatVerdict, { outcome: 'accepted' }>;
type Told = Pick<WaitingHeartbeat, 'toldIntervalSeconds' | 'leaseSeconds'>;

/** The answers to one group, which was written at one moment: a few that differ in what was told, whoever asked. */
class Answers {
  private readonly made = new Map<string, HeartbeatAnswer>();

  constructor(private readonly configurationServer: Version) {}

  of(verdict: Accepted, told: Told): HeartbeatAnswer {
    const key = `${told.toldIntervalSeconds} ${told.leaseSeconds} ${verdict.agentVersion} ${verdict.listenedMs}`;
    let answer = this.made.get(key);
    if (!answer) this.made.set(key, (answer = this.make(verdict, told)));
    return answer;
  }

  private make(
    { agentVersion, at, listenedMs }: Accepted,
    { toldIntervalSeconds, leaseSeconds }: Told,
  ): HeartbeatAnswer {
    const version = parseVersion(agentVersion);
    const status = version ? versionStatus(version, this.configurationServer) : 'NotSupported';
    const olderThanOurs = version !== null && compareVersions(version, this.configurationServer) < 0;
    return {
      leaseExpiresAt: earliestWallInstant(listenedMs + leaseSeconds * 1000, listenedMs, at),
      heartbeatIntervalSeconds: toldIntervalSeconds,
      versionStatus: status,
      instruction: status !== 'Supported' && olderThanOurs ? 'upgrade' : 'none',
    };
  }
}

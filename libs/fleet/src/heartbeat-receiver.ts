import { FleetError, type FleetFault } from './fleet-fault.js';
import type { Heartbeat, HeartbeatVerdict, WaitingHeartbeat } from './heartbeat.js';
import { intervalToTell, leaseSecondsFor, type LeaseTiming } from './lease.js';
import { earliestWallInstant } from './listening.js';
import type { ListeningClock } from './listening-clock.js';
import type { Clock, Leases, Moment, Randomness } from './ports.js';
import { parseVersion, versionStatus, compareVersions, type Version, type VersionStatus } from './version.js';

export interface HeartbeatLimits {
  /** Heartbeats that may wait for a commit at once. */
  readonly queueLength: number;
  /** Heartbeats written in one transaction. */
  readonly groupSize: number;
  /** Of one credential, in one second, at this replica. */
  readonly perServerPerSecond: number;
}

export interface HeartbeatAnswer {
  readonly leaseExpiresAt: Date;
  readonly heartbeatIntervalSeconds: number;
  readonly versionStatus: VersionStatus;
  readonly instruction: 'none' | 'upgrade';
}

interface Waiting extends WaitingHeartbeat {
  readonly since: Date;
  /** Everybody who waits for this one's verdict; they are told the numbers that were written. */
  readonly settle: readonly ((verdict: HeartbeatVerdict | Error, told: Told) => void)[];
}

/** A heartbeat whose row stays locked is told to come again after this long. */
const LONGEST_CARRY_MS = 5_000;
/** Between two looks at rows that were all locked. */
const CARRY_PAUSE_MS = 25;

const sameSender = (a: Heartbeat, b: Heartbeat): boolean =>
  a.generation === b.generation && a.credentialHash === b.credentialHash && a.instanceId === b.instanceId && a.machineId === b.machineId;

/** The later one, with what only the earlier one carried. */
function merged(earlier: Heartbeat, later: Heartbeat): Heartbeat {
  const said = Object.fromEntries(Object.entries(later).filter(([, value]) => value !== null));
  return { ...earlier, ...said };
}

/** Two of one sender as one, with the numbers of the earlier one and the patience of whichever has waited longer; whoever waits for either is answered. */
const joined = (earlier: Waiting, later: Waiting): Waiting => ({
  ...earlier,
  carried: earlier.carried || later.carried,
  since: earlier.since < later.since ? earlier.since : later.since,
  beat: merged(earlier.beat, later.beat),
  settle: [...earlier.settle, ...later.settle],
});

/**
 * Collects the heartbeats that arrive while a group is being written and writes them together as the next; each is
 * answered only after its group's commit. In a group a host stands once; the same sender's are merged, another's wait.
 */
export class HeartbeatReceiver {
  private next = new Map<string, Waiting>();
  private later: Waiting[] = [];
  private waitingCount = 0;
  private writing: Promise<void> | null = null;
  private draining = false;
  private currentSecond = 0;
  private beatsThisSecond = new Map<string, number>();
  /** Told by the job that counts the fleet now and then. */
  fleetSize = 0;

  constructor(
    private readonly leases: Leases,
    private readonly listening: ListeningClock,
    private readonly clock: Clock,
    private readonly randomness: Randomness,
    private readonly version: Version,
    private readonly timing: LeaseTiming,
    private readonly limits: HeartbeatLimits,
    private readonly pauseMs: (ms: number) => Promise<void>,
  ) {}

  get queueLength(): number {
    return this.waitingCount;
  }

  get isDraining(): boolean {
    return this.draining;
  }

  /** True while this replica could accept a heartbeat: that is what the listening clock counts. */
  get accepts(): boolean {
    return !this.draining && this.waitingCount < this.limits.queueLength;
  }

  /** @throws FleetError the refusal of the contract. */
  async receive(beat: Heartbeat): Promise<HeartbeatAnswer> {
    const now = this.clock.now();
    const fault = this.doorFault(beat, now);
    if (fault) throw new FleetError(fault);
    const verdict = await this.enqueue(beat, now);
    if (verdict.outcome === 'refused') throw new FleetError(verdict.fault);
    if (verdict.outcome === 'carry') throw new FleetError({ code: 'database_unavailable' });
    return this.answer(verdict);
  }

  /** Takes no more; resolves when all that were taken have been answered. */
  async drain(): Promise<void> {
    this.draining = true;
    while (this.writing) await this.writing;
  }

  private doorFault(beat: Heartbeat, now: Date): FleetFault | null {
    if (this.draining) return { code: 'shutting_down' };
    if (!this.listening.isListening(now)) return { code: 'not_listening' };
    const second = Math.floor(now.getTime() / 1000);
    if (second !== this.currentSecond) {
      this.currentSecond = second;
      this.beatsThisSecond.clear();
    }
    const sender = beat.credentialHash;
    const beats = (this.beatsThisSecond.get(sender) ?? 0) + 1;
    this.beatsThisSecond.set(sender, beats);
    if (beats > this.limits.perServerPerSecond) return { code: 'heartbeat_rate_exceeded', perSecond: this.limits.perServerPerSecond };
    return this.waitingCount >= this.limits.queueLength ? { code: 'heartbeat_queue_full' } : null;
  }

  private enqueue(beat: Heartbeat, since: Date): Promise<VerdictWithTold> {
    return new Promise((resolve, reject) => {
      const toldIntervalSeconds = intervalToTell(this.fleetSize, this.timing, this.randomness.fraction());
      const leaseSeconds = leaseSecondsFor(toldIntervalSeconds, this.timing);
      const settle: Waiting['settle'][number] = (verdict, told) => {
        this.waitingCount -= 1;
        if (verdict instanceof Error) reject(verdict);
        else resolve({ ...verdict, toldIntervalSeconds: told.toldIntervalSeconds, leaseSeconds: told.leaseSeconds });
      };
      this.take({ beat, toldIntervalSeconds, leaseSeconds, carried: false, since, settle: [settle] });
      this.waitingCount += 1;
      this.writing ??= this.writeGroups();
    });
  }

  /** Puts it into the next group, or merges it there, or leaves it for the group after. */
  private take(waiting: Waiting): void {
    const { hostId } = waiting.beat;
    const there = this.next.get(hostId);
    if (!there) this.next.set(hostId, waiting);
    else if (sameSender(there.beat, waiting.beat)) this.next.set(hostId, joined(there, waiting));
    else this.later.push(waiting);
  }

  private async writeGroups(): Promise<void> {
    await Promise.resolve(); // what arrives in the same turn goes with the first
    while (this.next.size > 0) {
      const group = [...this.next.values()].slice(0, this.limits.groupSize);
      for (const { beat } of group) this.next.delete(beat.hostId);
      const left = this.later.splice(0);
      for (const waiting of left) this.take(waiting);
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
    if (there && !sameSender(there.beat, waiting.beat)) this.later.push(waiting);
    else this.next.set(waiting.beat.hostId, there ? joined(waiting, there) : waiting);
  }

  /** Writes one group and answers it; returns those that go into the next. */
  private async writeGroup(group: readonly Waiting[]): Promise<Waiting[]> {
    const now = this.clock.now();
    const settle = (waiting: Waiting, verdict: HeartbeatVerdict | Error): void => waiting.settle.forEach((answer) => answer(verdict, waiting));
    try {
      const verdicts = await this.leases.writeGroup(group, () => this.moment());
      const mayCarry = ({ since }: Waiting): boolean => now.getTime() - since.getTime() < LONGEST_CARRY_MS;
      return group.filter((waiting, index) => {
        const verdict = verdicts[index] ?? { outcome: 'carry' };
        if (verdict.outcome === 'carry' && mayCarry(waiting)) return true;
        settle(waiting, verdict);
        return false;
      });
    } catch (error) {
      const refused = error instanceof Error ? error : new Error(String(error));
      for (const waiting of group) settle(waiting, refused);
      return [];
    }
  }

  private moment(): Moment {
    const now = this.clock.now();
    return { now, listenedMs: this.listening.listenedMsAt(now) };
  }

  private answer({ agentVersion, at, listenedMs, toldIntervalSeconds, leaseSeconds }: Accepted & Told): HeartbeatAnswer {
    const version = parseVersion(agentVersion);
    const status = version ? versionStatus(version, this.version) : 'NotSupported';
    const olderThanOurs = version !== null && compareVersions(version, this.version) < 0;
    return {
      leaseExpiresAt: earliestWallInstant(listenedMs + leaseSeconds * 1000, listenedMs, at),
      heartbeatIntervalSeconds: toldIntervalSeconds,
      versionStatus: status,
      instruction: status !== 'Supported' && olderThanOurs ? 'upgrade' : 'none',
    };
  }
}

type Accepted = Extract<HeartbeatVerdict, { outcome: 'accepted' }>;
type Told = Pick<WaitingHeartbeat, 'toldIntervalSeconds' | 'leaseSeconds'>;
type VerdictWithTold = HeartbeatVerdict & Told;

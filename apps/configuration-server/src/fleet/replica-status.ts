import {
  FleetError,
  formatVersion,
  type CleanUpPromise,
  type Clock,
  type HeartbeatReceiver,
  type ListeningClock,
  type Removals,
  type Version,
  type VersionPolicy,
} from '@app/fleet';
import { commitsHeartbeats, readListening, type Database, type RestoreStore } from '@app/fleet-mysql';
import { CallDeadline } from '../access/call-deadline.js';
import type { ConfigurationServerResponse, ReadyResponse } from '@app/wire';
import { RecentAnswer } from './recent-answer.js';

/** Anyone may ask as often as they like, and heartbeats need the connections. */
const READY_FOR_MS = 1_000;

const READ_OVERDUE_WITHIN_MS = 1_000;

interface ReplicaIdentity {
  readonly replica: string;
  readonly version: Version;
  readonly versionPolicy: VersionPolicy;
}

/** How the database fits the data directory of this replica. */
export interface DirectoryState {
  readonly problems: readonly string[];
  readonly advice: string | null;
}

export const NO_DATA_DIRECTORY: DirectoryState = { problems: [], advice: null };

/** What this replica knows of itself. */
export class ReplicaStatus {
  /** Filled in once it listens. */
  addresses: string[] = [];
  private readonly startedAt: Date;
  private readonly readiness: RecentAnswer<ReadyResponse>;

  constructor(
    private readonly identity: ReplicaIdentity,
    private readonly database: Database,
    private readonly heartbeatDatabase: Database,
    private readonly clock: Clock,
    private readonly listening: ListeningClock,
    private readonly receiver: HeartbeatReceiver,
    private readonly promise: CleanUpPromise,
    private readonly removals: Removals,
    /** How far the clock of the present database node is ahead of the site's, in ms. */
    private readonly databaseDifferenceMs: () => number,
    private readonly restores: RestoreStore,
    private readonly directory: DirectoryState,
    readyForMs = READY_FOR_MS,
  ) {
    this.startedAt = clock.now();
    this.readiness = new RecentAnswer(() => this.lookReady(), readyForMs);
  }

  get replica(): string {
    return this.identity.replica;
  }

  async describe(): Promise<ConfigurationServerResponse> {
    const now = this.clock.now();
    const { listenedMs, notedAt } = await readListening(this.database, now);
    const lastPass = await this.removals.lastPass();
    const site = await this.restores.find();
    const { replica, version, versionPolicy } = this.identity;
    return {
      version: formatVersion(version),
      versionPolicy,
      replica,
      startedAt: this.startedAt.toISOString(),
      addresses: this.addresses,
      listening: { listening: this.canCommit, listenedMs, notedAt: notedAt.toISOString() },
      cleanUp: {
        lastPassAt: lastPass?.at.toISOString() ?? null,
        lastPassBy: lastPass?.by ?? null,
        lastPassRemoved: lastPass?.removed ?? null,
        lastPassError: lastPass?.error ?? null,
        overdueSeconds: await this.promise.overdueSeconds(),
      },
      restore: {
        epoch: site?.epoch ?? 0,
        restoredAt: site?.restoredAt?.toISOString() ?? null,
        generationFloor: site?.generationFloor ?? 0,
        problems: [...this.directory.problems],
        advice: this.directory.advice,
      },
      asOf: now.toISOString(),
    };
  }

  /** @throws FleetError while this replica cannot commit heartbeats. What is overdue for other reasons is only degraded. */
  async ready(): Promise<ReadyResponse> {
    if (this.receiver.isDraining) throw new FleetError({ code: 'shutting_down' });
    const answer = await this.readiness.get();
    if (!this.canCommit) throw new FleetError({ code: 'not_listening' });
    return answer;
  }

  private get canCommit(): boolean {
    return this.receiver.accepts && this.listening.isListening && !this.receiver.isStalled;
  }

  private async lookReady(): Promise<ReadyResponse> {
    if (this.listening.isFailing || !(await commitsHeartbeats(this.heartbeatDatabase, this.clock.now())))
      throw new FleetError({ code: 'database_unavailable' });
    const overdueSeconds = await new CallDeadline(READ_OVERDUE_WITHIN_MS)
      .within(this.promise.overdueSeconds())
      .catch(() => 0); // reads may be slow where heartbeats are not
    const degraded = [
      ...(overdueSeconds > 0 ? ['clean_up_overdue'] : []),
      ...(this.databaseDifferenceMs() !== 0 ? ['database_clock_differs'] : []),
      ...this.directory.problems,
    ];
    return { status: degraded.length > 0 ? 'degraded' : 'ready', degraded };
  }
}

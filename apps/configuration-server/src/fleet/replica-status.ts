import { FleetError, formatVersion, type CleanUpPromise, type Clock, type HeartbeatReceiver, type ListeningClock, type Removals, type Version, type VersionPolicy } from '@app/fleet';
import { readListening, type Database } from '@app/fleet-mysql';
import { CallDeadline } from '../access/call-deadline.js';
import type { ConfigurationServerResponse, ReadyResponse } from '@app/wire';

const READ_OVERDUE_WITHIN_MS = 1_000;

interface ReplicaIdentity {
  readonly replica: string;
  readonly version: Version;
  readonly versionPolicy: VersionPolicy;
}

/** What this replica knows of itself. */
export class ReplicaStatus {
  /** Filled in once it listens. */
  addresses: string[] = [];
  private readonly startedAt: Date;
  private asking: Promise<boolean> | null = null;

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
  ) {
    this.startedAt = clock.now();
  }

  get replica(): string {
    return this.identity.replica;
  }

  async describe(): Promise<ConfigurationServerResponse> {
    const now = this.clock.now();
    const { listenedMs, notedAt } = await readListening(this.database, now);
    const lastPass = await this.removals.lastPass();
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
      asOf: now.toISOString(),
    };
  }

  /** @throws FleetError while this replica cannot commit heartbeats. What is overdue for other reasons is only degraded. */
  async ready(): Promise<ReadyResponse> {
    if (this.receiver.isDraining) throw new FleetError({ code: 'shutting_down' });
    if (!(await this.databaseAnswers())) throw new FleetError({ code: 'database_unavailable' });
    if (!this.canCommit) throw new FleetError({ code: 'not_listening' });
    const overdueSeconds = await new CallDeadline(READ_OVERDUE_WITHIN_MS).within(this.promise.overdueSeconds()).catch(() => 0); // reads may be slow where heartbeats are not
    const degraded = [...(overdueSeconds > 0 ? ['clean_up_overdue'] : []), ...(this.databaseDifferenceMs() !== 0 ? ['database_clock_differs'] : [])];
    return { status: degraded.length > 0 ? 'degraded' : 'ready', degraded };
  }

  private get canCommit(): boolean {
    return this.receiver.accepts && this.listening.isListening && !this.receiver.isStalled;
  }

  /** One question at a time, whoever asks: anyone may, and heartbeats need the connections. */
  private databaseAnswers(): Promise<boolean> {
    this.asking ??= this.heartbeatDatabase.answers().finally(() => (this.asking = null));
    return this.asking;
  }
}

import {
  FleetError,
  formatVersion,
  type CleanUpDeadlineMonitor,
  type Clock,
  type HeartbeatReceiver,
  type LocalAvailabilityClock,
  type Removals,
  type Version,
  type VersionPolicy,
} from '@app/fleet';
import { canCommitHeartbeats, readAvailability, type Database, type RestoreStore } from '@app/fleet-mysql';
import { CallDeadline } from '../access/call-deadline.js';
import type { ConfigurationServerResponse, ReadyResponse } from '@app/api-contract';
import { CachedResult } from './cached-result.js';

/** Health checks have no rate limit, and heartbeats need the database connections. */
const READINESS_TTL_MS = 1_000;

const READ_OVERDUE_TIMEOUT_MS = 1_000;

interface InstanceIdentity {
  readonly replica: string;
  readonly version: Version;
  readonly versionPolicy: VersionPolicy;
}

/** How the database agrees with the data directory of this replica. */
export interface DirectoryState {
  readonly problems: readonly string[];
  readonly advice: string | null;
}

export const NO_DATA_DIRECTORY: DirectoryState = { problems: [], advice: null };

/** State of this replica. */
export class InstanceStatus {
  /** Set once it listens. */
  addresses: string[] = [];
  private readonly startedAt: Date;
  private readonly readiness: CachedResult<ReadyResponse>;

  constructor(
    private readonly identity: InstanceIdentity,
    private readonly database: Database,
    private readonly heartbeatDatabase: Database,
    private readonly clock: Clock,
    private readonly listening: LocalAvailabilityClock,
    private readonly receiver: HeartbeatReceiver,
    private readonly deadlineMonitor: CleanUpDeadlineMonitor,
    private readonly removals: Removals,
    /** How far the clock of the current database node is ahead of the site's, in ms. */
    private readonly databaseDifferenceMs: () => number,
    private readonly restores: RestoreStore,
    private readonly directory: DirectoryState,
    readinessTtlMs = READINESS_TTL_MS,
  ) {
    this.startedAt = clock.now();
    this.readiness = new CachedResult(() => this.checkReadiness(), readinessTtlMs);
  }

  get replica(): string {
    return this.identity.replica;
  }

  async describe(): Promise<ConfigurationServerResponse> {
    const now = this.clock.now();
    const { availableMs, recordedAt } = await readAvailability(this.database, now);
    const lastRun = await this.removals.lastRun();
    const site = await this.restores.find();
    const { replica, version, versionPolicy } = this.identity;
    return {
      version: formatVersion(version),
      versionPolicy,
      replica,
      startedAt: this.startedAt.toISOString(),
      addresses: this.addresses,
      availability: { accepting: this.canCommit, availableMs, recordedAt: recordedAt.toISOString() },
      cleanUp: {
        lastPassAt: lastRun?.at.toISOString() ?? null,
        lastPassBy: lastRun?.by ?? null,
        lastPassRemoved: lastRun?.removed ?? null,
        lastPassError: lastRun?.error ?? null,
        overdueSeconds: await this.deadlineMonitor.overdueSeconds(),
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

  /** @throws FleetError while this replica cannot commit heartbeats. Other problems only degrade the status. */
  async ready(): Promise<ReadyResponse> {
    if (this.receiver.isDraining) throw new FleetError({ code: 'shutting_down' });
    const response = await this.readiness.get();
    if (!this.canCommit) throw new FleetError({ code: 'replica_not_ready' });
    return response;
  }

  private get canCommit(): boolean {
    return this.receiver.isAccepting && this.listening.isValid && !this.receiver.isStalled;
  }

  private async checkReadiness(): Promise<ReadyResponse> {
    if (this.listening.isFailing || !(await canCommitHeartbeats(this.heartbeatDatabase, this.clock.now())))
      throw new FleetError({ code: 'database_unavailable' });
    const overdueSeconds = await new CallDeadline(READ_OVERDUE_TIMEOUT_MS)
      .within(this.deadlineMonitor.overdueSeconds())
      .catch(() => 0); // reads may be slow while heartbeats are not
    const degraded = [
      ...(overdueSeconds > 0 ? ['clean_up_overdue'] : []),
      ...(this.databaseDifferenceMs() !== 0 ? ['database_clock_differs'] : []),
      ...this.directory.problems,
    ];
    return { status: degraded.length > 0 ? 'degraded' : 'ready', degraded };
  }
}

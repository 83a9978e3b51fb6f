import { Inject, Injectable } from '@nestjs/common';
import {
  CleanUpDeadlineMonitor,
  Clock,
  FleetError,
  formatVersion,
  HeartbeatReceiver,
  LocalAvailabilityClock,
  Monitor,
} from '@app/fleet';
import { canCommitHeartbeats, Database, readAvailability, RemovalStore, RestoreStore } from '@app/fleet-mysql';
import { CallDeadline } from '../access/call-deadline.js';
import type { ConfigurationServerResponse, ReadyResponse } from '@app/api-contract';
import { APP_OPTIONS, type AppOptions } from '../site/app-options.js';
import { HeartbeatDatabase } from '../site/site.module.js';
import { CachedResult } from './cached-result.js';

/** Health checks have no rate limit, and heartbeats need the database connections. */
const READINESS_TTL_MS = 1_000;

/** A run may take some time after an outage. */
const MONITOR_OVERDUE_INTERVALS = 12;

const READ_OVERDUE_TIMEOUT_MS = 1_000;

/** State of this replica. */
@Injectable()
export class InstanceStatus {
  /** Set once it listens. */
  addresses: string[] = [];
  private readonly startedAt: Date;
  private readonly readiness: CachedResult<ReadyResponse>;

  constructor(
    @Inject(APP_OPTIONS) private readonly options: AppOptions,
    private readonly database: Database,
    private readonly heartbeatDatabase: HeartbeatDatabase,
    private readonly clock: Clock,
    private readonly availabilityClock: LocalAvailabilityClock,
    private readonly receiver: HeartbeatReceiver,
    private readonly deadlineMonitor: CleanUpDeadlineMonitor,
    private readonly removals: RemovalStore,
    private readonly restores: RestoreStore,
    private readonly monitor: Monitor,
  ) {
    this.startedAt = clock.now();
    this.readiness = new CachedResult(() => this.checkReadiness(), options.readinessTtlMs ?? READINESS_TTL_MS);
  }

  async describe(): Promise<ConfigurationServerResponse> {
    const now = this.clock.now();
    const { availableMs, recordedAt } = await readAvailability(this.database, now);
    const lastRun = await this.removals.lastRun();
    const site = await this.restores.find();
    const {
      name: replica,
      directory,
      settings: { version, versionPolicy },
    } = this.options;
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
        problems: [...(directory?.problems ?? [])],
        advice: directory?.advice ?? null,
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

  /** Whether a heartbeat can be committed now. */
  get canCommit(): boolean {
    return this.receiver.isAccepting && this.availabilityClock.isValid && !this.receiver.isStalled;
  }

  private get isMonitorOverdue(): boolean {
    return this.monitor.lagSeconds > MONITOR_OVERDUE_INTERVALS * this.options.settings.monitorIntervalSeconds;
  }

  private async checkReadiness(): Promise<ReadyResponse> {
    if (this.availabilityClock.isFailing || !(await canCommitHeartbeats(this.heartbeatDatabase, this.clock.now())))
      throw new FleetError({ code: 'database_unavailable' });
    const overdueSeconds = await new CallDeadline(READ_OVERDUE_TIMEOUT_MS)
      .within(this.deadlineMonitor.overdueSeconds())
      .catch(() => 0); // reads may be slow while heartbeats are not
    const { siteClock, directory } = this.options;
    const degraded = [
      ...(overdueSeconds > 0 ? ['clean_up_overdue'] : []),
      ...(this.isMonitorOverdue ? ['monitor_overdue'] : []),
      ...((siteClock?.databaseDifferenceMs ?? 0) !== 0 ? ['database_clock_differs'] : []),
      ...(directory?.problems ?? []),
    ];
    return { status: degraded.length > 0 ? 'degraded' : 'ready', degraded };
  }
}

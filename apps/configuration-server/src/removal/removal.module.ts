import { Inject, Module, type OnModuleDestroy } from '@nestjs/common';
import {
  CleanUp,
  CleanUpDeadlineMonitor,
  Clock,
  Identifiers,
  LocalAvailabilityClock,
  nextRunDelayMs,
  PurgePlanner,
  Registry,
  RemovalService,
} from '@app/fleet';
import { Database, PlanStore, ReleaseStore, RemovalStore } from '@app/fleet-mysql';
import { APP_OPTIONS, HEALTH_WINDOW, type AppOptions } from '../site/app-options.js';
import { Jobs } from '../site/jobs.js';
import { construct, provide } from '../site/provide.js';
import { HeartbeatDatabase } from '../site/site.module.js';
import { CleanUpJob } from './clean-up.job.js';
import { PurgePlansController } from './purge-plans.controller.js';
import { RemovalController } from './removal.controller.js';

const PROVIDERS = [
  provide(
    RemovalService,
    [Registry, APP_OPTIONS],
    (registry, { settings }) => new RemovalService(registry, settings.cleanUp),
  ),
  construct(PlanStore, [Database, Clock, ReleaseStore, HEALTH_WINDOW]),
  construct(PurgePlanner, [PlanStore, Registry, Clock, Identifiers]),
  provide(
    CleanUp,
    [RemovalStore, LocalAvailabilityClock, APP_OPTIONS],
    (removals, availabilityClock, { settings: { cleanUp, eventRetentionDays }, name }) =>
      new CleanUp(removals, () => availabilityClock.cleanUpMoment, cleanUp, eventRetentionDays, name),
  ),
  provide(
    CleanUpDeadlineMonitor,
    [HeartbeatDatabase, Clock, Identifiers],
    (database, clock, identifiers) => new CleanUpDeadlineMonitor(new RemovalStore(database, clock, identifiers), clock),
  ),
  provide(
    CleanUpJob,
    [CleanUp, CleanUpDeadlineMonitor, APP_OPTIONS],
    (cleanUp, deadlineMonitor, { logger }) => new CleanUpJob(cleanUp, deadlineMonitor, logger),
  ),
];

/** Decommissioning, purge, purge plans, and the clean-up of decommissioned entries. */
@Module({ controllers: [RemovalController, PurgePlansController], providers: PROVIDERS, exports: PROVIDERS })
export class RemovalModule implements OnModuleDestroy {
  constructor(
    private readonly cleanUp: CleanUp,
    cleanUpJob: CleanUpJob,
    jobs: Jobs,
    @Inject(APP_OPTIONS) { settings, randomness }: AppOptions,
  ) {
    jobs.add(
      'clean-up',
      () => nextRunDelayMs(settings.cleanUp, randomness.random()),
      () => cleanUpJob.run(),
    );
  }

  onModuleDestroy(): void {
    this.cleanUp.stop();
  }
}

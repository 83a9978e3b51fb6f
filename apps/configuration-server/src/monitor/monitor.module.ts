import { Inject, Module, type OnModuleDestroy } from '@nestjs/common';
import { Identifiers, LocalAvailabilityClock, Monitor, nextRunDelayMs } from '@app/fleet';
import { Database, HealthReviewStore, MonitorProgressStore } from '@app/fleet-mysql';
import { APP_OPTIONS, HEALTH_WINDOW, type AppOptions } from '../site/app-options.js';
import { Jobs } from '../site/jobs.js';
import { construct, provide } from '../site/provide.js';

const PROVIDERS = [
  construct(MonitorProgressStore, [Database, Identifiers]),
  provide(
    HealthReviewStore,
    [Database, Identifiers, HEALTH_WINDOW],
    (database, identifiers, healthWindowMs) => new HealthReviewStore(database, identifiers, healthWindowMs),
  ),
  provide(
    Monitor,
    [MonitorProgressStore, HealthReviewStore, LocalAvailabilityClock, HEALTH_WINDOW],
    (store, reviews, availabilityClock, healthWindowMs) =>
      new Monitor(store, reviews, () => availabilityClock.cleanUpMoment, healthWindowMs),
  ),
];

/** The monitor, which writes transitions that no call causes as events. */
@Module({ controllers: [], providers: PROVIDERS, exports: PROVIDERS })
export class MonitorModule implements OnModuleDestroy {
  constructor(
    private readonly monitor: Monitor,
    jobs: Jobs,
    @Inject(APP_OPTIONS) { settings, randomness }: AppOptions,
  ) {
    jobs.add(
      'monitor',
      () => nextRunDelayMs({ intervalSeconds: settings.monitorIntervalSeconds }, randomness.random()),
      () => monitor.run(),
    );
  }

  onModuleDestroy(): void {
    this.monitor.stop();
  }
}

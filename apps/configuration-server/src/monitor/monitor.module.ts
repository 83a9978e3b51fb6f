import { Inject, Module, type OnModuleDestroy } from '@nestjs/common';
import { Identifiers, LocalAvailabilityClock, Monitor, nextRunDelayMs } from '@app/fleet';
import { Database, MonitorProgressStore } from '@app/fleet-mysql';
import { APP_OPTIONS, type AppOptions } from '../site/app-options.js';
import { Jobs } from '../site/jobs.js';
import { construct, provide } from '../site/provide.js';

const PROVIDERS = [
  construct(MonitorProgressStore, [Database, Identifiers]),
  provide(
    Monitor,
    [MonitorProgressStore, LocalAvailabilityClock],
    (store, availabilityClock) => new Monitor(store, () => availabilityClock.cleanUpMoment),
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

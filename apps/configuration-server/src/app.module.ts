import {
  Inject,
  Module,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type OnApplicationBootstrap,
  type Type,
} from '@nestjs/common';
import { MODULE_METADATA } from '@nestjs/common/constants.js';
import { AccessModule } from './access/access.module.js';
import { EnrolmentsModule } from './enrolments/enrolments.module.js';
import { HeartbeatsModule } from './heartbeats/heartbeats.module.js';
import { KeysModule } from './keys/keys.module.js';
import { MonitorModule } from './monitor/monitor.module.js';
import { OperationsModule } from './operations/operations.module.js';
import { QueriesModule } from './queries/queries.module.js';
import { RegistrationModule } from './registration/registration.module.js';
import { RemovalModule } from './removal/removal.module.js';
import { ReleasesModule } from './releases/releases.module.js';
import { APP_OPTIONS, type AppOptions } from './site/app-options.js';
import { Jobs } from './site/jobs.js';
import { SiteModule } from './site/site.module.js';

const FEATURES: Type[] = [
  RegistrationModule,
  HeartbeatsModule,
  RemovalModule,
  MonitorModule,
  QueriesModule,
  KeysModule,
  ReleasesModule,
  EnrolmentsModule,
  OperationsModule,
];

/** Every route of the contract. */
export const API_CONTROLLERS = FEATURES.flatMap(
  (feature) => Reflect.getMetadata(MODULE_METADATA.CONTROLLERS, feature) as Type[],
);

/** One replica. It starts last and stops first of all modules, so its hooks start and stop the jobs. */
@Module({})
export class AppModule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    @Inject(APP_OPTIONS) private readonly options: AppOptions,
    private readonly jobs: Jobs,
  ) {}

  static forRoot(options: AppOptions): DynamicModule {
    return { module: AppModule, imports: [SiteModule.forRoot(options), AccessModule, ...FEATURES] };
  }

  onApplicationBootstrap(): void {
    if (this.options.runsJobs ?? true) this.jobs.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.jobs.stop();
  }
}

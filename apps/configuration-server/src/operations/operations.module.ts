import { Inject, Module, type OnModuleDestroy } from '@nestjs/common';
import { Clock, ConsistencyCheck, Identifiers } from '@app/fleet';
import { ConsistencyStore, Database, RegistryStore } from '@app/fleet-mysql';
import { AccessModule } from '../access/access.module.js';
import { EdgeModule } from '../edge/edge.module.js';
import { HeartbeatsModule } from '../heartbeats/heartbeats.module.js';
import { MonitorModule } from '../monitor/monitor.module.js';
import { QueriesModule } from '../queries/queries.module.js';
import { RemovalModule } from '../removal/removal.module.js';
import { APP_OPTIONS, type AppOptions } from '../site/app-options.js';
import { Jobs } from '../site/jobs.js';
import { construct } from '../site/provide.js';
import { ConfigurationServerController } from './configuration-server.controller.js';
import { HealthController } from './health.controller.js';
import { InstanceStatus } from './instance-status.js';
import { Metrics } from './metrics.js';

/** Plus up to a tenth of jitter, so that replicas spread; sooner after a failed check. */
const CONSISTENCY_CHECK_MS = 3_600_000;
const CONSISTENCY_RETRY_MS = 60_000;

/** Health checks, metrics, the state of this replica, and the check of stored rows. */
@Module({
  imports: [EdgeModule, AccessModule, HeartbeatsModule, QueriesModule, RemovalModule, MonitorModule],
  controllers: [ConfigurationServerController, HealthController],
  providers: [
    InstanceStatus,
    Metrics,
    construct(ConsistencyStore, [Database, Clock, Identifiers]),
    construct(ConsistencyCheck, [ConsistencyStore, RegistryStore, Clock]),
  ],
})
export class OperationsModule implements OnModuleDestroy {
  constructor(
    private readonly consistency: ConsistencyCheck,
    jobs: Jobs,
    @Inject(APP_OPTIONS) { randomness, logger }: AppOptions,
  ) {
    jobs.add(
      'consistency-check',
      (failed) => (failed ? CONSISTENCY_RETRY_MS : CONSISTENCY_CHECK_MS * (1 + randomness.random() / 10)),
      async () => {
        const { found, repaired } = await consistency.run();
        if (found.size > 0)
          logger.error({ found: Object.fromEntries(found), repaired }, 'stored rows contradicted each other');
      },
    );
  }

  onModuleDestroy(): void {
    this.consistency.stop();
  }
}

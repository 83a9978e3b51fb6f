import { Module } from '@nestjs/common';
import { Clock, LocalAvailabilityClock } from '@app/fleet';
import {
  CapacityQuery,
  Database,
  EventLogQuery,
  FleetSummaryQuery,
  PendingWrites,
  ProcessServerListQuery,
  RegistryStore,
  ReleaseStore,
  RemovalStore,
  UpgradeReadinessQuery,
} from '@app/fleet-mysql';
import { APP_OPTIONS, HEALTH_WINDOW } from '../site/app-options.js';
import { Jobs } from '../site/jobs.js';
import { construct, provide } from '../site/provide.js';
import { CapacityQueries } from './capacity-queries.js';
import { DiagnosisService } from './diagnosis.js';
import { EventExports } from './event-exports.js';
import { EventQueries } from './event-queries.js';
import { FleetController } from './fleet.controller.js';
import { FleetSummaryCache } from './fleet-summary-cache.js';
import { ProcessServerQueries } from './process-server-queries.js';
import { ProcessServersController } from './process-servers.controller.js';
import { UpgradeReadinessQueries } from './upgrade-readiness-queries.js';

/** For the metrics: each replica reports the last count. */
const FLEET_SUMMARY_REFRESH_MS = 60_000;

/** Lists, details, events, diagnosis and the fleet summary. */
@Module({
  controllers: [ProcessServersController, FleetController],
  providers: [
    construct(ProcessServerListQuery, [
      Database,
      Clock,
      ReleaseStore,
      PendingWrites,
      LocalAvailabilityClock,
      HEALTH_WINDOW,
    ]),
    construct(ProcessServerQueries, [ProcessServerListQuery, RegistryStore, ReleaseStore, HEALTH_WINDOW]),
    construct(EventQueries, [EventLogQuery, ProcessServerQueries]),
    construct(DiagnosisService, [ProcessServerQueries, EventLogQuery, ReleaseStore, HEALTH_WINDOW]),
    construct(CapacityQuery, [Database, Clock, ReleaseStore, HEALTH_WINDOW]),
    construct(CapacityQueries, [CapacityQuery, Clock, HEALTH_WINDOW]),
    construct(UpgradeReadinessQuery, [Database, Clock]),
    construct(UpgradeReadinessQueries, [UpgradeReadinessQuery, ReleaseStore]),
    construct(FleetSummaryCache, [FleetSummaryQuery, RemovalStore, Clock]),
    provide(
      EventExports,
      [EventLogQuery, APP_OPTIONS],
      (events, { clock, maxUnreadExportMs }) => new EventExports(events, clock, maxUnreadExportMs),
    ),
  ],
  exports: [FleetSummaryCache],
})
export class QueriesModule {
  constructor(fleetSummary: FleetSummaryCache, jobs: Jobs) {
    jobs.add('fleet-summary', FLEET_SUMMARY_REFRESH_MS, () => fleetSummary.current());
  }
}

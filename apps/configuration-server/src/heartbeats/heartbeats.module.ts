import { Inject, Module, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { availabilityTiming, HeartbeatReceiver, Identifiers, LocalAvailabilityClock } from '@app/fleet';
import {
  Database,
  FleetSummaryQuery,
  LeaseStore,
  limitHeartbeatBatches,
  OperatingSystems,
  PendingWrites,
  readMaxPacketBytes,
  ReleaseStore,
} from '@app/fleet-mysql';
import { EdgeModule } from '../edge/edge.module.js';
import { RateLimitedLog } from '../edge/rate-limited-log.js';
import { APP_OPTIONS, HEALTH_WINDOW, OWN_VERSION, type AppOptions } from '../site/app-options.js';
import { Jobs } from '../site/jobs.js';
import { provide } from '../site/provide.js';
import { HeartbeatDatabase } from '../site/site.module.js';
import { AvailabilityRecorder } from './availability-recorder.js';
import { HeartbeatsController } from './heartbeats.controller.js';
import { MeasuredLeases } from './measured-leases.js';

/** Retry delay after a failed record, because heartbeats wait for it. */
const AVAILABILITY_RETRY_MS = 500;
const HEARTBEAT_EXPIRY_MS = 100;
const FLEET_SIZE_REFRESH_MS = 60_000;

const pauseMs = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const PROVIDERS = [
  provide(
    OperatingSystems,
    [HeartbeatDatabase, ReleaseStore, RateLimitedLog],
    (database, releases, log) =>
      new OperatingSystems(database, releases, (err) =>
        log.warn({ err }, 'operating systems not read: version statuses of a batch of heartbeats can be wrong'),
      ),
  ),
  provide(
    MeasuredLeases,
    [HeartbeatDatabase, Identifiers, OWN_VERSION, PendingWrites, OperatingSystems, HEALTH_WINDOW],
    (...parts) => new MeasuredLeases(new LeaseStore(...parts)),
  ),
  provide(
    HeartbeatReceiver,
    [MeasuredLeases, LocalAvailabilityClock, Database, ReleaseStore, APP_OPTIONS],
    async (leases, availabilityClock, database, versions, { clock, randomness, settings: { lease, heartbeats } }) => {
      const limits = limitHeartbeatBatches(await readMaxPacketBytes(database), heartbeats);
      return new HeartbeatReceiver(leases, availabilityClock, clock, randomness, versions, lease, limits, pauseMs);
    },
  ),
  provide(
    AvailabilityRecorder,
    [HeartbeatReceiver, LocalAvailabilityClock, APP_OPTIONS],
    (receiver, availabilityClock, { siteClock, logger }) =>
      new AvailabilityRecorder(receiver, availabilityClock, siteClock, logger),
  ),
];

/** Heartbeats, and the availability clock, which advances while they can be committed. */
@Module({ imports: [EdgeModule], controllers: [HeartbeatsController], providers: PROVIDERS, exports: PROVIDERS })
export class HeartbeatsModule implements OnApplicationBootstrap, OnModuleDestroy {
  constructor(
    private readonly receiver: HeartbeatReceiver,
    private readonly availability: AvailabilityRecorder,
    fleet: FleetSummaryQuery,
    jobs: Jobs,
    @Inject(APP_OPTIONS) { settings }: AppOptions,
  ) {
    const { recordIntervalMs } = availabilityTiming(settings.lease.leaseSeconds);
    jobs.add(
      'availability-tick',
      (failed) => (failed ? Math.min(AVAILABILITY_RETRY_MS, recordIntervalMs) : recordIntervalMs),
      () => availability.record(),
    );
    jobs.add('heartbeat-expiry', HEARTBEAT_EXPIRY_MS, async () => receiver.expire());
    jobs.add('fleet-size', FLEET_SIZE_REFRESH_MS, async () => (receiver.fleetSize = await fleet.senders()));
  }

  /** @throws if no heartbeat can be committed: the replica does not start. */
  onApplicationBootstrap(): Promise<void> {
    return this.availability.record();
  }

  /** Completes the heartbeats in flight, and accepts no others. */
  onModuleDestroy(): Promise<void> {
    return this.receiver.drain();
  }
}

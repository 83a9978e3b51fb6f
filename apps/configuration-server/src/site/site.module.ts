import { Global, Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import {
  availabilityTiming,
  Clock,
  Identifiers,
  LocalAvailabilityClock,
  Randomness,
  RecordingRegistry,
  Registry,
} from '@app/fleet';
import {
  AvailabilityClockStore,
  Database,
  EnrolmentStore,
  EventLogQuery,
  FleetSummaryQuery,
  KeyRingStore,
  PendingWrites,
  RegistryStore,
  ReleaseStore,
  RemovalStore,
  RestoreStore,
  SecretStore,
} from '@app/fleet-mysql';
import { EnrolmentTokens, HmacCredentials, newSharedKey } from '@app/platform';
import { APP_OPTIONS, HEALTH_WINDOW, OWN_VERSION, type AppOptions } from './app-options.js';
import { Jobs } from './jobs.js';
import { construct, provide } from './provide.js';

/** For one batch at a time, the availability recorder and the readiness check: no other load keeps these from the database. */
const HEARTBEAT_CONNECTIONS = 3;
/** Row lock timeout of these connections; the others wait longer. */
const HEARTBEAT_LOCK_WAIT_SECONDS = 1;
const LOCK_WAIT_SECONDS = 3;

/** The token of the connections that only heartbeats use. */
export abstract class HeartbeatDatabase extends Database {}

const PROVIDERS = [
  provide(Clock, [APP_OPTIONS], ({ clock }) => clock),
  provide(Randomness, [APP_OPTIONS], ({ randomness }) => randomness),
  provide(Identifiers, [APP_OPTIONS], ({ identifiers }) => identifiers),
  provide(OWN_VERSION, [APP_OPTIONS], ({ settings }) => settings.version),
  provide(HEALTH_WINDOW, [APP_OPTIONS], ({ settings }) => settings.healthWindowSeconds * 1000),
  provide(Jobs, [APP_OPTIONS], ({ logger }) => new Jobs(logger)),
  provide(
    Database,
    [APP_OPTIONS],
    ({ servers, randomness, settings: { databasePoolSize: connections } }) =>
      new Database(servers, randomness, { connections, lockWaitSeconds: LOCK_WAIT_SECONDS }),
  ),
  provide(
    HeartbeatDatabase,
    [APP_OPTIONS],
    ({ servers, randomness }) =>
      new Database(servers, randomness, {
        connections: HEARTBEAT_CONNECTIONS,
        lockWaitSeconds: HEARTBEAT_LOCK_WAIT_SECONDS,
      }),
  ),
  provide(
    LocalAvailabilityClock,
    [APP_OPTIONS, HeartbeatDatabase],
    ({ name, clock, siteClock, identifiers, settings: { lease } }, database) => {
      const timing = availabilityTiming(lease.leaseSeconds);
      const store = new AvailabilityClockStore(database, identifiers, name, timing);
      return new LocalAvailabilityClock(store, clock, timing, async ({ recordedAt }, isMoving) =>
        siteClock?.reconcile(recordedAt, isMoving),
      );
    },
  ),
  construct(PendingWrites, []),
  construct(RegistryStore, [Database, Clock, Identifiers, PendingWrites]),
  provide(Registry, [RegistryStore, APP_OPTIONS], (store, { removalRecorder }) =>
    removalRecorder ? new RecordingRegistry(store, removalRecorder) : store,
  ),
  provide(
    RemovalStore,
    [Database, APP_OPTIONS],
    (database, { clock, identifiers, removalRecorder }) =>
      new RemovalStore(database, clock, identifiers, removalRecorder),
  ),
  construct(KeyRingStore, [Database, Clock, Identifiers]),
  construct(ReleaseStore, [Database, Clock, Identifiers, OWN_VERSION]),
  construct(EnrolmentStore, [Database, Clock, Identifiers]),
  construct(SecretStore, [Database, Clock, Identifiers]),
  construct(RestoreStore, [Database, Clock, Identifiers]),
  construct(EventLogQuery, [Database, Clock, LocalAvailabilityClock]),
  construct(FleetSummaryQuery, [Database, Clock, ReleaseStore, HEALTH_WINDOW]),
  provide(
    HmacCredentials,
    [SecretStore],
    async (secrets) => new HmacCredentials(await secrets.getOrCreateSharedKey('credential_hmac', newSharedKey())),
  ),
  provide(
    EnrolmentTokens,
    [SecretStore],
    async (secrets) => new EnrolmentTokens(await secrets.getOrCreateSharedKey('enrolment_hmac', newSharedKey())),
  ),
];

/** What the modules share: clocks, the database and its stores, jobs. The databases are closed after all modules have stopped. */
@Global()
@Module({})
export class SiteModule implements OnApplicationShutdown {
  constructor(
    private readonly database: Database,
    private readonly heartbeatDatabase: HeartbeatDatabase,
  ) {}

  static forRoot(options: AppOptions): DynamicModule {
    const providers = [{ provide: APP_OPTIONS, useValue: options }, ...PROVIDERS];
    return { module: SiteModule, providers, exports: providers };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.heartbeatDatabase.close();
    await this.database.close();
  }
}

import type { Server as HttpsServer } from 'node:https';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import {
  availabilityTiming,
  CleanUp,
  CleanUpPromise,
  ConsistencyCheck,
  Departures,
  HeartbeatReceiver,
  KeyKeeper,
  ListeningClock,
  nextPassDelayMs,
  PurgePlanner,
  RecordingRegistry,
  Registrar,
  RegistrationRate,
  type Clock,
  type Identifiers,
  type PassphraseFile,
  type Randomness,
  type RemovalRecorder,
} from '@app/fleet';
import {
  ConsistencyStore,
  Database,
  EventReader,
  FleetCounter,
  FleetReader,
  heartbeatLimitsWithin,
  KeyRingStore,
  LeaseStore,
  ListeningStore,
  PlanStore,
  readMaxPacketBytes,
  RegistryStore,
  RemovalStore,
  RestoreStore,
  SecretStore,
  StampsInFlight,
  type DatabaseServers,
} from '@app/fleet-mysql';
import { mostSockets, HmacCredentials, newSharedKey, SignedText, SystemSecrets, type Settings } from '@app/platform';
import { Callers } from './access/callers.js';
import { RateLimit } from './access/rate-limit.js';
import { neighbourhoodOf, RefusedCallers } from './access/refused-callers.js';
import { RefusedRequests } from './access/refused-requests.js';
import type { UseCases } from './app.module.js';
import { Cursors } from './fleet/cursors.js';
import { FleetCounts } from './fleet/fleet-counts.js';
import { Metrics } from './fleet/metrics.js';
import { NO_DATA_DIRECTORY, ReplicaStatus, type DirectoryState } from './fleet/replica-status.js';
import { Connections } from './connections.js';
import { ClientAddresses } from './edge/client-address.js';
import { RefusedConnections } from './edge/proxy-protocol.js';
import { UnreadResponses, type UnreadLimits } from './edge/unread-responses.js';
import { openHttpDoor } from './http-door.js';
import { LimitedLog } from './limited-log.js';
import { TlsCertificate } from './tls-certificate.js';
import { AvailabilityRecorder, type SiteClock } from './jobs/availability-recorder.js';
import { RepeatingJob } from './jobs/repeating-job.js';
import { Diagnosis } from './process-servers/diagnosis.js';
import { EventExports } from './process-servers/event-exports.js';
import { FleetViews } from './process-servers/fleet-views.js';
import { RefusedHeartbeats } from './process-servers/refused-heartbeats.js';
import { Timelines } from './process-servers/timelines.js';

/** After a record that failed: heartbeats wait for it. */
const RECORD_AGAIN_MS = 500;
const EXPIRE_HEARTBEATS_MS = 100;
const COUNT_FLEET_MS = 60_000;
const NOTE_KEY_USE_MS = 30_000;
const SETTLE_ROTATION_MS = 5_000;
const RENEW_CERTIFICATE_MS = 10_000;
const CHECK_VALIDITY_MS = 24 * 3_600_000;
/** Up to a tenth later, so that replicas drift apart; sooner after a check that failed. */
const CHECK_CONSISTENCY_MS = 3_600_000;
const CHECK_CONSISTENCY_AGAIN_MS = 60_000;
/** For one group at a time, the notes of the listening clock, and the question whether we are ready: no other load keeps these from the database. */
const HEARTBEAT_CONNECTIONS = 3;
/** They wait so long for a row, the others longer. */
const HEARTBEAT_LOCK_WAIT_SECONDS = 1;
const LOCK_WAIT_SECONDS = 3;

/** What a replica is made of; a test gives its own clock. */
export interface ReplicaParts {
  readonly name: string;
  readonly settings: Settings;
  /** Of which both pools of the replica use the same one. */
  readonly servers: DatabaseServers;
  readonly clock: Clock;
  /** How the clock is kept in line with the site's; a clock moved by hand needs none. */
  readonly siteClock?: SiteClock;
  readonly randomness: Randomness;
  readonly identifiers: Identifiers;
  readonly logger: Logger;
  /** Where the operator finds a new passphrase. */
  readonly passphraseFile: PassphraseFile;
  /** Where removals are recorded outside of the database; nowhere in most tests. */
  readonly removalRecorder?: RemovalRecorder;
  readonly directory?: DirectoryState;
  /** Twenty seconds unless told. */
  readonly requestTimeoutMs?: number;
  /** When a call that has arrived is answered at the latest; just below five seconds unless given. */
  readonly answerWithinMs?: number;
  /** 64 MB in 4,096 responses unless told. */
  readonly unreadLimits?: UnreadLimits;
  /** How long an answer about readiness is given again: a second unless told. */
  readonly readyForMs?: number;
  /** Twenty seconds unless told. */
  readonly longestUnreadExportMs?: number;
}

/** One replica of the configuration server on a migrated database. Any number may run beside each other. */
export class Replica {
  private readonly jobs: readonly RepeatingJob[];

  private constructor(
    private readonly database: Database,
    private readonly heartbeatDatabase: Database,
    readonly secrets: SecretStore,
    readonly keys: KeyRingStore,
    private readonly keeper: KeyKeeper,
    /** Null without TLS. */
    readonly certificate: TlsCertificate | null,
    readonly listening: ListeningClock,
    readonly availability: AvailabilityRecorder,
    readonly receiver: HeartbeatReceiver,
    readonly cleanUp: CleanUp,
    readonly consistency: ConsistencyCheck,
    readonly status: ReplicaStatus,
    readonly http: NestFastifyApplication,
    readonly connections: Connections,
    jobs: readonly RepeatingJob[],
  ) {
    this.jobs = jobs;
  }

  /** Composes all of it; listens to nobody and does nothing by itself yet. */
  static async make({
    name,
    settings,
    servers,
    clock,
    siteClock,
    randomness,
    identifiers,
    logger,
    passphraseFile,
    removalRecorder,
    directory = NO_DATA_DIRECTORY,
    requestTimeoutMs,
    answerWithinMs,
    unreadLimits,
    readyForMs,
    longestUnreadExportMs,
  }: ReplicaParts): Promise<Replica> {
    const { version, versionPolicy, reregistrationProof: proofPolicy, lease: leaseTiming } = settings;
    const database = new Database(servers, randomness, {
      connections: settings.databaseConnections,
      lockWaitSeconds: LOCK_WAIT_SECONDS,
    });
    const heartbeatDatabase = new Database(servers, randomness, {
      connections: HEARTBEAT_CONNECTIONS,
      lockWaitSeconds: HEARTBEAT_LOCK_WAIT_SECONDS,
    });

    const stamps = new StampsInFlight();
    const registry = new RegistryStore(database, clock, identifiers, stamps);
    const changes = removalRecorder ? new RecordingRegistry(registry, removalRecorder) : registry;
    const removals = new RemovalStore(database, clock, identifiers, removalRecorder);
    const plans = new PlanStore(database, clock, version);
    const counter = new FleetCounter(database, clock, version);
    const secrets = new SecretStore(database, clock, identifiers);
    const keys = new KeyRingStore(database, clock, identifiers);
    const credentials = new HmacCredentials(await secrets.sharedKey('credential_hmac', newSharedKey()));
    const cursors = new Cursors(new SignedText(await secrets.sharedKey('cursor_hmac', newSharedKey())));

    const availability = availabilityTiming(leaseTiming.leaseSeconds);
    const listening = new ListeningClock(
      new ListeningStore(heartbeatDatabase, identifiers, name, availability),
      clock,
      availability,
      async (row, isMoving) => siteClock?.reconcile(row.notedAt, isMoving),
    );
    const events = new EventReader(database, clock, listening);
    const reader = new FleetReader(database, clock, version, stamps, listening);
    const pauseMs = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
    const leases = new LeaseStore(heartbeatDatabase, identifiers, version, stamps);
    const heartbeatLimits = heartbeatLimitsWithin(await readMaxPacketBytes(database), settings.heartbeats);
    const receiver = new HeartbeatReceiver(
      leases,
      listening,
      clock,
      randomness,
      version,
      leaseTiming,
      heartbeatLimits,
      pauseMs,
    );
    const cleanUp = new CleanUp(
      removals,
      () => listening.cleanUpMoment,
      settings.cleanUp,
      settings.eventRetentionDays,
      name,
    );
    const promise = new CleanUpPromise(new RemovalStore(heartbeatDatabase, clock, identifiers), clock);
    const refused = new RefusedCallers(clock, registry);
    const limits = {
      ofKeys: new RateLimit(settings.limits.keyRequestsPerSecond, clock),
      ofStrangers: new RateLimit(settings.limits.strangerRequestsPerSecond, clock),
    };
    const databaseDifferenceMs = (): number => siteClock?.databaseDifferenceMs ?? 0;
    const consistency = new ConsistencyCheck(new ConsistencyStore(database, clock, identifiers), registry, clock);
    const unread = new UnreadResponses(unreadLimits);
    const limitedLog = new LimitedLog(logger, clock);
    const refusedRequests = new RefusedRequests(registry, clock, limitedLog);
    const refusedConnections = settings.http.proxyProtocol ? new RefusedConnections(limitedLog) : null;
    const clients = new ClientAddresses(settings.http.trustedProxies, settings.http.proxyHeader);
    const metrics = new Metrics({
      receiver,
      listening,
      refused,
      promise,
      databaseDifferenceMs,
      unread,
      consistency,
      limitedLog,
      refusedConnections,
      refusedRequests,
      servers,
    });
    const status = new ReplicaStatus(
      { replica: name, version, versionPolicy },
      database,
      heartbeatDatabase,
      clock,
      listening,
      receiver,
      promise,
      removals,
      databaseDifferenceMs,
      new RestoreStore(database, clock, identifiers),
      directory,
      readyForMs,
    );
    const views = new FleetViews(reader, registry, cursors, version);
    const keeper = new KeyKeeper(
      keys,
      new SystemSecrets(),
      passphraseFile,
      identifiers,
      clock,
      settings.passphraseOverlapSeconds,
    );
    const registrationRate = new RegistrationRate(clock, randomness, settings.registrations, neighbourhoodOf);
    const useCases: UseCases = {
      clock,
      randomness,
      callers: new Callers(keys, credentials, refused, limits, settings.metricsNeedReader),
      registrar: new Registrar(
        changes,
        credentials,
        randomness,
        () => receiver.fleetSize,
        { version, versionPolicy, leaseTiming, proofPolicy },
        registrationRate,
      ),
      receiver,
      refusedHeartbeats: new RefusedHeartbeats(registry),
      refusedRequests,
      departures: new Departures(changes, settings.cleanUp),
      planner: new PurgePlanner(plans, changes, clock, identifiers),
      views,
      timelines: new Timelines(events, views, cursors),
      exports: new EventExports(events, clock, longestUnreadExportMs),
      diagnosis: new Diagnosis(views, events, version),
      counts: new FleetCounts(counter, removals, clock),
      status,
      metrics,
      keys: keeper,
      cursors,
      answerWithinMs,
    };
    const http = await openHttpDoor(
      useCases,
      { tls: settings.http.tls, requestTimeoutMs, unread, clients, refusedConnections },
      logger,
    );
    const certificate =
      settings.http.tls &&
      new TlsCertificate(settings.http.tls, http.getHttpServer() as unknown as HttpsServer, clock, logger);
    if (certificate) metrics.observe(certificate);
    const connections = new Connections(
      http.getHttpServer(),
      settings.http.tls !== null,
      Math.min(settings.http.mostConnections, mostSockets()),
    );

    const recorder = new AvailabilityRecorder(receiver, listening, siteClock, logger);

    const jobs = [
      new RepeatingJob(
        'record availability',
        () => recorder.record(),
        (failed) => (failed ? Math.min(RECORD_AGAIN_MS, availability.recordIntervalMs) : availability.recordIntervalMs),
        logger,
      ),
      new RepeatingJob(
        'expire heartbeats',
        async () => receiver.expire(),
        () => EXPIRE_HEARTBEATS_MS,
        logger,
      ),
      new RepeatingJob(
        'count the fleet',
        async () => (receiver.fleetSize = await counter.senders()),
        () => COUNT_FLEET_MS,
        logger,
      ),
      ...(certificate ? certificateJobs(certificate, logger) : []),
      new RepeatingJob(
        'note the use of keys',
        () => keys.noteUses(),
        () => NOTE_KEY_USE_MS,
        logger,
      ),
      new RepeatingJob(
        'settle a rotation',
        () => keeper.settleRotation(),
        () => SETTLE_ROTATION_MS,
        logger,
      ),
      new RepeatingJob(
        'clean up',
        () => cleanUpPass(cleanUp, promise, metrics, logger),
        () => nextPassDelayMs(settings.cleanUp, randomness.fraction()),
        logger,
      ),
      new RepeatingJob(
        'check the consistency',
        () => consistencyPass(consistency, logger),
        (failed) => (failed ? CHECK_CONSISTENCY_AGAIN_MS : CHECK_CONSISTENCY_MS * (1 + randomness.fraction() / 10)),
        logger,
      ),
    ];
    return new Replica(
      database,
      heartbeatDatabase,
      secrets,
      keys,
      keeper,
      certificate,
      listening,
      recorder,
      receiver,
      cleanUp,
      consistency,
      status,
      http,
      connections,
      jobs,
    );
  }

  /** Begins to listen on the clock and to sweep. A rotation that an earlier start left half done is settled before anybody asks. */
  async start(): Promise<void> {
    await this.keeper.settleRotation();
    await this.availability.record();
    for (const job of this.jobs) job.start();
  }

  /** Answers what is in flight, takes nothing new, and lets the database go. */
  async stop(): Promise<void> {
    await this.receiver.drain();
    this.cleanUp.stop();
    this.consistency.stop();
    await Promise.all(this.jobs.map((job) => job.stop()));
    await this.http.close();
    await this.keys.noteUses().catch(() => undefined); // a database that is away must not hold the stop up
    await this.heartbeatDatabase.close();
    await this.database.close();
  }
}

const certificateJobs = (certificate: TlsCertificate, logger: Logger): RepeatingJob[] => [
  new RepeatingJob(
    'renew the certificate',
    () => certificate.renewAndLog(),
    () => RENEW_CERTIFICATE_MS,
    logger,
  ),
  new RepeatingJob(
    'check the validity of the certificate',
    async () => certificate.warnWhenInvalid(),
    () => CHECK_VALIDITY_MS,
    logger,
  ),
];

async function consistencyPass(consistency: ConsistencyCheck, logger: Logger): Promise<void> {
  const { found, repaired } = await consistency.pass();
  if (found.size > 0)
    logger.error({ found: Object.fromEntries(found), repaired }, 'stored rows contradicted each other');
}

async function cleanUpPass(cleanUp: CleanUp, promise: CleanUpPromise, metrics: Metrics, logger: Logger): Promise<void> {
  try {
    const pass = await cleanUp.pass();
    metrics.passed(pass);
    if (pass.removed > 0) logger.info({ removed: pass.removed }, 'decommissioned entries removed');
  } catch (error) {
    metrics.passFailed();
    throw error;
  } finally {
    const overdueSeconds = await promise.overdueSeconds().catch(() => 0); // the pass itself says when the database is away
    if (overdueSeconds > 0) logger.error({ overdueSeconds }, 'a decommissioned entry is kept beyond its promise');
  }
}

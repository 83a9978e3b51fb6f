import type { Server as HttpsServer } from 'node:https';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Logger } from 'pino';
import {
  availabilityTiming,
  CleanUp,
  CleanUpDeadlineMonitor,
  ConsistencyCheck,
  RemovalService,
  HeartbeatReceiver,
  KeyService,
  LocalAvailabilityClock,
  nextRunDelayMs,
  PurgePlanner,
  RecordingRegistry,
  RegistrationService,
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
  EventLogQuery,
  FleetSummaryQuery,
  ProcessServerListQuery,
  limitHeartbeatBatches,
  KeyRingStore,
  LeaseStore,
  AvailabilityClockStore,
  PlanStore,
  readMaxPacketBytes,
  RegistryStore,
  RemovalStore,
  RestoreStore,
  SecretStore,
  PendingWrites,
  type DatabaseServers,
} from '@app/fleet-mysql';
import { maxOpenSockets, HmacCredentials, newSharedKey, RandomSecretGenerator, type Settings } from '@app/platform';
import { Authenticator } from './access/authenticator.js';
import { RateLimit } from './access/rate-limit.js';
import { addressBlockOf, FailedAttemptTracker } from './access/failed-attempts.js';
import { RejectedRequestAudit } from './access/rejected-request-audit.js';
import type { AppServices } from './app.module.js';
import { FleetSummaryCache } from './queries/fleet-summary-cache.js';
import { Metrics } from './operations/metrics.js';
import { NO_DATA_DIRECTORY, InstanceStatus, type DirectoryState } from './operations/instance-status.js';
import { ConnectionLimiter } from './edge/connection-limiter.js';
import { ClientAddresses } from './edge/client-address.js';
import { RejectedConnections } from './edge/proxy-protocol.js';
import { UnreadResponses, type UnreadLimits } from './edge/unread-responses.js';
import { createHttpServer } from './http-server.js';
import { RateLimitedLog } from './edge/rate-limited-log.js';
import { TlsCertificate } from './edge/tls-certificate.js';
import { MeasuredLeases } from './operations/measured-leases.js';
import { AvailabilityRecorder, type SiteClock } from './operations/availability-recorder.js';
import { PeriodicJob } from './operations/periodic-job.js';
import { DiagnosisService } from './queries/diagnosis.js';
import { EventExports } from './queries/event-exports.js';
import { ProcessServerQueries } from './queries/process-server-queries.js';
import { RejectedHeartbeatRecorder } from './heartbeats/rejected-heartbeat-recorder.js';
import { EventQueries } from './queries/event-queries.js';

/** Retry delay after a failed record, because heartbeats wait for it. */
const AVAILABILITY_RETRY_MS = 500;
const HEARTBEAT_EXPIRY_MS = 100;
const FLEET_SIZE_REFRESH_MS = 60_000;
const KEY_USAGE_FLUSH_MS = 30_000;
const ROTATION_RECOVERY_MS = 5_000;
const CERTIFICATE_RELOAD_MS = 10_000;
const CERTIFICATE_CHECK_MS = 24 * 3_600_000;
/** Plus up to a tenth of jitter, so that replicas spread; sooner after a failed check. */
const CONSISTENCY_CHECK_MS = 3_600_000;
const CONSISTENCY_RETRY_MS = 60_000;
/** For one batch at a time, the availability recorder and the readiness check: no other load keeps these from the database. */
const HEARTBEAT_CONNECTIONS = 3;
/** Row lock timeout of these connections; the others wait longer. */
const HEARTBEAT_LOCK_WAIT_SECONDS = 1;
const LOCK_WAIT_SECONDS = 3;

/** Dependencies of a replica; a test supplies its own clock. */
export interface ServerInstanceOptions {
  readonly name: string;
  readonly settings: Settings;
  /** Shared by both pools of the replica. */
  readonly servers: DatabaseServers;
  readonly clock: Clock;
  /** How the clock is synchronised with the site's; a manual clock needs none. */
  readonly siteClock?: SiteClock;
  readonly randomness: Randomness;
  readonly identifiers: Identifiers;
  readonly logger: Logger;
  /** Where the operator finds a new passphrase. */
  readonly passphraseFile: PassphraseFile;
  /** Records removals outside of the database; absent in most tests. */
  readonly removalRecorder?: RemovalRecorder;
  readonly directory?: DirectoryState;
  /** Default 20 s. */
  readonly requestTimeoutMs?: number;
  /** Deadline of the response after the last byte of the request; default just below 5 s. */
  readonly responseTimeoutMs?: number;
  /** Default 64 MB in 4,096 responses. */
  readonly unreadLimits?: UnreadLimits;
  /** How long a readiness result is reused; default 1 s. */
  readonly readinessTtlMs?: number;
  /** Default 20 s. */
  readonly maxUnreadExportMs?: number;
}

/** One replica of the configuration server on a migrated database. Several replicas can run concurrently. */
export class ServerInstance {
  private readonly jobs: readonly PeriodicJob[];

  private constructor(
    private readonly database: Database,
    private readonly heartbeatDatabase: Database,
    readonly secrets: SecretStore,
    readonly keys: KeyRingStore,
    private readonly keyService: KeyService,
    /** Null without TLS. */
    readonly certificate: TlsCertificate | null,
    readonly availabilityClock: LocalAvailabilityClock,
    readonly availability: AvailabilityRecorder,
    readonly receiver: HeartbeatReceiver,
    readonly cleanUp: CleanUp,
    readonly consistency: ConsistencyCheck,
    readonly status: InstanceStatus,
    readonly http: NestFastifyApplication,
    readonly connections: ConnectionLimiter,
    jobs: readonly PeriodicJob[],
  ) {
    this.jobs = jobs;
  }

  /** Creates all parts; no port is open and no job is running yet. */
  static async create({
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
    responseTimeoutMs,
    unreadLimits,
    readinessTtlMs,
    maxUnreadExportMs,
  }: ServerInstanceOptions): Promise<ServerInstance> {
    const { version, versionPolicy, reregistrationProof: proofPolicy, lease: leaseTiming } = settings;
    const database = new Database(servers, randomness, {
      connections: settings.databasePoolSize,
      lockWaitSeconds: LOCK_WAIT_SECONDS,
    });
    const heartbeatDatabase = new Database(servers, randomness, {
      connections: HEARTBEAT_CONNECTIONS,
      lockWaitSeconds: HEARTBEAT_LOCK_WAIT_SECONDS,
    });

    const pendingWrites = new PendingWrites();
    const registry = new RegistryStore(database, clock, identifiers, pendingWrites);
    const changes = removalRecorder ? new RecordingRegistry(registry, removalRecorder) : registry;
    const removals = new RemovalStore(database, clock, identifiers, removalRecorder);
    const plans = new PlanStore(database, clock, version);
    const counter = new FleetSummaryQuery(database, clock, version);
    const secrets = new SecretStore(database, clock, identifiers);
    const keys = new KeyRingStore(database, clock, identifiers);
    const credentials = new HmacCredentials(await secrets.getOrCreateSharedKey('credential_hmac', newSharedKey()));

    const availability = availabilityTiming(leaseTiming.leaseSeconds);
    const availabilityClock = new LocalAvailabilityClock(
      new AvailabilityClockStore(heartbeatDatabase, identifiers, name, availability),
      clock,
      availability,
      async (row, isMoving) => siteClock?.reconcile(row.recordedAt, isMoving),
    );
    const events = new EventLogQuery(database, clock, availabilityClock);
    const reader = new ProcessServerListQuery(database, clock, version, pendingWrites, availabilityClock);
    const pauseMs = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
    const leases = new MeasuredLeases(new LeaseStore(heartbeatDatabase, identifiers, version, pendingWrites));
    const heartbeatLimits = limitHeartbeatBatches(await readMaxPacketBytes(database), settings.heartbeats);
    const receiver = new HeartbeatReceiver(
      leases,
      availabilityClock,
      clock,
      randomness,
      version,
      leaseTiming,
      heartbeatLimits,
      pauseMs,
    );
    const cleanUp = new CleanUp(
      removals,
      () => availabilityClock.cleanUpMoment,
      settings.cleanUp,
      settings.eventRetentionDays,
      name,
    );
    const deadlineMonitor = new CleanUpDeadlineMonitor(new RemovalStore(heartbeatDatabase, clock, identifiers), clock);
    const failedAttempts = new FailedAttemptTracker(clock, registry);
    const limits = {
      perApiKey: new RateLimit(settings.limits.apiKeyRequestsPerSecond, clock),
      anonymous: new RateLimit(settings.limits.anonymousRequestsPerSecond, clock),
    };
    const databaseDifferenceMs = (): number => siteClock?.databaseDifferenceMs ?? 0;
    const consistency = new ConsistencyCheck(new ConsistencyStore(database, clock, identifiers), registry, clock);
    const unread = new UnreadResponses(unreadLimits);
    const rateLimitedLog = new RateLimitedLog(logger, clock);
    const rejectedRequestAudit = new RejectedRequestAudit(registry, clock, rateLimitedLog);
    const rejectedConnections = settings.http.proxyProtocol ? new RejectedConnections(rateLimitedLog) : null;
    const clients = new ClientAddresses(settings.http.trustedProxies, settings.http.proxyHeader);
    const counts = new FleetSummaryCache(counter, removals, clock);
    const metrics = new Metrics({
      version,
      receiver,
      leases,
      counts,
      pools: { heartbeats: heartbeatDatabase, requests: database },
      availabilityClock,
      failedAttempts,
      deadlineMonitor,
      databaseDifferenceMs,
      unread,
      consistency,
      rateLimitedLog,
      rejectedConnections,
      rejectedRequestAudit,
      servers,
    });
    const status = new InstanceStatus(
      { replica: name, version, versionPolicy },
      database,
      heartbeatDatabase,
      clock,
      availabilityClock,
      receiver,
      deadlineMonitor,
      removals,
      databaseDifferenceMs,
      new RestoreStore(database, clock, identifiers),
      directory,
      readinessTtlMs,
    );
    const processServerQueries = new ProcessServerQueries(reader, registry, version);
    const keyService = new KeyService(
      keys,
      new RandomSecretGenerator(),
      passphraseFile,
      identifiers,
      clock,
      settings.passphraseOverlapSeconds,
    );
    const registrationRate = new RegistrationRate(clock, randomness, settings.registrations, addressBlockOf);
    const appServices: AppServices = {
      clock,
      randomness,
      authenticator: new Authenticator(keys, credentials, failedAttempts, limits, settings.metricsRequireReader),
      registrationService: new RegistrationService(
        changes,
        credentials,
        randomness,
        () => receiver.fleetSize,
        { version, versionPolicy, leaseTiming, proofPolicy },
        registrationRate,
      ),
      receiver,
      rejectedHeartbeats: new RejectedHeartbeatRecorder(registry),
      rejectedRequestAudit,
      removalService: new RemovalService(changes, settings.cleanUp),
      planner: new PurgePlanner(plans, changes, clock, identifiers),
      processServerQueries,
      eventQueries: new EventQueries(events, processServerQueries),
      eventExports: new EventExports(events, clock, maxUnreadExportMs),
      diagnosisService: new DiagnosisService(processServerQueries, events, version),
      fleetSummary: counts,
      status,
      metrics,
      keyService: keyService,
      responseTimeoutMs,
    };
    const http = await createHttpServer(
      appServices,
      { ...settings.http, requestTimeoutMs, unread, clients, rejectedConnections },
      logger,
    );
    const certificate =
      settings.http.tls &&
      new TlsCertificate(settings.http.tls, http.getHttpServer() as unknown as HttpsServer, clock, logger);
    if (certificate) metrics.observeCertificate(certificate);
    const connections = new ConnectionLimiter(
      http.getHttpServer(),
      settings.http.tls !== null,
      Math.min(settings.http.maxConnections, maxOpenSockets()),
    );

    const availabilityRecorder = new AvailabilityRecorder(receiver, availabilityClock, siteClock, logger);

    const jobs = [
      new PeriodicJob(
        'availability-tick',
        () => availabilityRecorder.record(),
        (failed) =>
          failed ? Math.min(AVAILABILITY_RETRY_MS, availability.recordIntervalMs) : availability.recordIntervalMs,
        logger,
      ),
      new PeriodicJob(
        'heartbeat-expiry',
        async () => receiver.expire(),
        () => HEARTBEAT_EXPIRY_MS,
        logger,
      ),
      new PeriodicJob(
        'fleet-size',
        async () => {
          receiver.fleetSize = await counter.senders();
          await counts.current();
        },
        () => FLEET_SIZE_REFRESH_MS,
        logger,
      ),
      ...(certificate ? certificateJobs(certificate, logger) : []),
      new PeriodicJob(
        'key-usage-flush',
        () => keys.flushKeyUsage(),
        () => KEY_USAGE_FLUSH_MS,
        logger,
      ),
      new PeriodicJob(
        'rotation-recovery',
        () => keyService.recoverRotation(),
        () => ROTATION_RECOVERY_MS,
        logger,
      ),
      new PeriodicJob(
        'clean-up',
        () => runCleanUp(cleanUp, deadlineMonitor, metrics, logger),
        () => nextRunDelayMs(settings.cleanUp, randomness.random()),
        logger,
      ),
      new PeriodicJob(
        'consistency-check',
        () => runConsistencyCheck(consistency, logger),
        (failed) => (failed ? CONSISTENCY_RETRY_MS : CONSISTENCY_CHECK_MS * (1 + randomness.random() / 10)),
        logger,
      ),
    ];
    return new ServerInstance(
      database,
      heartbeatDatabase,
      secrets,
      keys,
      keyService,
      certificate,
      availabilityClock,
      availabilityRecorder,
      receiver,
      cleanUp,
      consistency,
      status,
      http,
      connections,
      jobs,
    );
  }

  /** Starts the availability clock and the jobs. A passphrase rotation that an earlier start left unfinished is recovered first. */
  async start(): Promise<void> {
    await this.keyService.recoverRotation();
    await this.availability.record();
    for (const job of this.jobs) job.start();
  }

  /** Completes the requests in flight, accepts no others, and closes the database. */
  async stop(): Promise<void> {
    await this.receiver.drain();
    this.cleanUp.stop();
    this.consistency.stop();
    await Promise.all(this.jobs.map((job) => job.stop()));
    await this.http.close();
    await this.keys.flushKeyUsage().catch(() => undefined); // an unavailable database must not delay the shutdown
    await this.heartbeatDatabase.close();
    await this.database.close();
  }
}

const certificateJobs = (certificate: TlsCertificate, logger: Logger): PeriodicJob[] => [
  new PeriodicJob(
    'certificate-reload',
    () => certificate.reloadAndLog(),
    () => CERTIFICATE_RELOAD_MS,
    logger,
  ),
  new PeriodicJob(
    'certificate-check',
    async () => certificate.warnWhenInvalid(),
    () => CERTIFICATE_CHECK_MS,
    logger,
  ),
];

async function runConsistencyCheck(consistency: ConsistencyCheck, logger: Logger): Promise<void> {
  const { found, repaired } = await consistency.run();
  if (found.size > 0)
    logger.error({ found: Object.fromEntries(found), repaired }, 'stored rows contradicted each other');
}

async function runCleanUp(
  cleanUp: CleanUp,
  deadlineMonitor: CleanUpDeadlineMonitor,
  metrics: Metrics,
  logger: Logger,
): Promise<void> {
  try {
    const run = await cleanUp.run();
    metrics.recordCleanUpRun(run);
    if (run.removed > 0) logger.info({ removed: run.removed }, 'decommissioned entries removed');
  } catch (error) {
    metrics.recordCleanUpFailure();
    throw error;
  } finally {
    const overdueSeconds = await deadlineMonitor.overdueSeconds().catch(() => 0); // the run itself reports an unavailable database
    if (overdueSeconds > 0) logger.error({ overdueSeconds }, 'a decommissioned entry is overdue for removal');
  }
}

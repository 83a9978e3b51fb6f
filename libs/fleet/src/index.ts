export { Batcher, fulfilled, rejected, type BatchOutcome } from './batcher.js';
export { CleanUp, CleanUpDeadlineMonitor, nextRunDelayMs, type CleanUpMoment } from './removal/clean-up.js';
export { decommission, type CleanUpTiming, type DecommissionActor } from './removal/decommission.js';
export { RemovalService } from './removal/removal-service.js';
export {
  enrolmentError,
  enrolmentStateAt,
  isRepetition,
  type CreateEnrolmentCommand,
  type Enrolment,
  type EnrolmentDecision,
  type EnrolmentState,
} from './enrolments/enrolment.js';
export { installCommand, newestInstallable } from './enrolments/install-package.js';
export { EnrolmentService, type IssuedEnrolment } from './enrolments/enrolment-service.js';
export { boundHeartbeatEvents, MAX_EVENTS_PER_HOUR, NO_EVENTS_YET, type EventBounds } from './events/event-bounds.js';
export {
  callerAuthor,
  EVENT_KINDS,
  systemAuthor,
  rejectionKey,
  type EventAuthor,
  type EventKind,
  type FleetEvent,
} from './events/fleet-event.js';
export type { FleetFilter } from './fleet-filter.js';
export { FleetError, instructionFor, type FleetErrorDetails } from './fleet-error.js';
export {
  CERTIFICATE_WARNING_MS,
  healthAt,
  isServiceRunning,
  loadStatusesAt,
  servicesStatusAt,
  certificateStatusAt,
  NO_REPORT,
  type Health,
  type HealthMoment,
  type ReportedHealth,
  type ServiceState,
} from './health/health.js';
export { STATUS_BY_RANK, statusRank, type ComponentStatus } from './health/component-status.js';
export {
  afterReport,
  ageSecondsAt,
  clearAfterMs,
  HEALTH_WINDOW_MS,
  rewriteAfterMs,
  type SignalReport,
  type SignalState,
} from './health/health-window.js';
export {
  CRITICAL_BITS,
  criticalBit,
  LOAD_BITS,
  LOAD_SIGNALS,
  loadSides,
  loadStatus,
  roundedPercent,
  signalStatuses,
  WARNING_BITS,
  warningBit,
  type Load,
  type LoadSignal,
  type Sides,
} from './health/load.js';
export { HEALTH_ERROR_CATALOGUE, type HealthErrorDescription } from './health/health-error-catalogue.js';
export { HEALTH_ERROR_CODES, healthErrorsAt, type HealthError, type HealthErrorCode } from './health/health-errors.js';
export {
  currentRefusals,
  mayConcernAnotherMachine,
  REFUSAL_KINDS,
  refusalsAmong,
  type Refusal,
} from './events/refusal-explanations.js';
export {
  checkHeartbeat,
  heartbeatEvents,
  nextInstances,
  rejectionEventKind,
  type ForgettableMember,
  type Heartbeat,
  type HeartbeatVerdict,
  type IgnoredMembers,
  type StoredLease,
  type WithdrawableMember,
  type QueuedHeartbeat,
} from './heartbeats/heartbeat.js';
export {
  HeartbeatReceiver,
  type HeartbeatResult,
  type HeartbeatCallbacks,
  type HeartbeatLimits,
} from './heartbeats/heartbeat-receiver.js';
export { KeyService, type KeyPage } from './keys/key-service.js';
export {
  isRetired,
  createApiKey,
  revokeApiKey,
  rotatePassphrase,
  type ApiKey,
  type KeyRingSnapshot,
  type KeyDecision,
  type KeyWrite,
  type GeneratedSecret,
  type Passphrase,
  type Role,
} from './keys/key-ring.js';
export { type LeaseTiming } from './heartbeats/lease.js';
export {
  availabilityTiming,
  disagrees,
  toWallClock,
  initialAvailability,
  availableMsAt,
  advanceAvailability,
  MAX_CLOCK_DISAGREEMENT_MS,
  type AvailabilityAttempt,
  type AvailabilityRecord,
  type AvailabilityTiming,
  type ClockDisagreement,
  type AvailabilityState,
} from './availability/availability-clock.js';
export type { Moment } from './availability/moment.js';
export { LocalAvailabilityClock } from './availability/local-availability-clock.js';
export {
  Clock,
  CredentialIssuer,
  EnrolmentTokenIssuer,
  Enrolments,
  Identifiers,
  Inconsistencies,
  KeyRing,
  Leases,
  AvailabilityStore,
  PassphraseFile,
  PurgePlans,
  Randomness,
  Registry,
  Releases,
  VersionRuleSource,
  RemovalRecorder,
  Removals,
  SecretGenerator,
  type CleanUpBatch,
  type CleanUpRun,
  type DamagedHost,
  type Decision,
  type Due,
  type CleanUpCursor,
  type RetentionLimits,
  type LockedRecord,
  type IssuedCredential,
  type PossibleDuplicate,
  type RecordWrite,
} from './ports.js';
export { nameKey, normalizedName } from './registration/name.js';
export {
  connectionStateAt,
  INCONSISTENCY_KINDS,
  keyNameOf,
  lifecycleOf,
  operatorName,
  type Actor,
  type ConnectionState,
  type Damage,
  type Decommission,
  type Environment,
  type HostRecord,
  type HostRows,
  type IdentityFacts,
  type InconsistencyKind,
  type Lease,
  type Lifecycle,
  type ListedServer,
  type ProcessServer,
  OMITTED_FACTS,
  type ProcessServerFacts,
  type ProxyFacts,
  type Tombstone,
} from './process-server.js';
export { damageOf, repair } from './consistency/consistency.js';
export { ConsistencyCheck, type ConsistencyReport } from './consistency/consistency-check.js';
export { checkProtectedMachines, purge, type PurgeResult, type PurgeCommand } from './removal/purge.js';
export {
  PLAN_LIFETIME_MS,
  MAX_PLANS_PER_CALLER,
  PlanAlreadyApplied,
  type PlanCandidate,
  type PlanResult,
  type PurgePlan,
} from './removal/purge-plan.js';
export { PurgePlanner } from './removal/purge-planner.js';
export { RecordingRegistry } from './restore/recording-registry.js';
export {
  directoryDifference,
  floorAfterRestore,
  lastRemovalRecords,
  removeAgain,
  wasRestoredElsewhere,
  type DirectoryDifference,
  type DirectoryRecord,
  type RemovalRecord,
  type SiteEpoch,
} from './restore/restore.js';
export { RegistrationService } from './registration/registration-service.js';
export {
  register,
  MAX_GENERATION,
  type RegistrationResult,
  type RegistrationCommand,
  type RegistrationPolicy,
} from './registration/registration.js';
export type { PresentedSecret } from './registration/registration-findings.js';
export { PROOF_POLICIES, type ProofPolicy } from './registration/registration-proof.js';
export { RegistrationRate, type RegistrationLimits } from './registration/registration-rate.js';
export { revokeCredential } from './registration/credential-revocation.js';
export { SIZING_TABLE, sizingClassOf, type Hardware, type SizingClass } from './registration/sizing.js';
export {
  capacityOf,
  CLASS_LIMITS,
  noPlaceReasons,
  type Capacity,
  type KnownWorkload,
  type NoPlaceReason,
  type Workload,
} from './capacity/capacity.js';
export { nextMachine, siteRoomOf, type AddReason, type Place, type SiteRoom } from './capacity/site-capacity.js';
export {
  compareReleases,
  MAX_RELEASES,
  osKeyOf,
  assertSupportPeriodValid,
  putRelease,
  RELEASE_COMPONENTS,
  RELEASE_OS_TYPES,
  removeRelease,
  sortedFlags,
  type OsKey,
  type Release,
  type ReleaseComponent,
  type ReleaseDecision,
  type ReleaseFacts,
  type ReleaseFlag,
  type ReleaseKey,
  type ReleaseOsType,
  type ReleaseSnapshot,
} from './version/release.js';
export { findUpgradePath, type UpgradeBlock, type UpgradePath } from './version/upgrade-path.js';
export {
  defaultUpgradeTarget,
  ReadinessRules,
  UPGRADE_ORDER,
  type InstalledVersion,
  type UpgradeReadiness,
} from './version/upgrade-readiness.js';
export { fixedVersionRules } from './version/fixed-version-rules.js';
export {
  VersionRules,
  type KeyRange,
  type VersionException,
  type VersionStatusReason,
  type VersionVerdict,
} from './version/version-rules.js';
export {
  canonicalVersion,
  compareVersions,
  formatVersion,
  parseVersion,
  parseVersionKey,
  versionKey,
  type Version,
  type VersionPolicy,
  type VersionStatus,
} from './version/version.js';
export { WindowCounter } from './window-counter.js';
export {
  CERTIFICATE_STAGES,
  certificateEvent,
  expiriesReaching,
  type CertificateStage,
} from './monitor/certificate-events.js';
export { disconnectedEvent, isSilenceSuppressed, silenceEvents, type EndedLease } from './monitor/connection-events.js';
export { Monitor } from './monitor/monitor.js';
export {
  HEALTH_SCANS,
  HealthReviews,
  MonitorStore,
  type HealthScan,
  type MonitorBatch,
  type MonitorScan,
  type ReviewBatch,
} from './monitor/monitor-store.js';
export {
  healthChange,
  healthEvent,
  healthToPublish,
  isBeforeWarning,
  newCertificateStage,
  type PublishedHealth,
} from './monitor/health-events.js';

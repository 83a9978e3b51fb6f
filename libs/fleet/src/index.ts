export { CleanUp, CleanUpPromise, CLEAN_UP_BATCH, nextPassDelayMs, type CleanUpMoment } from './clean-up.js';
export {
  decommission,
  removeByFrom,
  type CleanUpTiming,
  type DecommissionBy,
  type DecommissionOrder,
} from './decommission.js';
export { Departures } from './departures.js';
export { boundedNews, MOST_IN_AN_HOUR, NO_EVENTS_YET, type EventBounds, type NewsKind } from './event-bounds.js';
export {
  calledBy,
  EVENT_KINDS,
  ownDoing,
  refusalKey,
  type EventAuthor,
  type EventKind,
  type FleetEvent,
} from './fleet-event.js';
export type { FleetFilter } from './fleet-filter.js';
export { FleetError, instructionFor, type FleetFault, type Instruction } from './fleet-fault.js';
export {
  CERTIFICATE_WARNING_MS,
  HEALTH_WINDOW_MS,
  healthAt,
  healthErrorsAt,
  isRunning,
  loadStatus,
  loadStatuses,
  loadStatusesAt,
  roundedPercent,
  servicesStatusAt,
  worstLoadStatus,
  certificateStatusAt,
  NOTHING_REPORTED,
  reportsAheadFrom,
  STATUS_BY_RANK,
  statusRank,
  type ComponentStatus,
  type Health,
  type HealthError,
  type HealthErrorCode,
  type HealthMoment,
  type Load,
  type LoadSignal,
  type ReportedHealth,
  type ServiceState,
} from './health.js';
export { currentRefusals, maybeOfAnother, REFUSAL_KINDS, refusalsAmong, type Refusal } from './refusal-explanations.js';
export {
  credentialFault,
  heartbeatFault,
  heartbeatNews,
  instancesAfter,
  refusalKind,
  type ForgettableMember,
  type Heartbeat,
  type HeartbeatVerdict,
  type IgnoredMembers,
  type LeaseOnRecord,
  type WithdrawableMember,
  type WaitingHeartbeat,
} from './heartbeat.js';
export {
  HeartbeatReceiver,
  type HeartbeatAnswer,
  type HeartbeatCaller,
  type HeartbeatLimits,
} from './heartbeat-receiver.js';
export { KeyKeeper, type KeyPage } from './key-keeper.js';
export {
  isRetired,
  createApiKey,
  keysListed,
  revokeApiKey,
  rotatePassphrase,
  ROLES,
  type ApiKey,
  type ApiKeyOrder,
  type HeldKeys,
  type KeyDecision,
  type KeyWrite,
  type MadeSecret,
  type Passphrase,
  type Role,
  type Rotation,
} from './key-ring.js';
export { intervalToTell, leaseSecondsFor, type LeaseTiming } from './lease.js';
export {
  availabilityTiming,
  disagrees,
  earliestWallInstant,
  firstListening,
  listenedMsAt,
  noteListening,
  REPLICAS_MAY_DIFFER_MS,
  type AvailabilityAttempt,
  type AvailabilityRecord,
  type AvailabilityTiming,
  type ClockDisagreement,
  type ClockStep,
  type Listening,
  type ListeningOutage,
} from './listening.js';
export { ListeningClock, type ReconcileClock } from './listening-clock.js';
export {
  Clock,
  CredentialMint,
  Identifiers,
  Inconsistencies,
  KeyRing,
  Leases,
  ListeningNotes,
  PassphraseFile,
  PurgePlans,
  Randomness,
  Registry,
  RemovalRecorder,
  Removals,
  SecretMint,
  type CleanUpBatch,
  type CleanUpPass,
  type DamagedHost,
  type Decision,
  type Due,
  type DuePosition,
  type Old,
  type HeldRecord,
  type MintedCredential,
  type Moment,
  type Neighbour,
  type RecordWrite,
} from './ports.js';
export { nameKey, normalizedName } from './name.js';
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
  type ProcessServerFacts,
  type ProxyFacts,
  type Tombstone,
} from './process-server.js';
export { damageOf, inconsistenciesOf, lastGeneration, repair } from './consistency.js';
export { ConsistencyCheck, type ConsistencyReport } from './consistency-check.js';
export { machinesFault, purge, type PurgeAnswer, type PurgeOrder } from './purge.js';
export {
  applyFault,
  LARGEST_PLAN,
  MOST_REMAINING,
  PLAN_LIFETIME_MS,
  PLANS_KEPT_PER_CALLER,
  PlanAlreadyApplied,
  type ApplyOrder,
  type PlanCandidate,
  type PlanResult,
  type PurgePlan,
} from './purge-plan.js';
export { PurgePlanner } from './purge-planner.js';
export { RecordingRegistry } from './recording-registry.js';
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
} from './restore.js';
export { Registrar } from './registrar.js';
export {
  register,
  registrationFaults,
  registrationWarnings,
  LARGEST_CLOCK_LEAD_MS,
  LARGEST_GENERATION,
  type Finding,
  type RegistrationAnswer,
  type RegistrationOrder,
  type RegistrationTerms,
} from './registration.js';
export { PROOF_POLICIES, registrationProof, type ProofPolicy, type RegistrationProof } from './registration-proof.js';
export { RegistrationRate, type RegistrationLimits } from './registration-rate.js';
export { revokeCredential, type RevocationOrder } from './revocation.js';
export { sizingClassOf, type Hardware, type SizingClass } from './sizing.js';
export {
  compareVersions,
  earliestSupported,
  formatVersion,
  parseVersion,
  upgradePath,
  versionKey,
  versionRefusal,
  versionStatus,
  type Version,
  type VersionPolicy,
  type VersionStatus,
} from './version.js';

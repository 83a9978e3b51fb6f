export { canonicalAddress, canonicalHostId } from './checks.js';
export { ConfigurationServerClient, Refused, UnexpectedAnswer, type ClientOptions } from './client.js';
export { compiledCheck, type Check, type WireClass } from './compiled-check.js';
export { DecommissionQuery, DecommissionResponse } from './decommission.wire.js';
export { EventBody, EventList } from './event.wire.js';
export {
  CleanUpBody,
  ConfigurationServerResponse,
  ConnectionStateCounts,
  FleetResponse,
  HealthCounts,
  LifecycleCounts,
  ListeningBody,
  LiveResponse,
  ReadyResponse,
  RestoreBody,
  VersionStatusCounts,
} from './fleet.wire.js';
export { firstFault } from './first-fault.js';
export { HeartbeatRequest, HeartbeatResponse, LoadReport, ServiceReport } from './heartbeat.wire.js';
export {
  ApiKeyBody,
  ApiKeyList,
  ApiKeyRequest,
  CreatedApiKey,
  PassphraseBody,
  PassphraseList,
  PassphraseRotation,
  RotatePassphraseRequest,
} from './key.wire.js';
export { lenientReader, MOST_IGNORED, type Reading } from './lenient-reader.js';
export { FieldError, ProblemResponse } from './problem.wire.js';
export { hasRetryAfter, PROBLEM_CODES, PROBLEMS, problemType, type ProblemCode } from './problems.js';
export {
  DiagnosisResponse,
  ListeningGap,
  HealthErrorBody,
  LoadBody,
  PossibleDuplicate,
  ProcessServerDetail,
  ProcessServerList,
  ProcessServerSummary,
  ServiceBody,
  RefusalBody,
} from './process-server.wire.js';
export {
  ApplyPurgeRequest,
  ApplyPurgeResponse,
  PurgeCandidate,
  PurgePlanRequest,
  PurgePlanResponse,
  PurgeRequest,
  PurgeResponse,
  SkippedCandidate,
} from './purge.wire.js';
export {
  ExportEventsQuery,
  ListEventsQuery,
  ListProcessServersQuery,
  ListTimelineQuery,
  PageQuery,
} from './query.wire.js';
export {
  FindingBody,
  PreflightResponse,
  ProxySettings,
  RegisterRequest,
  RegistrationResponse,
} from './registration.wire.js';
export { RevokeCredentialRequest, RevokeCredentialResponse } from './revocation.wire.js';

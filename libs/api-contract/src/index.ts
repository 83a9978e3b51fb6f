export { canonicalAddress, canonicalHostId } from './validators.js';
export {
  AddProcessServerDto,
  CapacityQueryParameters,
  CapacityResponse,
  PlaceDto,
  ProcessServerCapacity,
  ReportedWorkloadDto,
  SiteCapacity,
  WorkloadDto,
} from './capacity.dto.js';
export { compileValidator, type Validator, type DtoClass } from './compile-validator.js';
export { DecommissionQuery, DecommissionResponse } from './decommission.dto.js';
export {
  ConnectionDto,
  CreatedEnrolment,
  EnrolmentDto,
  EnrolmentFile,
  EnrolmentInfo,
  EnrolmentInfoQuery,
  EnrolmentList,
  EnrolmentRequest,
  PackageDto,
} from './enrolment.dto.js';
export { EventDto, EventList } from './event.dto.js';
export {
  CleanUpDto,
  ConfigurationServerResponse,
  ConnectionStateByLifecycleCounts,
  ConnectionStateCounts,
  FleetResponse,
  HealthCounts,
  LifecycleCounts,
  AvailabilityDto,
  LiveResponse,
  ReadyResponse,
  RestoreDto,
  VersionStatusCounts,
} from './fleet.dto.js';
export { firstError } from './first-error.js';
export { HeartbeatRequest, HeartbeatResponse, LoadReport, ServiceReport } from './heartbeat.dto.js';
export {
  ApiKeyDto,
  ApiKeyList,
  ApiKeyRequest,
  CreatedApiKey,
  PassphraseDto,
  PassphraseList,
  PassphraseRotation,
  RotatePassphraseRequest,
} from './key.dto.js';
export { lenientReader, MAX_IGNORED, type Reading } from './lenient-reader.js';
export { FieldError, ProblemResponse } from './problem.dto.js';
export { hasRetryAfter, PROBLEM_CODES, PROBLEMS, problemType, type ProblemCode } from './problems.js';
export { ProcessServerList, ProcessServerSummary } from './process-server-list.dto.js';
export {
  DiagnosisResponse,
  ServiceOutageDto,
  HealthErrorDto,
  AgentVersionDetails,
  LoadDto,
  PossibleDuplicateDto,
  ProcessServerDetail,
  ServiceDto,
  RefusalDto,
} from './process-server.dto.js';
export {
  ApplyPurgeRequest,
  ApplyPurgeResponse,
  PurgeCandidate,
  PurgePlanRequest,
  PurgePlanResponse,
  PurgeRequest,
  PurgeResponse,
  SkippedCandidate,
} from './purge.dto.js';
export {
  ExportEventsQuery,
  ListEventsQuery,
  ListProcessServersQuery,
  ListTimelineQuery,
  PageQuery,
} from './query.dto.js';
export {
  FindingDto,
  PreflightResponse,
  ProxySettings,
  RegisterRequest,
  RegistrationResponse,
} from './registration.dto.js';
export { ListReleasesQuery, ReleaseDto, ReleaseList, ReleaseRequest } from './release.dto.js';
export { RevokeCredentialRequest, RevokeCredentialResponse } from './revocation.dto.js';
export {
  ConfigurationServerReadiness,
  LeavingReleaseDto,
  ProcessServerReadiness,
  ReadinessCounts,
  ReadinessDto,
  UpgradeReadinessParameters,
  UpgradeReadinessResponse,
} from './upgrade-readiness.dto.js';

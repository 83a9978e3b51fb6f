export type { PageLimits } from './queries/access-paths.js';
export { ConsistencyStore } from './stores/consistency-store.js';
export { Database, type PoolUsage } from './database.js';
export { errorNumber, isMissingPrivilege } from './database-errors.js';
export { requiresTls } from './requires-tls.js';
export { DatabaseServers, NoPrimaryError, type DatabaseAddress, type ServerChange } from './database-servers.js';
export { durabilityWarnings, isClusterNode, readDatabaseClock, readMaxPacketBytes } from './server-settings.js';
export {
  EventLogQuery,
  EVENT_VISIBILITY_LAG_MS,
  type EventFilter,
  type EventSortOrder,
  type EventPage,
  type EventPosition,
} from './queries/event-log-query.js';
export { CapacityQuery, type CapacityEntry } from './queries/capacity-query.js';
export { UpgradeReadinessQuery } from './queries/upgrade-readiness-query.js';
export { EnrolmentStore } from './stores/enrolment-store.js';
export { FleetSummaryQuery } from './queries/fleet-summary-query.js';
export {
  ProcessServerListQuery,
  type Page,
  type KeysetPosition,
  type SortKey,
} from './queries/process-server-list-query.js';
export { LeaseStore } from './stores/lease-store.js';
export { OperatingSystems } from './stores/operating-systems.js';
export { canCommitHeartbeats, AvailabilityClockStore, readAvailability } from './stores/availability-clock-store.js';
export { migrateDatabase, schemaDifference, NewerSchemaError } from './migrate.js';
export { HealthReviewStore } from './stores/health-review-store.js';
export { MonitorProgressStore } from './stores/monitor-progress-store.js';
export { PlanStore } from './stores/plan-store.js';
export { RegistryStore } from './stores/registry-store.js';
export { ReleaseStore } from './stores/release-store.js';
export { RemovalStore } from './stores/removal-store.js';
export { RestoreStore, type SiteRecord } from './stores/restore-store.js';
export { limitHeartbeatBatches } from './statements/statement-size.js';
export { NAME_CURSOR_TTL_MS } from './statements/name-history.js';
export { PendingWrites } from './pending-writes.js';
export { KeyRingStore } from './stores/key-ring-store.js';
export { SecretStore, type AdminKey } from './stores/secret-store.js';

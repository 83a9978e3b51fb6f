export { PAGE_LIMITS, type PageLimits } from './access-path.js';
export { ConsistencyStore } from './consistency-store.js';
export { Database } from './database.js';
export { errorNumber, isRightMissing } from './database-errors.js';
export { demandsTls } from './demands-tls.js';
export { DatabaseServers, nameOf, NoPrimary, type DatabaseAddress, type ServerChange } from './database-servers.js';
export { durabilityWarnings, isClusterNode, readDatabaseClock, readMaxPacketBytes } from './durability.js';
export {
  EventReader,
  EVENTS_SETTLE_MS,
  type EventFilter,
  type EventOrder,
  type EventPage,
  type EventPosition,
} from './event-reader.js';
export type { AsOf } from './filters.js';
export { FleetCounter, type FleetNumbers } from './fleet-counter.js';
export { FleetReader, type Page, type PageOrder, type Position, type SortKey } from './fleet-reader.js';
export { LeaseStore } from './lease-store.js';
export { commitsHeartbeats, ListeningStore, readListening } from './listening-store.js';
export { migrateDatabase, schemaDifference, SchemaFromTheFuture, type SchemaDifference } from './migrate.js';
export { PlanStore } from './plan-store.js';
export { RegistryStore } from './registry-store.js';
export { RemovalStore } from './removal-store.js';
export { RestoreStore, type RestoreOrder, type SiteRecord } from './restore-store.js';
export { heartbeatLimitsWithin } from './statement-size.js';
export { NAME_WALK_MS } from './statements/names.js';
export { StampsInFlight } from './stamps-in-flight.js';
export { KeyRingStore, type StoredApiKey, type StoredPassphrase } from './key-ring-store.js';
export { SecretStore, type AdminKey, type SharedKey } from './secret-store.js';

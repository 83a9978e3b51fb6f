import type { Health } from './health.js';
import type { ConnectionState, Lifecycle } from './process-server.js';
import type { VersionStatus } from './version.js';

/** A closed choice of entries; every member narrows it. Prefix for the name, the rest exact. */
export interface FleetFilter {
  readonly connectionState?: ConnectionState;
  readonly lifecycle?: Lifecycle;
  readonly versionStatus?: VersionStatus;
  readonly health?: Health;
  readonly ipAddress?: string;
  readonly friendlyName?: string;
  readonly passphraseId?: string;
  readonly silentForSeconds?: number;
}

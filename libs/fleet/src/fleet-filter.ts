import type { Health } from './health/health.js';
import type { ConnectionState, Lifecycle } from './process-server.js';
import type { VersionStatus } from './version/version.js';

/** A closed choice of entries; every member narrows it. The name is a prefix, compared without regard to case; the rest is exact. */
export interface FleetFilter {
  readonly connectionState?: ConnectionState;
  readonly lifecycle?: Lifecycle;
  readonly versionStatus?: VersionStatus;
  readonly health?: Health;
  readonly ipAddress?: string;
  readonly friendlyName?: string;
  readonly machineId?: string;
  /** Whether another entry has its address, name or machine id. */
  readonly possibleDuplicate?: boolean;
  readonly passphraseId?: string;
  readonly silentForSeconds?: number;
  /** It has never sent a heartbeat, in any of its generations. */
  readonly neverConnected?: true;
}

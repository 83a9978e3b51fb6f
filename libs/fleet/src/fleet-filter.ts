import type { Health } from './health/health.js';
import type { ConnectionState, Lifecycle } from './process-server.js';
import type { VersionStatus } from './version/version.js';

/** A filter on entries; all members must match. `friendlyName` is a case-insensitive prefix; the other members match exactly. */
export interface FleetFilter {
  readonly connectionState?: ConnectionState;
  readonly lifecycle?: Lifecycle;
  readonly versionStatus?: VersionStatus;
  readonly health?: Health;
  readonly ipAddress?: string;
  readonly friendlyName?: string;
  readonly machineId?: string;
  /** Whether another entry has the same address, name or machine id. */
  readonly possibleDuplicate?: boolean;
  readonly passphraseId?: string;
  readonly enrolmentId?: string;
  readonly silentForSeconds?: number;
  /** The entry has never received a heartbeat, in any generation. */
  readonly neverConnected?: true;
}

import type { RowOf } from '../entities/table.js';
import type { LOCKED_LEASE, REGISTERED_FACTS } from '../statements/leases.js';
import { NO_EVENTS_YET, type EventBounds, type StoredLease } from '@app/fleet';

/** A row of LOCK_LEASES_SKIP_LOCKED. */
export type LockedLeaseRow = RowOf<typeof LOCKED_LEASE>;

/** A row of READ_REGISTERED_FACTS. */
export type FactsRow = RowOf<typeof REGISTERED_FACTS>;

/** The lease that a heartbeat is checked against, from locked rows. */
export function toStoredLease(lease: LockedLeaseRow, facts: FactsRow): StoredLease {
  return {
    generation: lease.generation,
    credentialHash: lease.credential_hash.toString('hex'),
    retired: lease.retired === 1,
    revoked: lease.revoked === 1,
    instanceId: lease.instance_id,
    replacedInstanceIds: JSON.parse(lease.replaced_instance_ids) as string[],
    sourceAddress: lease.source_address,
    expiresAvailableMs: lease.expires_available_ms,
    lastSeenAt: lease.last_heartbeat_at ?? facts.registered_at,
    machineId: facts.machine_id,
    agentVersion: facts.agent_version,
    osKey: facts.os_key,
    eventBounds: lease.event_bounds === null ? NO_EVENTS_YET : (JSON.parse(lease.event_bounds) as EventBounds),
  };
}

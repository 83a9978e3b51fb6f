import { NO_EVENTS_YET, type EventBounds, type StoredLease } from '@app/fleet';

/** A row of LOCK_LEASES_SKIP_LOCKED. */
export interface LockedLeaseRow {
  host_id: string;
  generation: number;
  credential_hash: Buffer;
  retired: number;
  revoked: number;
  report_fingerprint: Buffer;
  last_heartbeat_at: Date | null;
  expires_available_ms: number;
  instance_id: string | null;
  replaced_instance_ids: string;
  source_address: string;
  event_bounds: string | null;
}

/** A row of READ_REGISTERED_FACTS. */
export interface FactsRow {
  host_id: string;
  machine_id: string;
  agent_version: string;
  registered_at: Date;
}

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
    eventBounds: lease.event_bounds === null ? NO_EVENTS_YET : (JSON.parse(lease.event_bounds) as EventBounds),
  };
}

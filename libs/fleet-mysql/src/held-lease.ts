import { NO_EVENTS_YET, type EventBounds, type LeaseOnRecord } from '@app/fleet';

/** As LOCK_LEASES reads it. */
export interface HeldLeaseRow {
  host_id: string;
  generation: number;
  credential_hash: Buffer;
  retired: number;
  revoked: number;
  said: Buffer;
  last_heartbeat_at: Date | null;
  ends_listened_ms: number;
  instance_id: string | null;
  replaced_instance_ids: string;
  source_address: string;
  event_bounds: string | null;
}

/** As READ_REGISTERED_FACTS reads it. */
export interface FactsRow {
  host_id: string;
  machine_id: string;
  agent_version: string;
  registered_at: Date;
}

/** What a heartbeat is judged against, from rows that are held. */
export function onRecordOf(lease: HeldLeaseRow, facts: FactsRow): LeaseOnRecord {
  return {
    generation: lease.generation,
    credentialHash: lease.credential_hash.toString('hex'),
    retired: lease.retired === 1,
    revoked: lease.revoked === 1,
    instanceId: lease.instance_id,
    replacedInstanceIds: JSON.parse(lease.replaced_instance_ids) as string[],
    sourceAddress: lease.source_address,
    endsAtListenedMs: lease.ends_listened_ms,
    lastHeardAt: lease.last_heartbeat_at ?? facts.registered_at,
    machineId: facts.machine_id,
    agentVersion: facts.agent_version,
    eventBounds: lease.event_bounds === null ? NO_EVENTS_YET : (JSON.parse(lease.event_bounds) as EventBounds),
  };
}

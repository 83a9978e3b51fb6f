import type { Actor } from '../process-server.js';

/** The kinds of events. Each change has exactly one event, written in its transaction. */
export const EVENT_KINDS = [
  'registered',
  'registered_again',
  'replaced',
  'version_changed',
  'version_newer_than_configuration_server',
  'disconnected',
  'reconnected',
  'silence_ended',
  'source_address_changed',
  'health_changed',
  'certificate_expiring',
  'certificate_expired',
  'decommissioned',
  'decommissioned_by_force',
  'removed',
  'purged',
  'purged_by_force',
  'service_outage',
  'clock_stepped',
  'inconsistency_repaired',
  'database_restored',
  'credential_revoked',
  'passphrase_created',
  'passphrase_rotated',
  'passphrases_listed',
  'api_key_created',
  'api_key_revoked',
  'api_keys_listed',
  'release_added',
  'release_changed',
  'release_removed',
  'enrolment_created',
  'enrolment_revoked',
  'refused_host_id_conflict',
  'refused_host_id_in_use',
  'refused_registration_rate_exceeded',
  'refused_version',
  'refused_generation_retired',
  'refused_generation_superseded',
  'refused_generation_unknown',
  'refused_process_server_not_found',
  'refused_credential_revoked',
  'refused_credential_rejected',
  'refused_malformed_heartbeat',
  'refused_authentication',
  'refused_authentication_required',
  'refused_passphrase_rejected',
  'refused_enrolment_rejected',
  'refused_enrolment_unknown_site',
  'refused_enrolment_expired',
  'refused_enrolment_revoked',
  'refused_enrolment_used_up',
  'refused_api_key_rejected',
  'refused_permission_denied',
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

export interface FleetEvent {
  readonly id: string;
  readonly at: Date;
  readonly kind: EventKind;
  readonly hostId: string | null;
  readonly generation: number | null;
  /** The name of the caller or the component that caused the event. */
  readonly actor: string;
  /** The source address of the call; null for an event without a call. */
  readonly sourceAddress: string | null;
  /** The request id of the call; null for an event without a call. */
  readonly requestId: string | null;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** The origin of an event. */
export type EventAuthor = Pick<FleetEvent, 'actor' | 'sourceAddress' | 'requestId'>;

export const callerAuthor = ({ name, address, requestId }: Actor): EventAuthor => ({
  actor: name,
  sourceAddress: address,
  requestId,
});
/** The author of an event without a call: the configuration server or one of its components. */
export const systemAuthor = (actor: string): EventAuthor => ({ actor, sourceAddress: null, requestId: null });

/** The key of a rejection event. Events with the same host, caller, kind and hour share one key, and only the first is written. */
export function rejectionKey(hostId: string | null, kind: EventKind, at: Date, caller: string | null = null): string {
  return `${hostId} ${kind} ${caller === null ? '' : `${caller} `}${Math.floor(at.getTime() / 3_600_000)}`;
}

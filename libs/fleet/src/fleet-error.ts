/** The addresses of two senders that use one host id. */
export interface ConflictingAddresses {
  readonly registeredAddress: string;
  readonly otherAddress: string;
}

/** The instruction to a process server after a rejection. Agents treat an unknown instruction as `retry`. */
export type Instruction = 'none' | 'upgrade' | 'stop' | 'reregister' | 'ask_operator' | 'retry';

/** Every rejection that the rules can return, as a stable code with its details. */
export type FleetErrorDetails =
  | { readonly code: 'credential_rejected' | 'credential_revoked' }
  | { readonly code: 'passphrase_rejected' }
  | { readonly code: 'authentication_attempts_exceeded' | 'request_rate_exceeded' }
  | { readonly code: 'api_key_name_taken'; readonly name: string }
  | { readonly code: 'api_key_rejected' | 'api_key_not_found' | 'last_admin_key' | 'expiry_not_in_future' }
  | { readonly code: 'enrolment_rejected' | 'enrolment_unknown_site' | 'enrolment_not_found' }
  | { readonly code: 'enrolment_expired'; readonly enrolmentId: string; readonly expiredAt: Date }
  | { readonly code: 'enrolment_revoked'; readonly enrolmentId: string; readonly revokedAt: Date }
  | { readonly code: 'enrolment_used_up'; readonly enrolmentId: string; readonly maxRegistrations: number }
  | { readonly code: 'expiry_too_far'; readonly maxDays: number }
  | { readonly code: 'generation_retired'; readonly removal: 'purge' | 'clean_up' }
  | { readonly code: 'generation_superseded' | 'generation_unknown'; readonly given: number; readonly current: number }
  | { readonly code: 'process_server_not_found' }
  | { readonly code: 'generations_exhausted'; readonly max: number }
  | ({ readonly code: 'host_id_conflict' } & ConflictingAddresses)
  | ({
      readonly code: 'host_id_in_use';
      readonly acceptsAddress: boolean;
      readonly retryAfterSeconds: number;
    } & ConflictingAddresses)
  | { readonly code: 'version_newer_than_configuration_server' | 'version_not_exact'; readonly upgradeFirst: string }
  | { readonly code: 'invalid_data_port'; readonly dataPort: number }
  | { readonly code: 'clock_in_future'; readonly aheadSeconds: number }
  | { readonly code: 'machines_protected'; readonly protectedMachineCount: number }
  | { readonly code: 'machines_unknown' | 'reason_required' }
  | { readonly code: 'process_server_disconnected' }
  | { readonly code: 'process_server_connected'; readonly leaseExpiresAt: Date }
  | { readonly code: 'empty_filter' | 'plan_not_found' }
  | { readonly code: 'plan_expired'; readonly expiredAt: Date }
  | { readonly code: 'plan_count_mismatch'; readonly expected: number; readonly planned: number }
  | { readonly code: 'share_not_acknowledged'; readonly candidates: number; readonly fleetSize: number }
  | { readonly code: 'release_not_found' | 'support_end_not_after_release' }
  | { readonly code: 'release_catalogue_full'; readonly max: number }
  | {
      readonly code: 'registration_rate_exceeded';
      readonly of: 'new_host_ids' | 'host_id';
      readonly limit: number;
      readonly windowSeconds: number;
      readonly retryAfterSeconds: number;
    }
  | { readonly code: 'heartbeat_rate_exceeded'; readonly perSecond: number; readonly heartbeatIntervalSeconds: number }
  | { readonly code: 'heartbeat_queue_full' | 'replica_not_ready' | 'database_unavailable' | 'shutting_down' };

export class FleetError extends Error {
  constructor(
    readonly details: FleetErrorDetails,
    options?: { readonly cause: unknown },
  ) {
    super(details.code, options);
  }

  /** A description of this error for people, in one or two sentences. */
  get explanation(): string {
    return describeError(this.details);
  }
}

/** The instruction in a rejection of a process server; null for errors that only other callers receive. */
export function instructionFor(details: FleetErrorDetails): Instruction | null {
  switch (details.code) {
    case 'generation_retired':
      return details.removal === 'purge' ? 'ask_operator' : 'stop';
    case 'generation_superseded':
      return 'stop';
    case 'process_server_not_found':
    case 'generation_unknown':
    case 'credential_revoked':
      return 'reregister';
    case 'credential_rejected':
    case 'passphrase_rejected':
    case 'enrolment_rejected':
    case 'enrolment_unknown_site':
    case 'enrolment_expired':
    case 'enrolment_revoked':
    case 'enrolment_used_up':
    case 'authentication_attempts_exceeded':
    case 'host_id_conflict':
    case 'generations_exhausted':
    case 'invalid_data_port':
    case 'clock_in_future':
    case 'version_newer_than_configuration_server':
    case 'machines_protected':
    case 'machines_unknown':
      return 'ask_operator';
    case 'version_not_exact':
      return 'upgrade';
    case 'host_id_in_use':
    case 'registration_rate_exceeded':
    case 'heartbeat_rate_exceeded':
    case 'request_rate_exceeded':
    case 'heartbeat_queue_full':
    case 'replica_not_ready':
    case 'database_unavailable':
    case 'shutting_down':
      return 'retry';
    default:
      return null;
  }
}

function describeError(details: FleetErrorDetails): string {
  switch (details.code) {
    case 'credential_rejected':
      return 'The credential was not issued for this host id and generation, or another registration has replaced it.';
    case 'credential_revoked':
      return 'An operator revoked this credential. Register again with the passphrase.';
    case 'passphrase_rejected':
      return 'The passphrase is not valid at this configuration server. The server prints the path of the passphrase file when it starts.';
    case 'authentication_attempts_exceeded':
      return 'Too many invalid passphrases or keys came from this address. A valid one is always accepted: check where the caller reads it from.';
    case 'request_rate_exceeded':
      return 'The caller exceeds its requests per second. Retry in a moment.';
    case 'api_key_name_taken':
      return `An API key named ${details.name} exists or existed. Names are unique in the audit log: choose another one.`;
    case 'api_key_rejected':
      return 'The API key was revoked or expired while the call waited. Nothing was changed.';
    case 'api_key_not_found':
      return 'No API key has this id.';
    case 'last_admin_key':
      return 'No other admin key is valid as long as this one. Create one first: without an admin key, keys cannot be managed.';
    case 'expiry_not_in_future':
      return 'The expiry is in the past. Give a later time, or none.';
    case 'expiry_too_far':
      return `The expiry is more than ${details.maxDays} days ahead.`;
    case 'enrolment_not_found':
      return 'No enrolment has this id.';
    case 'enrolment_rejected':
      return 'The enrolment token is not valid at this configuration server. Take it unchanged from its enrolment file, or create a new enrolment.';
    case 'enrolment_unknown_site':
      return 'The enrolment token was issued by another site. Register at the addresses in its enrolment file, or create an enrolment here.';
    case 'enrolment_expired':
      return `The enrolment expired at ${details.expiredAt.toISOString()}. Create a new one.`;
    case 'enrolment_revoked':
      return `An operator revoked the enrolment at ${details.revokedAt.toISOString()}. Create a new one.`;
    case 'enrolment_used_up':
      return `The enrolment permits ${details.maxRegistrations} registrations, and all of them were used. Create a new one.`;
    case 'generation_retired':
      return details.removal === 'purge'
        ? 'An operator purged this process server. It must not register by itself: a person registers it again.'
        : 'This process server was decommissioned: its registration has ended.';
    case 'generation_superseded':
      return `Generation ${details.given} was replaced: the current generation of this host id is ${details.current}.`;
    case 'generation_unknown':
      return `Generation ${details.given} is unknown; the latest is ${details.current}. The database may have been restored.`;
    case 'process_server_not_found':
      return 'No process server has this host id. If one had it before, its events show how it was removed.';
    case 'generations_exhausted':
      return `This host id has used generation ${details.max}, the highest possible. Register the machine under a new host id.`;
    case 'host_id_conflict':
      return `Another machine uses this host id: ${details.registeredAddress} is registered, ${details.otherAddress} sent the request. Give one of them its own host id.`;
    case 'host_id_in_use':
      return (
        `A Connected process server uses this host id. To replace it, send its current credential as previousCredential${details.acceptsAddress ? ', or register from the source address of its heartbeats' : ''}. ` +
        `Otherwise retry in ${details.retryAfterSeconds} s: its registration can be replaced when its lease has expired.`
      );
    case 'version_newer_than_configuration_server':
    case 'version_not_exact':
      return details.upgradeFirst;
    case 'invalid_data_port':
      return `Port ${details.dataPort} is the control port. The data port is 9443 unless it was changed.`;
    case 'clock_in_future':
      return `The clock of the process server is ${details.aheadSeconds} s ahead. Set it and register again.`;
    case 'machines_protected':
      return `${details.protectedMachineCount} machines are protected through it. Move them first, or force with a reason.`;
    case 'machines_unknown':
      return 'The number of protected machines is unknown: the process server reported no count, or an invalid one. Force with a reason if it protects none.';
    case 'reason_required':
      return 'A reason is required for the audit log.';
    case 'process_server_disconnected':
      return 'A Disconnected process server cannot be decommissioned. Purge it: POST /v1/process-servers/{hostId}/purge.';
    case 'process_server_connected':
      return `Its lease runs until ${details.leaseExpiresAt.toISOString()} at least. Decommission it, or force with a reason.`;
    case 'empty_filter':
      return 'A plan without a filter would cover the whole fleet. Give at least one.';
    case 'plan_not_found':
      return 'The plan does not exist. Plans are deleted some time after they expire.';
    case 'plan_expired':
      return `The plan expired at ${details.expiredAt.toISOString()}. Create a new one.`;
    case 'plan_count_mismatch':
      return `The plan has ${details.planned} candidates, not ${details.expected}.`;
    case 'share_not_acknowledged':
      return `The plan covers ${details.candidates} of ${details.fleetSize} process servers. Repeat with acknowledgeShare: true if that is intended.`;
    case 'release_not_found':
      return 'The catalogue has no release of this component, operating system and version.';
    case 'support_end_not_after_release':
      return 'The support must end after the release.';
    case 'release_catalogue_full':
      return `The catalogue has ${details.max} releases, the maximum. Remove one that no process server runs.`;
    case 'registration_rate_exceeded':
      return details.of === 'new_host_ids'
        ? 'More new host ids arrive from this address, or with this passphrase or enrolment, than REGISTRATIONS_PER_SECOND allows. Registered host ids are not limited.'
        : 'This host id registers more often than REGISTRATIONS_PER_SERVER_PER_HOUR allows: check why its agent restarts.';
    case 'heartbeat_rate_exceeded':
      return `More than ${details.perSecond} heartbeats per second. Send one every ${details.heartbeatIntervalSeconds} s.`;
    case 'heartbeat_queue_full':
      return 'The heartbeat queue is full. Retry in a moment.';
    case 'replica_not_ready':
      return 'This replica cannot accept heartbeats until it has updated the availability clock. Retry in a moment.';
    case 'database_unavailable':
      return 'The database does not respond. Nothing was acknowledged. Retry in a moment.';
    case 'shutting_down':
      return 'This replica is shutting down. Retry in a moment.';
  }
}

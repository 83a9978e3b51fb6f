import { EVENT_KINDS, type EventKind, type FleetEvent } from './fleet-event.js';
import type { ProcessServer } from '../process-server.js';

export type RefusalKind = Extract<EventKind, `refused_${string}`>;

const isRefusal = (kind: EventKind): kind is RefusalKind => kind.startsWith('refused_');
export const REFUSAL_KINDS: readonly RefusalKind[] = EVENT_KINDS.filter(isRefusal);

/** An explanation for people. */
export interface RefusalExplanation {
  /** The rejection and its reason, without a full stop. */
  readonly meaning: string;
  readonly recommendedActions: string;
}

/** The explanation of every kind of rejection: a new kind without one does not compile. */
export const REFUSAL_EXPLANATIONS: Readonly<Record<RefusalKind, RefusalExplanation>> = {
  refused_host_id_conflict: {
    meaning: 'Another machine uses the same host id',
    recommendedActions: 'Find both machines by their addresses in the timeline, and give the clone its own host id.',
  },
  refused_host_id_in_use: {
    meaning:
      'A registration with this host id and machine id was rejected without proof while the process server was Connected',
    recommendedActions:
      'If it was this machine with a new address, its agent must send previousCredential, or register after the lease has expired. ' +
      'Otherwise another caller with the passphrase tries to replace it: rotate the passphrase.',
  },
  refused_registration_rate_exceeded: {
    meaning: 'It registered too often',
    recommendedActions: 'Check why its agent restarts repeatedly.',
  },
  refused_version: {
    meaning: 'It tried to register with an agent version that the version policy rejects',
    recommendedActions:
      'Upgrade the configuration server first, or install an agent version that the version policy accepts.',
  },
  refused_generation_retired: {
    meaning: 'It sends heartbeats of a registration that was decommissioned or purged',
    recommendedActions: 'Stop its agent if the removal was intended; otherwise register it again.',
  },
  refused_generation_superseded: {
    meaning:
      'An agent uses an earlier registration of this host id: a second agent, or one that was restored to an earlier state',
    recommendedActions: 'If the machine should keep the host id, register it again; otherwise stop that agent.',
  },
  refused_generation_unknown: {
    meaning: 'It uses a later registration than the latest in the database: the database was restored',
    recommendedActions: 'Register it again. The response instructs its agent to do so.',
  },
  refused_process_server_not_found: {
    meaning: 'It sent a call while its host id had no entry: the database was restored, or the host id is wrong',
    recommendedActions: 'Register it. The response instructs its agent to do so.',
  },
  refused_credential_revoked: {
    meaning: 'It uses a credential that an operator revoked',
    recommendedActions:
      'Register it again with the passphrase; check the source address first if the credential was revoked because it leaked.',
  },
  refused_credential_rejected: {
    meaning: 'It uses a credential that does not belong to its registration',
    recommendedActions:
      'Register it again; if the source address is not its own, find the machine that uses its host id.',
  },
  refused_malformed_heartbeat: {
    meaning: 'It sends malformed heartbeats',
    recommendedActions: 'Correct the agent, or the proxy that changes its requests.',
  },
  refused_authentication: {
    meaning: 'A call had no valid passphrase, credential or API key',
    recommendedActions: 'Check what the caller at the source address authenticates with.',
  },
  refused_authentication_required: {
    meaning: 'A call had no secret of the kind that its route requires',
    recommendedActions: 'Check what the caller at the source address authenticates with.',
  },
  refused_passphrase_rejected: {
    meaning: 'A call had an invalid passphrase',
    recommendedActions:
      'Give the machine at the source address the current passphrase, or investigate the attempts to guess it.',
  },
  refused_enrolment_rejected: {
    meaning: 'A call had an enrolment token that this site did not issue, or no longer knows',
    recommendedActions:
      'Create a new enrolment for the machine at the source address, or investigate the attempts to forge a token.',
  },
  refused_enrolment_unknown_site: {
    meaning: 'A call had an enrolment token of another site',
    recommendedActions: 'Register the machine at the source address at the site of its enrolment file, or create one.',
  },
  refused_enrolment_expired: {
    meaning: 'A call had an expired enrolment',
    recommendedActions: 'Create a new enrolment for the machine at the source address.',
  },
  refused_enrolment_revoked: {
    meaning: 'A call had a revoked enrolment',
    recommendedActions:
      'Create a new enrolment if the machine at the source address should register; otherwise find out who has the file.',
  },
  refused_enrolment_used_up: {
    meaning: 'A registration had an enrolment that was used up',
    recommendedActions:
      'Create a new enrolment if the machine at the source address should register; otherwise find out who has the file.',
  },
  refused_api_key_rejected: {
    meaning: 'A call had an invalid API key: unknown, expired or revoked',
    recommendedActions:
      'Give the caller at the source address a new API key, or investigate the attempts to guess one.',
  },
  refused_permission_denied: {
    meaning: 'A call had a valid secret without permission for its route',
    recommendedActions:
      'Give the caller an API key with the role that the route requires, or investigate the use of the key in the event.',
  },
};

/** Whether the rejected call may come from another machine, and so shows nothing about the registered one. */
export const mayConcernAnotherMachine = (kind: RefusalKind): boolean =>
  kind === 'refused_host_id_conflict' || kind === 'refused_host_id_in_use';

/** A rejection is recorded once an hour, so one recorded up to an hour before the last accepted heartbeat may have recurred after it. */
const RECORDING_INTERVAL_MS = 3_600_000;

/** A rejection event with its explanation. */
export interface Refusal extends RefusalExplanation {
  readonly kind: RefusalKind;
  readonly event: FleetEvent;
}

/** The rejections among these events, in the same order. */
export const refusalsAmong = (events: readonly FleetEvent[]): Refusal[] =>
  events.flatMap((event) =>
    isRefusal(event.kind) ? [{ kind: event.kind, event, ...REFUSAL_EXPLANATIONS[event.kind] }] : [],
  );

/**
 * Selects the last rejection of each kind that may still recur, from rejections sorted from oldest to newest. A
 * registration resolves the earlier ones, except those of an agent that uses an earlier registration. A rejection that
 * may concern another machine stays current until it is no longer in the list.
 */
export function currentRefusals(
  { generation, lease, registeredAt }: ProcessServer,
  refusals: readonly Refusal[],
): Refusal[] {
  const since = (lease.lastHeartbeatAt ?? registeredAt).getTime() - RECORDING_INTERVAL_MS;
  const mayGoOn = ({ kind, event }: Refusal): boolean => {
    if (mayConcernAnotherMachine(kind)) return true;
    const isResolved =
      event.generation === null
        ? event.at < registeredAt
        : event.generation < generation && kind !== 'refused_generation_superseded';
    return event.at.getTime() >= since && !isResolved;
  };
  const ofEachKind = new Map<RefusalKind, Refusal>();
  for (const refusal of refusals) {
    if (!mayGoOn(refusal)) continue;
    ofEachKind.delete(refusal.kind); // the last one determines the order
    ofEachKind.set(refusal.kind, refusal);
  }
  return [...ofEachKind.values()];
}

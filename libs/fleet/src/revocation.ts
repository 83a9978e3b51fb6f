import { calledBy } from './fleet-event.js';
import { FleetError } from './fleet-fault.js';
import type { Decision, HeldRecord } from './ports.js';
import type { Actor } from './process-server.js';
import { mustBeTheSeen } from './seen-generation.js';

export interface RevocationOrder {
  /** The generation that the operator saw. */
  readonly generation: number;
  readonly reason: string;
  readonly actor: Actor;
}

/**
 * Ends the credential of a registration: its process server is told to register again. Its lease runs out by itself.
 * Revoked again, the same.
 * @throws FleetError `process_server_not_found`; `generation_superseded` when it has registered since, `generation_unknown`;
 * `generation_retired` when it is leaving or gone, and nothing is left to end.
 */
export function revokeCredential({ generation, reason, actor }: RevocationOrder, held: HeldRecord): Decision<void> {
  mustBeTheSeen(generation, held);
  const { entry, tombstone } = held;
  if (!entry || entry.decommission)
    throw new FleetError({ code: 'generation_retired', removal: tombstone?.removal ?? 'clean_up' });
  if (entry.lease.revoked) return { answer: undefined };
  return {
    answer: undefined,
    change: {
      write: { to: 'revoked', entry: { ...entry, lease: { ...entry.lease, revoked: true } } },
      event: { kind: 'credential_revoked', generation: entry.generation, ...calledBy(actor), detail: { reason } },
    },
  };
}

import { callerAuthor } from '../events/fleet-event.js';
import { FleetError } from '../fleet-error.js';
import type { Decision, LockedRecord } from '../ports.js';
import type { Actor } from '../process-server.js';
import { assertExpectedGeneration } from '../removal/expected-generation.js';

export interface RevokeCredentialCommand {
  /** The generation that the operator saw. */
  readonly generation: number;
  readonly reason: string;
  readonly actor: Actor;
}

/**
 * Revokes the credential of a registration; its process server must register again. The lease expires by itself. A
 * repeated revocation changes nothing.
 * @throws FleetError `process_server_not_found`; `generation_superseded` when it has registered since;
 * `generation_unknown`; `generation_retired` when it is decommissioned or removed.
 */
export function revokeCredential(
  { generation, reason, actor }: RevokeCredentialCommand,
  locked: LockedRecord,
): Decision<void> {
  assertExpectedGeneration(generation, locked);
  const { entry, tombstone } = locked;
  if (!entry || entry.decommission)
    throw new FleetError({ code: 'generation_retired', removal: tombstone?.removal ?? 'clean_up' });
  if (entry.lease.revoked) return { result: undefined };
  return {
    result: undefined,
    change: {
      write: { to: 'revoked', entry: { ...entry, lease: { ...entry.lease, revoked: true } } },
      event: { kind: 'credential_revoked', generation: entry.generation, ...callerAuthor(actor), detail: { reason } },
    },
  };
}

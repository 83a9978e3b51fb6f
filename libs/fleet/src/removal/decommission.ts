import { callerAuthor } from '../events/fleet-event.js';
import { FleetError } from '../fleet-error.js';
import { checkCredential } from '../heartbeats/heartbeat.js';
import type { Decision, LockedRecord } from '../ports.js';
import { connectionStateAt, type Actor, type Decommission, type ProcessServer } from '../process-server.js';
import { assertExpectedGeneration } from './expected-generation.js';
import { endedSilence } from '../events/silence.js';

/** The caller of a decommissioning: the process server itself, with its credential, or an operator. */
export type DecommissionActor =
  | { readonly kind: 'process_server'; readonly generation: number; readonly credentialHash: string }
  | { readonly kind: 'operator' };

export interface DecommissionCommand {
  readonly by: DecommissionActor;
  readonly actor: Actor;
  /** The generation that the caller saw; null when the call includes none. */
  readonly generation: number | null;
  readonly force: boolean;
  /** Required with force. */
  readonly reason: string | null;
}

/** The timing of the clean-up after a decommissioning. */
export interface CleanUpTiming {
  readonly graceSeconds: number;
  readonly intervalSeconds: number;
}

/** The latest time at which a decommissioned entry is removed: the grace period and two intervals. */
export function removalDeadline(decommissionedAt: Date, { graceSeconds, intervalSeconds }: CleanUpTiming): Date {
  return new Date(decommissionedAt.getTime() + (graceSeconds + 2 * intervalSeconds) * 1000);
}

/**
 * Another replica's availability clock may be behind by the clock difference, at most a second. The lease ends this
 * much earlier, so that it has expired at all replicas.
 */
const MAX_REPLICA_CLOCK_SKEW_MS = 1_500;

function assertMayDecommission({ by, generation }: DecommissionCommand, locked: LockedRecord): ProcessServer {
  const { entry, tombstone, availableMs } = locked;
  if (by.kind === 'process_server') {
    const decommissioned = entry?.decommission && entry.generation === by.generation;
    const stored = entry && {
      generation: entry.generation,
      ...entry.lease,
      retired: entry.decommission !== null && !decommissioned,
    };
    const rejection = checkCredential(by, stored, tombstone);
    if (rejection) throw new FleetError(rejection);
  }
  if (generation !== null) assertExpectedGeneration(generation, locked);
  if (tombstone) {
    throw new FleetError({ code: 'generation_retired', removal: tombstone.removal });
  }
  if (!entry) throw new FleetError({ code: 'process_server_not_found' });
  if (by.kind === 'operator' && !entry.decommission && connectionStateAt(availableMs, entry) === 'Disconnected') {
    throw new FleetError({ code: 'process_server_disconnected' });
  }
  return entry;
}

/**
 * Rejects without force while machines are protected through the entry. A count that was never reported is zero for the
 * process server itself, and unknown for an operator; an invalid count is unknown for both.
 */
function assertNoProtectedMachines({ health }: ProcessServer, by: DecommissionActor): void {
  const { protectedMachineCount, protectedMachinesUnknown } = health;
  if (protectedMachineCount) throw new FleetError({ code: 'machines_protected', protectedMachineCount });
  if (protectedMachinesUnknown || (protectedMachineCount === null && by.kind === 'operator'))
    throw new FleetError({ code: 'machines_unknown' });
}

/**
 * Marks an entry as decommissioned and ends its lease at once. A repeated call changes nothing and returns the same
 * result.
 * @throws FleetError for a process server, the rejections of a heartbeat; for an operator,
 * `process_server_disconnected`; for both, `generation_superseded` or `generation_unknown` when the given generation is
 * not the current one, `machines_protected`, `machines_unknown`, and `reason_required` when forced without a reason.
 */
export function decommission(
  command: DecommissionCommand,
  locked: LockedRecord,
  timing: CleanUpTiming,
): Decision<Decommission> {
  const { by, actor, force } = command;
  const entry = assertMayDecommission(command, locked);
  if (entry.decommission) return { result: entry.decommission };
  const reason = command.reason?.trim() || null;
  if (force && !reason) throw new FleetError({ code: 'reason_required' });
  if (!force) assertNoProtectedMachines(entry, by);
  const { at, availableMs } = locked;
  const decommissioned: Decommission = { at, by: actor.name, reason, removeBy: removalDeadline(at, timing) };
  const lease = {
    ...entry.lease,
    expiresAvailableMs: Math.min(entry.lease.expiresAvailableMs, availableMs - MAX_REPLICA_CLOCK_SKEW_MS),
  };
  return {
    result: decommissioned,
    change: {
      write: { to: 'decommissioned', entry: { ...entry, decommission: decommissioned, lease } },
      event: {
        kind: force ? 'decommissioned_by_force' : 'decommissioned',
        generation: entry.generation,
        ...callerAuthor(actor),
        detail: {
          removeBy: decommissioned.removeBy.toISOString(),
          protectedMachineCount: entry.health.protectedMachineCount,
          ...(reason && { reason }),
        },
      },
      endedSilence: endedSilence(entry, { at, availableMs, author: callerAuthor(actor) }),
    },
  };
}

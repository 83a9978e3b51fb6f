import { calledBy } from './fleet-event.js';
import { FleetError } from './fleet-fault.js';
import { credentialFault } from './heartbeat.js';
import type { Decision, HeldRecord } from './ports.js';
import { connectionStateAt, type Actor, type Decommission, type ProcessServer } from './process-server.js';
import { mustBeTheSeen } from './seen-generation.js';
import { endedSilence } from './silence.js';

/** Who takes a process server out of the fleet: itself, by its credential, or an operator. */
export type DecommissionBy =
  | { readonly kind: 'process_server'; readonly generation: number; readonly credentialHash: string }
  | { readonly kind: 'operator' };

export interface DecommissionOrder {
  readonly by: DecommissionBy;
  readonly actor: Actor;
  /** The generation that the caller saw; null when the call names none. */
  readonly generation: number | null;
  readonly force: boolean;
  /** Needed by force. */
  readonly reason: string | null;
}

/** When a clean-up happens after a decommissioning. */
export interface CleanUpTiming {
  readonly graceSeconds: number;
  readonly intervalSeconds: number;
}

/** The latest that a decommissioned entry stays: the grace and two sweeps. */
export function removeByFrom(decommissionedAt: Date, { graceSeconds, intervalSeconds }: CleanUpTiming): Date {
  return new Date(decommissionedAt.getTime() + (graceSeconds + 2 * intervalSeconds) * 1000);
}

/** L of another replica may be behind ours by the difference of the clocks, a second at most: a lease that ends at once has ended for all of them. */
const REPLICAS_DIFFER_MS = 1_500;

function mayAct({ by, generation }: DecommissionOrder, held: HeldRecord): ProcessServer {
  const { entry, tombstone, listenedMs } = held;
  if (by.kind === 'process_server') {
    const leaving = entry?.decommission && entry.generation === by.generation;
    const onRecord = entry && {
      generation: entry.generation,
      ...entry.lease,
      retired: entry.decommission !== null && !leaving,
    };
    const fault = credentialFault(by, onRecord, tombstone);
    if (fault) throw new FleetError(fault);
  }
  if (generation !== null) mustBeTheSeen(generation, held);
  if (tombstone) {
    throw new FleetError({ code: 'generation_retired', removal: tombstone.removal });
  }
  if (!entry) throw new FleetError({ code: 'process_server_not_found' });
  if (by.kind === 'operator' && !entry.decommission && connectionStateAt(listenedMs, entry) === 'Disconnected') {
    throw new FleetError({ code: 'process_server_disconnected' });
  }
  return entry;
}

/** Machines that still use it hold it, unless it is forced. A count that was never reported is zero for itself, unknown for an operator; one that could not be used is unknown for both. */
function mustBeFree({ health }: ProcessServer, by: DecommissionBy): void {
  const { protectedMachineCount, protectedMachinesUnknown } = health;
  if (protectedMachineCount) throw new FleetError({ code: 'machines_protected', protectedMachineCount });
  if (protectedMachinesUnknown || (protectedMachineCount === null && by.kind === 'operator'))
    throw new FleetError({ code: 'machines_unknown' });
}

/**
 * Marks an entry as leaving and ends its lease at once; one that is leaving already stays as it is, with the same answer.
 * @throws FleetError the refusals of a heartbeat for a process server; `process_server_disconnected`
 * for an operator; `generation_superseded`, `generation_unknown` when the named generation is not the present one; `machines_protected`, `machines_unknown`; `reason_required` when forced without.
 */
export function decommission(
  order: DecommissionOrder,
  held: HeldRecord,
  timing: CleanUpTiming,
): Decision<Decommission> {
  const { by, actor, force } = order;
  const entry = mayAct(order, held);
  if (entry.decommission) return { answer: entry.decommission };
  const reason = order.reason?.trim() || null;
  if (force && !reason) throw new FleetError({ code: 'reason_required' });
  if (!force) mustBeFree(entry, by);
  const { now, listenedMs } = held;
  const leaving: Decommission = { at: now, by: actor.name, reason, removeBy: removeByFrom(now, timing) };
  const lease = {
    ...entry.lease,
    endsAtListenedMs: Math.min(entry.lease.endsAtListenedMs, listenedMs - REPLICAS_DIFFER_MS),
  };
  return {
    answer: leaving,
    change: {
      write: { to: 'decommissioned', entry: { ...entry, decommission: leaving, lease } },
      event: {
        kind: force ? 'decommissioned_by_force' : 'decommissioned',
        generation: entry.generation,
        ...calledBy(actor),
        detail: {
          removeBy: leaving.removeBy.toISOString(),
          protectedMachineCount: entry.health.protectedMachineCount,
          ...(reason && { reason }),
        },
      },
      endedSilence: endedSilence(entry, { now, listenedMs, author: calledBy(actor) }),
    },
  };
}

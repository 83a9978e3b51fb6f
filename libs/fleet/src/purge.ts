import { calledBy } from './fleet-event.js';
import { FleetError, type FleetFault } from './fleet-fault.js';
import type { ReportedHealth } from './health.js';
import { earliestWallInstant } from './listening.js';
import type { Decision, HeldRecord } from './ports.js';
import { connectionStateAt, type Actor, type Tombstone } from './process-server.js';
import { mustBeTheSeen } from './seen-generation.js';

export interface PurgeOrder {
  /** The generation that the operator saw. */
  readonly generation: number;
  readonly reason: string;
  /** Purges one with protected machines all the same, and a Connected one unless a plan purges it. */
  readonly force: boolean;
  readonly actor: Actor;
  readonly planId: string | null;
}

export interface PurgeAnswer {
  readonly hostId: string;
  readonly friendlyName: string;
  readonly ipAddress: string;
  readonly purgedAt: Date;
}

const answerOf = ({ hostId, friendlyName, ipAddress, removedAt }: Tombstone): PurgeAnswer => ({
  hostId,
  friendlyName,
  ipAddress,
  purgedAt: removedAt,
});

/** What keeps an entry from being purged, unless that is forced: machines that are, or may be, protected through it. */
export function machinesFault({
  protectedMachineCount,
  protectedMachinesUnknown,
}: Pick<ReportedHealth, 'protectedMachineCount' | 'protectedMachinesUnknown'>): FleetFault | null {
  if (protectedMachineCount) return { code: 'machines_protected', protectedMachineCount };
  return protectedMachinesUnknown ? { code: 'machines_unknown' } : null;
}

/**
 * Removes an entry at once; purging it again answers the same.
 * @throws FleetError `process_server_connected`, which force does not override for a plan; `machines_protected`, `machines_unknown` unless forced; `generation_superseded` when it has
 * registered since; `generation_unknown`; `generation_retired` when the clean-up was first; `process_server_not_found`.
 */
export function purge(hostId: string, order: PurgeOrder, held: HeldRecord): Decision<PurgeAnswer> {
  const { force, actor, planId } = order;
  const reason = order.reason.trim();
  if (!reason) throw new FleetError({ code: 'reason_required' });
  mustBeTheSeen(order.generation, held);
  const { entry, tombstone, now, listenedMs } = held;
  if (tombstone?.removal === 'purge') return { answer: answerOf(tombstone) };
  if (!entry) throw new FleetError({ code: 'generation_retired', removal: 'clean_up' });
  const evenIfConnected = force && planId === null;
  if (!evenIfConnected && connectionStateAt(listenedMs, entry) === 'Connected') {
    throw new FleetError({
      code: 'process_server_connected',
      leaseExpiresAt: earliestWallInstant(entry.lease.endsAtListenedMs, listenedMs, now),
    });
  }
  const fault = force ? null : machinesFault(entry.health);
  if (fault) throw new FleetError(fault);
  const {
    generation,
    facts: { friendlyName, ipAddress },
  } = entry;
  const made: Tombstone = {
    hostId,
    generation,
    friendlyName,
    ipAddress,
    removedAt: now,
    removedBy: actor.name,
    reason,
    removal: 'purge',
    planId,
  };
  return {
    answer: answerOf(made),
    change: {
      write: { to: 'removed', tombstone: made, evenIfConnected },
      event: {
        kind: force ? 'purged_by_force' : 'purged',
        generation,
        ...calledBy(actor),
        detail: {
          friendlyName,
          ipAddress,
          reason,
          connectionState: connectionStateAt(listenedMs, entry),
          lastHeartbeatAt: entry.lease.lastHeartbeatAt?.toISOString() ?? null,
          protectedMachineCount: entry.health.protectedMachineCount,
          ...(planId && { planId }),
        },
      },
    },
  };
}

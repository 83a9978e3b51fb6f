import { calledBy } from './fleet-event.js';
import { FleetError } from './fleet-fault.js';
import { earliestWallInstant } from './listening.js';
import type { Decision, HeldRecord } from './ports.js';
import { connectionStateAt, type Actor, type Tombstone } from './process-server.js';
import { mustBeTheSeen } from './seen-generation.js';

export interface PurgeOrder {
  /** The generation that the operator saw. */
  readonly generation: number;
  readonly reason: string;
  /** Purges a Connected one, or one with protected machines, all the same. */
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

const answerOf = ({ hostId, friendlyName, ipAddress, removedAt }: Tombstone): PurgeAnswer => ({ hostId, friendlyName, ipAddress, purgedAt: removedAt });

/**
 * Removes an entry at once; purging it again answers the same.
 * @throws FleetError `process_server_connected`, `machines_protected`, `machines_unknown` unless forced; `generation_superseded` when it has
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
  if (!force && connectionStateAt(listenedMs, entry) === 'Connected') {
    throw new FleetError({ code: 'process_server_connected', leaseExpiresAt: earliestWallInstant(entry.lease.endsAtListenedMs, listenedMs, now) });
  }
  const { protectedMachineCount, protectedMachinesUnknown } = entry.health;
  if (!force && protectedMachineCount) throw new FleetError({ code: 'machines_protected', protectedMachineCount });
  if (!force && protectedMachinesUnknown) throw new FleetError({ code: 'machines_unknown' });
  const { generation, facts: { friendlyName, ipAddress } } = entry;
  const made: Tombstone = { hostId, generation, friendlyName, ipAddress, removedAt: now, removedBy: actor.name, reason, removal: 'purge', planId };
  return {
    answer: answerOf(made),
    change: {
      write: { to: 'removed', tombstone: made, evenIfConnected: force },
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
          protectedMachineCount,
          ...(planId && { planId }),
        },
      },
    },
  };
}

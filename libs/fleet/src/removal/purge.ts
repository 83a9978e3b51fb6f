import { callerAuthor } from '../events/fleet-event.js';
import { FleetError, type FleetErrorDetails } from '../fleet-error.js';
import type { ReportedHealth } from '../health/health.js';
import { toWallClock } from '../availability/availability-clock.js';
import type { Decision, LockedRecord } from '../ports.js';
import { connectionStateAt, type Actor, type Tombstone } from '../process-server.js';
import { assertExpectedGeneration } from './expected-generation.js';

export interface PurgeCommand {
  /** The generation that the operator saw. */
  readonly generation: number;
  readonly reason: string;
  /** Also purges an entry with protected machines, and without a plan also a Connected one. */
  readonly force: boolean;
  readonly actor: Actor;
  readonly planId: string | null;
}

export interface PurgeResult {
  readonly hostId: string;
  readonly friendlyName: string;
  readonly ipAddress: string;
  readonly purgedAt: Date;
}

const toPurgeResult = ({ hostId, friendlyName, ipAddress, removedAt }: Tombstone): PurgeResult => ({
  hostId,
  friendlyName,
  ipAddress,
  purgedAt: removedAt,
});

/** The reason not to purge an entry without force: machines that are, or may be, protected through it. */
export function checkProtectedMachines({
  protectedMachineCount,
  protectedMachinesUnknown,
}: Pick<ReportedHealth, 'protectedMachineCount' | 'protectedMachinesUnknown'>): FleetErrorDetails | null {
  if (protectedMachineCount) return { code: 'machines_protected', protectedMachineCount };
  return protectedMachinesUnknown ? { code: 'machines_unknown' } : null;
}

/**
 * Removes an entry at once; a repeated purge returns the same result.
 * @throws FleetError `process_server_connected`, which force does not override in a plan; `machines_protected`,
 * `machines_unknown` unless forced; `generation_superseded` when it has registered since; `generation_unknown`;
 * `generation_retired` when the clean-up removed it; `process_server_not_found`.
 */
export function purge(hostId: string, command: PurgeCommand, locked: LockedRecord): Decision<PurgeResult> {
  const { force, actor, planId } = command;
  const reason = command.reason.trim();
  if (!reason) throw new FleetError({ code: 'reason_required' });
  assertExpectedGeneration(command.generation, locked);
  const { entry, tombstone, at: now, availableMs } = locked;
  if (tombstone?.removal === 'purge') return { result: toPurgeResult(tombstone) };
  if (!entry) throw new FleetError({ code: 'generation_retired', removal: 'clean_up' });
  const allowConnected = force && planId === null;
  if (!allowConnected && connectionStateAt(availableMs, entry) === 'Connected') {
    throw new FleetError({
      code: 'process_server_connected',
      leaseExpiresAt: toWallClock(entry.lease.expiresAvailableMs, availableMs, now),
    });
  }
  const rejection = force ? null : checkProtectedMachines(entry.health);
  if (rejection) throw new FleetError(rejection);
  const {
    generation,
    facts: { friendlyName, ipAddress },
  } = entry;
  const newTombstone: Tombstone = {
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
    result: toPurgeResult(newTombstone),
    change: {
      write: { to: 'removed', tombstone: newTombstone, allowConnected },
      event: {
        kind: force ? 'purged_by_force' : 'purged',
        generation,
        ...callerAuthor(actor),
        detail: {
          friendlyName,
          ipAddress,
          reason,
          connectionState: connectionStateAt(availableMs, entry),
          lastHeartbeatAt: entry.lease.lastHeartbeatAt?.toISOString() ?? null,
          protectedMachineCount: entry.health.protectedMachineCount,
          ...(planId && { planId }),
        },
      },
    },
  };
}

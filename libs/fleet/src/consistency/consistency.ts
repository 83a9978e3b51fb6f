import { systemAuthor } from '../events/fleet-event.js';
import type { Decision, LockedRecord } from '../ports.js';
import type { Damage, HostRows, InconsistencyKind, ProcessServer, Tombstone } from '../process-server.js';

const ACTOR = 'consistency-check';

/** All inconsistencies in the rows of one host; empty when the rows are consistent. */
export function inconsistenciesOf({
  entry,
  lease,
  hasHealth,
  names,
  currentNames,
  tombstone,
}: HostRows): InconsistencyKind[] {
  if (!entry) return lease || hasHealth || names > 0 ? ['orphan'] : [];
  const kinds: InconsistencyKind[] = [];
  if (!lease) kinds.push('lease_missing');
  if (!hasHealth) kinds.push('health_missing');
  if (currentNames !== 1) kinds.push('name_mismatch');
  if (lease && lease.generation !== entry.generation) kinds.push('generation_mismatch');
  if (lease && lease.isRetired !== entry.isDecommissioned) kinds.push('retirement_mismatch');
  if (tombstone) kinds.push('entry_with_tombstone');
  return kinds;
}

/** The inconsistencies of a host's rows and the values that remain valid; null when the rows are consistent. */
export function damageOf(rows: HostRows): Damage | null {
  const kinds = inconsistenciesOf(rows);
  if (kinds.length === 0) return null;
  const { entry, lease, tombstone } = rows;
  const generation = Math.max(entry?.generation ?? 0, lease?.generation ?? 0, tombstone?.generation ?? 0);
  // A later registration, which only the lease shows, has cancelled the removal.
  const isDecommissioned = entry !== null && entry.isDecommissioned && !(lease && lease.generation > entry.generation);
  return { kinds, rows, generation, isDecommissioned };
}

/** The generation of the last registration of a host id; 0 before the first. */
export const lastGeneration = ({
  entry,
  tombstone,
  damage,
}: Pick<LockedRecord, 'entry' | 'tombstone' | 'damage'>): number =>
  damage?.generation ?? entry?.generation ?? tombstone?.generation ?? 0;

/**
 * Makes the rows of a host consistent. A registration has a higher generation than the tombstone before it, so an entry
 * without a higher one was removed, and is deleted. Any other entry remains, with the highest known generation. Rows
 * without an entry are deleted. When the last issued credential may be unknown, it is revoked, so that the process
 * server registers again.
 */
export function repair({ entry, damage }: LockedRecord): Decision<readonly InconsistencyKind[]> {
  if (!damage) return { result: [] };
  const { kinds, rows, generation } = damage;
  const removed = entry && removalOf(damage);
  return {
    result: kinds,
    change: {
      write: removed ? { to: 'removed', tombstone: removed, allowConnected: true } : { to: 'repaired', entry },
      event: {
        kind: 'inconsistency_repaired',
        generation,
        ...systemAuthor(ACTOR),
        detail: {
          found: kinds,
          result: resultOf(entry, removed),
          entryGeneration: rows.entry?.generation ?? null,
          leaseGeneration: rows.lease?.generation ?? null,
          tombstoneGeneration: rows.tombstone?.generation ?? null,
        },
      },
    },
  };
}

function removalOf({ rows: { entry, lease, tombstone } }: Damage): Tombstone | null {
  const registered = Math.max(entry?.generation ?? 0, lease?.generation ?? 0);
  return tombstone && tombstone.generation >= registered ? { ...tombstone, planId: null } : null;
}

function resultOf(entry: ProcessServer | null, removed: Tombstone | null): string {
  if (removed) return 'entry_removed';
  return entry ? 'entry_completed' : 'orphans_deleted';
}

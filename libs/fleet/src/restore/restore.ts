import type { Decision, LockedRecord } from '../ports.js';
import { systemAuthor } from '../events/fleet-event.js';
import { FleetError } from '../fleet-error.js';
import { lastGeneration } from '../consistency/consistency.js';
import type { Tombstone } from '../process-server.js';
import { MAX_GENERATION } from '../registration/registration.js';

/** More registrations than one host id makes between a backup and its restore. */
const GENERATION_JUMP = 1_048_576;
const ACTOR = 'restore';

/** Which site a database belongs to, and which of its histories it is in: each restore begins an epoch. */
export interface SiteEpoch {
  readonly siteId: string;
  /** 0 before the first restore. */
  readonly epoch: number;
  /** Tells two restores of one backup apart. */
  readonly epochId: string;
  /** Registrations of this generation or an earlier one are from before the last restore. */
  readonly generationFloor: number;
}

/** What a data directory keeps of the database that it was last used with. */
export interface DirectoryRecord extends SiteEpoch {
  /** The highest value of the availability clock that was seen committed; in one epoch it never goes back. */
  readonly availableMs: number;
  /** The database was found to be older, and has not been settled since. */
  readonly databaseIsOlder: boolean;
}

/** How a database can contradict the data directory that a server was started with. */
export type DirectoryDifference = 'data_directory_of_other_site' | 'database_older_than_data_directory';

/** Null where they agree, and where the directory has no record yet. */
export function directoryDifference(
  directory: DirectoryRecord | null,
  site: SiteEpoch,
  availableMs: number,
): DirectoryDifference | null {
  if (!directory) return null;
  if (directory.siteId !== site.siteId) return 'data_directory_of_other_site';
  if (site.epoch < directory.epoch) return 'database_older_than_data_directory';
  if (wasRestoredElsewhere(directory, site)) return null;
  return directory.databaseIsOlder || availableMs < directory.availableMs ? 'database_older_than_data_directory' : null;
}

/** Whether the restore of this database was done, or begun, with another data directory: then this one only adds what it knows. */
export function wasRestoredElsewhere(directory: DirectoryRecord | null, site: SiteEpoch): boolean {
  return (
    directory !== null &&
    directory.siteId === site.siteId &&
    site.epoch >= directory.epoch &&
    site.epochId !== directory.epochId
  );
}

/**
 * The generation above which registrations go on after a restore. The jump is drawn, so that two restores of one backup do not give
 * the same generations. @throws FleetError `generations_exhausted`.
 */
export function floorAfterRestore(highestKnown: number, fraction: number): number {
  const floor = highestKnown + GENERATION_JUMP + Math.floor(GENERATION_JUMP * fraction);
  if (floor >= MAX_GENERATION) throw new FleetError({ code: 'generations_exhausted', max: MAX_GENERATION });
  return floor;
}

/** What a data directory remembers of a host that was removed, or that registered again after it was. */
export interface RemovalRecord {
  readonly siteId: string;
  readonly hostId: string;
  readonly generation: number;
  readonly change: Tombstone['removal'] | 'registered';
  readonly friendlyName: string;
  readonly ipAddress: string;
  readonly at: Date;
  readonly by: string;
  readonly reason: string | null;
}

/** The last change of each host of a site, in whatever order they were read. Of one generation, the removal is the later one. */
export function lastRemovalRecords(records: Iterable<RemovalRecord>, siteId: string): Map<string, RemovalRecord> {
  const last = new Map<string, RemovalRecord>();
  for (const record of records) {
    const known = last.get(record.hostId);
    const isLater =
      !known ||
      record.generation > known.generation ||
      (record.generation === known.generation && known.change === 'registered');
    if (record.siteId === siteId && isLater) last.set(record.hostId, record);
  }
  return last;
}

/**
 * Removes once more, from a restored database, what a record says was removed; true when that was needed. An entry of a later
 * generation stays: its host registered again.
 */
export function removeAgain(record: RemovalRecord, locked: LockedRecord): Decision<boolean> {
  const { change, hostId, generation, friendlyName, ipAddress, at, by, reason } = record;
  const { entry, tombstone } = locked;
  const known = lastGeneration(locked);
  if (change === 'registered' || known > generation || (tombstone && known === generation)) return { result: false };
  const newTombstone: Tombstone = {
    hostId,
    generation,
    friendlyName,
    ipAddress,
    removedAt: at,
    removedBy: by,
    reason,
    removal: change,
    planId: null,
  };
  return {
    result: true,
    change: {
      write: entry
        ? { to: 'removed', tombstone: newTombstone, allowConnected: true, entryGeneration: entry.generation }
        : { to: 'remembered', tombstone: newTombstone },
      event: {
        kind: change === 'purge' ? 'purged' : 'removed',
        generation,
        ...systemAuthor(ACTOR),
        detail: { friendlyName, ipAddress, reason, removedAt: at.toISOString(), removedBy: by, afterRestore: true },
      },
    },
  };
}

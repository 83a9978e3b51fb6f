import type { Decision, LockedRecord } from '../ports.js';
import { systemAuthor } from '../events/fleet-event.js';
import { FleetError } from '../fleet-error.js';
import { lastGeneration } from '../consistency/consistency.js';
import type { Tombstone } from '../process-server.js';
import { MAX_GENERATION } from '../registration/registration.js';

/** More than the registrations of one host id between a backup and its restore. */
const GENERATION_JUMP = 1_048_576;
const ACTOR = 'restore';

/** The site of a database and its epoch; each restore begins an epoch. */
export interface SiteEpoch {
  readonly siteId: string;
  /** 0 before the first restore. */
  readonly epoch: number;
  /** Distinguishes two restores of one backup. */
  readonly epochId: string;
  /** Registrations up to this generation predate the last restore. */
  readonly generationFloor: number;
}

/** The record in a data directory of the database that it was last used with. */
export interface DirectoryRecord extends SiteEpoch {
  /** The highest committed value of the availability clock; it never decreases within one epoch. */
  readonly availableMs: number;
  /** The database was found to be older than this record, and this is unresolved. */
  readonly databaseIsOlder: boolean;
}

/** The ways in which a database can contradict the data directory of the server. */
export type DirectoryDifference = 'data_directory_of_other_site' | 'database_older_than_data_directory';

/** The difference between the record and the database; null when they agree or no record exists. */
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

/** Whether the database was restored with another data directory, completely or in part; this directory then only adds its records. */
export function wasRestoredElsewhere(directory: DirectoryRecord | null, site: SiteEpoch): boolean {
  return (
    directory !== null &&
    directory.siteId === site.siteId &&
    site.epoch >= directory.epoch &&
    site.epochId !== directory.epochId
  );
}

/**
 * The generation floor after a restore. The jump is random, so that two restores of one backup do not issue the same
 * generations.
 * @throws FleetError `generations_exhausted`.
 */
export function floorAfterRestore(highestKnown: number, fraction: number): number {
  const floor = highestKnown + GENERATION_JUMP + Math.floor(GENERATION_JUMP * fraction);
  if (floor >= MAX_GENERATION) throw new FleetError({ code: 'generations_exhausted', max: MAX_GENERATION });
  return floor;
}

/** The record in a data directory of a host that was removed, or that registered again after a removal. */
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

/** The last change of each host of a site, in any order of the records. Within one generation, the removal is the later change. */
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
 * Repeats a recorded removal in a restored database; true when it was necessary. An entry of a later generation stays,
 * because its host registered again.
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

import { describe, expect, it } from '@jest/globals';
import {
  directoryDifference,
  floorAfterRestore,
  lastRemovalRecords,
  removeAgain,
  wasRestoredElsewhere,
  type DirectoryRecord,
  type RemovalRecord,
  type SiteEpoch,
} from './restore.js';
import { aProcessServer, aTombstone, aLockedRecord, HOST_ID, msAfter, NOON } from '../testing/examples.js';

const SITE: SiteEpoch = { siteId: 'site-1', epoch: 1, epochId: 'epoch-1', generationFloor: 0 };
const DIRECTORY: DirectoryRecord = { ...SITE, availableMs: 5_000, databaseIsOlder: false };

describe('a database and a data directory', () => {
  it.each([
    ['no record yet', null, SITE, 0, null, false],
    ['a record of the same time', DIRECTORY, SITE, 5_000, null, false],
    ['an earlier record', DIRECTORY, SITE, 60_000, null, false],
    ['a later record: the database is a backup', DIRECTORY, SITE, 4_999, 'database_older_than_data_directory', false],
    [
      'a record marked as later and unresolved',
      { ...DIRECTORY, databaseIsOlder: true },
      SITE,
      60_000,
      'database_older_than_data_directory',
      false,
    ],
    [
      'a record from after the next restore',
      { ...DIRECTORY, epoch: 2, epochId: 'epoch-2' },
      SITE,
      60_000,
      'database_older_than_data_directory',
      false,
    ],
    ['a record from before a restore elsewhere', DIRECTORY, { ...SITE, epoch: 2, epochId: 'epoch-2' }, 0, null, true],
    [
      'a record marked as later, then a restore elsewhere',
      { ...DIRECTORY, databaseIsOlder: true },
      { ...SITE, epoch: 2, epochId: 'epoch-2' },
      0,
      null,
      true,
    ],
    ['a record of another restore of the same backup', DIRECTORY, { ...SITE, epochId: 'other' }, 0, null, true],
    [
      'a record of another site',
      { ...DIRECTORY, siteId: 'site-2', epochId: 'other' },
      SITE,
      60_000,
      'data_directory_of_other_site',
      false,
    ],
  ] as const)('%s', (_case, directory, site, availableMs, difference, elsewhere) => {
    expect([directoryDifference(directory, site, availableMs), wasRestoredElsewhere(directory, site)]).toEqual([
      difference,
      elsewhere,
    ]);
  });
});

describe('the generation floor after a restore', () => {
  it.each([
    [0, 0, 1_048_576],
    [7, 0.5, 1_572_871],
    [4_292_870_142, 0.999999, 4_294_967_292],
  ])('above %d with random number %d is %d', (highest, fraction, floor) => {
    expect(floorAfterRestore(highest, fraction)).toBe(floor);
  });

  it('leaves at least one generation, otherwise fails', () => {
    expect(() => floorAfterRestore(4_293_918_719, 0)).toThrow('generations_exhausted');
    expect(floorAfterRestore(4_293_918_718, 0)).toBe(4_294_967_294);
  });
});

const aRecord = (over: Partial<RemovalRecord> = {}): RemovalRecord => ({
  siteId: 'site-1',
  hostId: HOST_ID,
  generation: 3,
  change: 'purge',
  friendlyName: 'ps-berlin-1',
  ipAddress: '192.0.2.11',
  at: msAfter(NOON, -60_000),
  by: 'anna',
  reason: 'scrapped',
  ...over,
});

describe('lastRemovalRecords', () => {
  const returned = aRecord({ generation: 4, change: 'registered' });
  const again = aRecord({ generation: 4, change: 'clean_up' });

  it.each([
    [[aRecord()], 'purge'],
    [[aRecord(), returned], 'registered'],
    [[returned, aRecord()], 'registered'],
    [[aRecord(), returned, again], 'clean_up'],
    [[again, returned, aRecord()], 'clean_up'],
    [[aRecord({ siteId: 'site-2' })], undefined],
  ])('returns the last change of a host in any order (%#)', (records, change) => {
    expect(lastRemovalRecords(records, 'site-1').get(HOST_ID)?.change).toBe(change);
  });
});

describe('repeating a recorded removal after a restore', () => {
  const tombstone = aTombstone();

  it.each([
    ['creates a tombstone for an unknown host', aRecord(), aLockedRecord(), 'remembered'],
    ['removes the entry of that generation', aRecord(), aLockedRecord({ entry: aProcessServer() }), 'removed'],
    [
      'removes an entry of an earlier generation',
      aRecord({ generation: 5 }),
      aLockedRecord({ entry: aProcessServer() }),
      'removed',
    ],
    [
      'keeps an entry of a later generation',
      aRecord({ generation: 2 }),
      aLockedRecord({ entry: aProcessServer() }),
      null,
    ],
    [
      'raises a tombstone of an earlier generation',
      aRecord({ generation: 5 }),
      aLockedRecord({ tombstone }),
      'remembered',
    ],
    ['keeps a tombstone of that generation', aRecord(), aLockedRecord({ tombstone }), null],
    ['keeps a tombstone of a later generation', aRecord({ generation: 2 }), aLockedRecord({ tombstone }), null],
    [
      'changes nothing when the host registered again',
      aRecord({ change: 'registered', generation: 5 }),
      aLockedRecord({ tombstone }),
      null,
    ],
  ])('%s', (_case, record, known, to) => {
    const { result, change } = removeAgain(record, known);
    expect([result, change?.write.to ?? null]).toEqual([to !== null, to]);
  });

  it('keeps the actor, time and reason of the removal', () => {
    const { change } = removeAgain(aRecord({ generation: 5 }), aLockedRecord({ entry: aProcessServer() }));
    expect(change?.write).toEqual({
      to: 'removed',
      tombstone: { ...tombstone, generation: 5 },
      allowConnected: true,
      entryGeneration: 3,
    });
    expect(change?.event).toMatchObject({
      kind: 'purged',
      generation: 5,
      actor: 'restore',
      detail: { removedBy: 'anna', reason: 'scrapped', afterRestore: true },
    });
    expect(removeAgain(aRecord({ change: 'clean_up' }), aLockedRecord()).change?.event.kind).toBe('removed');
  });
});

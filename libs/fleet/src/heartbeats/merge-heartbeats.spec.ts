import { expect, it } from '@jest/globals';
import type { Heartbeat, IgnoredMembers } from './heartbeat.js';
import { mergeHeartbeats } from './merge-heartbeats.js';
import { aHeartbeat } from '../testing/examples.js';

const COUNT: IgnoredMembers = { fields: ['protectedMachineCount'], unusable: ['protectedMachineCount'] };
const LOAD = {
  cpuPercent: null,
  totalMemoryBytes: 1,
  availableMemoryBytes: 1,
  totalCacheBytes: 1,
  freeCacheBytes: 1,
  throughputBytesPerSecond: 1,
  pendingUploadBytes: 0,
};

it.each<[string, Partial<Heartbeat>, Partial<Heartbeat>, Partial<Heartbeat>]>([
  [
    'the later value replaces the earlier one',
    { protectedMachineCount: 1 },
    { protectedMachineCount: 2 },
    { protectedMachineCount: 2 },
  ],
  [
    'a value of only the earlier one remains',
    { protectedMachineCount: 1 },
    { replicationPairCount: 2 },
    { protectedMachineCount: 1, replicationPairCount: 2 },
  ],
  [
    'a later invalid value clears an earlier one',
    { protectedMachineCount: 0 },
    { ignored: COUNT },
    { protectedMachineCount: null, ignored: COUNT },
  ],
  ['an earlier invalid value remains invalid', { ignored: COUNT }, {}, { ignored: COUNT }],
  [
    'a later value replaces an earlier invalid one',
    { ignored: COUNT },
    { protectedMachineCount: 3 },
    { protectedMachineCount: 3, ignored: { fields: [], unusable: [] } },
  ],
  ['a field ignored in both is listed once', { ignored: COUNT }, { ignored: COUNT }, { ignored: COUNT }],
  [
    'ignored fields of both are listed',
    { ignored: { fields: ['mood', 'sentAt'], unusable: ['skewMs'] } },
    { ignored: { fields: ['queueDepth'], unusable: [] } },
    { ignored: { fields: ['queueDepth', 'mood', 'sentAt'], unusable: ['skewMs'] } },
  ],
  [
    'a later clock skew replaces an earlier one',
    { ignored: { fields: ['sentAt'], unusable: ['skewMs'] } },
    { skewMs: 5 },
    { skewMs: 5, ignored: { fields: [], unusable: [] } },
  ],
  [
    'a later load replaces an earlier one',
    { load: LOAD, ignored: { fields: ['load.cpuPercent'], unusable: [] } },
    { load: { ...LOAD, cpuPercent: 5 } },
    { load: { ...LOAD, cpuPercent: 5 }, ignored: { fields: [], unusable: [] } },
  ],
  [
    'a later withdrawal clears an earlier value',
    { services: [] },
    { withdrawn: ['services'] },
    { services: null, withdrawn: ['services'] },
  ],
  ['an earlier withdrawal remains', { withdrawn: ['load'] }, {}, { withdrawn: ['load'] }],
  ['an earlier withdrawal is replaced', { withdrawn: ['load'] }, { load: LOAD }, { load: LOAD }],
  [
    'withdrawals of both remain',
    { withdrawn: ['load'] },
    { withdrawn: ['services'] },
    { withdrawn: ['services', 'load'] },
  ],
])('merging two heartbeats of one sender: %s', (_what, earlier, later, merged) => {
  expect(mergeHeartbeats(aHeartbeat(earlier), aHeartbeat(later))).toEqual(aHeartbeat(merged));
});

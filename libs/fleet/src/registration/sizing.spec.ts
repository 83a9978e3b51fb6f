import { expect, it } from '@jest/globals';
import { sizingClassOf } from './sizing.js';

const GB = 1_000_000_000;

it.each([
  [4, 8, 300, 'UpTo85Machines'],
  [3, 8, 300, 'BelowTable'],
  [4, 7.999_999_999, 300, 'BelowTable'],
  [4, 8, 299.999_999_999, 'BelowTable'],
  [8, 12, 600, 'UpTo150Machines'],
  [7, 12, 600, 'UpTo85Machines'],
  [8, 11.999_999_999, 600, 'UpTo85Machines'],
  [8, 12, 599.999_999_999, 'UpTo85Machines'],
  [12, 24, 1_000, 'UpTo225Machines'],
  [11, 24, 1_000, 'UpTo150Machines'],
  [12, 23.999_999_999, 1_000, 'UpTo150Machines'],
  [12, 24, 999.999_999_999, 'UpTo150Machines'],
  [64, 512, 100_000, 'UpTo225Machines'],
  [64, 512, 300, 'UpTo85Machines'],
  [64, 512, 100, 'BelowTable'],
  [1, 0, 0, 'BelowTable'],
] as const)('%d cores, %d GB of memory and %d GB of cache are %s', (cpuCores, memory, cache, sizingClass) => {
  expect(
    sizingClassOf({ cpuCores, memoryBytes: Math.round(memory * GB), cacheDiskBytes: Math.round(cache * GB) }),
  ).toBe(sizingClass);
});

import { expect, it } from '@jest/globals';
import { reportedHealth, type Condition } from './reported-health.js';

/** Names of the values that exceed the thresholds of the product. */
function problemsOf(condition: Condition, fraction: number): string[] {
  const { load, services } = reportedHealth(condition, () => fraction);
  const free = (part?: number | null, whole?: number | null): number => (100 * (part ?? NaN)) / (whole ?? NaN);
  const freeCache = free(load.freeCacheBytes, load.totalCacheBytes);
  return [
    ...((load.cpuPercent ?? NaN) > 80 ? ['cpu > 80'] : []),
    ...((load.cpuPercent ?? NaN) > 95 ? ['cpu > 95'] : []),
    ...(free(load.availableMemoryBytes, load.totalMemoryBytes) < 20 ? ['memory'] : []),
    ...(freeCache < 25 ? ['cache < 25'] : []),
    ...(load.pendingUploadBytes === 0 ? [] : ['upload']),
    ...(services.every(({ state }) => state === 'running') ? [] : ['services']),
  ];
}

it.each<[Condition, string[]]>([
  ['healthy', []],
  ['busy_cpu', ['cpu > 80']],
  ['overloaded_cpu', ['cpu > 80', 'cpu > 95']],
  ['full_cache', ['cache < 25']],
  ['stopped_service', ['services']],
])('%s reports %j, whatever the random number', (condition, problems) => {
  for (const fraction of [0, 0.25, 0.5, 0.75, 0.999]) expect(problemsOf(condition, fraction)).toEqual(problems);
});

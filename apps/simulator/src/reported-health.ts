import type { LoadReport, ServiceReport } from '@app/api-contract';

/** What a simulated process server reports about its health. */
export type Condition = 'healthy' | 'busy_cpu' | 'overloaded_cpu' | 'full_cache' | 'stopped_service';

export const GIBIBYTE = 2 ** 30;

const SERVICES = ['ProcessServer', 'ProcessServerMonitor', 'cxprocessserver', 'obengine', 'svagents', 'tmansvc'];
/** The lowest and highest CPU use in percent; of other conditions as of `healthy`. */
const CPU_PERCENT: Partial<Record<Condition, readonly [number, number]>> = {
  busy_cpu: [85, 92],
  overloaded_cpu: [97, 100],
};

/**
 * The members of a heartbeat. `random` returns a number in [0, 1). A healthy report is below every threshold, so that only the servers
 * with another condition change their health.
 */
export function reportedHealth(
  condition: Condition,
  random: () => number,
): { readonly load: LoadReport; readonly services: ServiceReport[] } {
  const between = (lowest: number, highest: number): number => Math.round(lowest + (highest - lowest) * random());
  const [lowestCpu, highestCpu] = CPU_PERCENT[condition] ?? [10, 60];
  return {
    load: {
      cpuPercent: between(lowestCpu, highestCpu),
      totalMemoryBytes: 16 * GIBIBYTE,
      availableMemoryBytes: between(6 * GIBIBYTE, 12 * GIBIBYTE),
      totalCacheBytes: 600 * GIBIBYTE,
      freeCacheBytes: condition === 'full_cache' ? 130 * GIBIBYTE : between(300 * GIBIBYTE, 500 * GIBIBYTE),
      throughputBytesPerSecond: between(0, 20_000_000),
      pendingUploadBytes: 0,
    },
    services: SERVICES.map((name) => ({
      name,
      state: condition === 'stopped_service' && name === 'tmansvc' ? 'stopped' : 'running',
    })),
  };
}

import { collectDefaultMetrics, register } from 'prom-client';

/** Gauges with the name of a counter; each is the sum over the series of a metric without `_total`. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

/** Collects CPU, memory, garbage collection and event loop of this process. Call it once. */
export function collectProcessMetrics(): void {
  collectDefaultMetrics();
  for (const name of MISNAMED) register.removeSingleMetric(name);
}

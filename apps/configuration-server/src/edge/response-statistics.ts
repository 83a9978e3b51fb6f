import { FastHistogram, type Sample } from './fast-histogram.js';

/** Further values share one label value, which bounds the number of series whatever clients send. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'DELETE']);
const HEARTBEAT_ROUTE = '/v1/process-servers/:hostId/heartbeats';
const BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Counts and measures the responses of this replica. */
export class ResponseStatistics {
  /** By problem code, then by status class: a prom-client counter with labels would cost each response more. */
  private readonly countsByCode = new Map<string, number[]>();
  private readonly seconds = new FastHistogram(['method', 'route', 'status'], BUCKETS_SECONDS);
  /** The durations of accepted heartbeats, in seconds. */
  readonly acceptedHeartbeats = this.seconds.with({ method: 'POST', route: HEARTBEAT_ROUTE, status: '200' });

  recordResponse(status: number, code: string): void {
    let counts = this.countsByCode.get(code);
    if (!counts) this.countsByCode.set(code, (counts = []));
    const statusClass = Math.floor(status / 100);
    counts[statusClass] = (counts[statusClass] ?? 0) + 1;
  }

  /** Records the duration of a valid HTTP request; `route` is undefined if no route matches. */
  recordDuration(method: string, route: string | undefined, status: number, seconds: number): void {
    const labels = {
      method: METHODS.has(method) ? method : 'other',
      route: route ?? 'unknown',
      status: String(status),
    };
    this.seconds.with(labels).observe(seconds);
  }

  counts(): Sample[] {
    return [...this.countsByCode].flatMap(([code, counts]) =>
      counts.flatMap((value, status) => [{ labels: { status: `${status}xx`, code }, value }]),
    );
  }

  durations(metricName: string): Sample[] {
    return this.seconds.samples(metricName);
  }
}

import { ApiProblemError } from '@app/api-client';
import type { BehaviourName } from './behaviours.js';

export type Call = 'registered' | 'heartbeats' | 'unregistered';

interface Counts {
  readonly calls: Record<Call, number>;
  /** Problem codes and connection errors with their counts. */
  readonly rejections: Map<string, number>;
}

/** Number of latest latencies used for percentiles. */
const MAX_LATENCY_SAMPLES = 100_000;

/** Counters of the simulated fleet. */
export class CallStatistics {
  private readonly byBehaviour = new Map<BehaviourName, Counts>();
  private readonly latenciesMs: number[] = [];
  private measured = 0;

  /** Makes a call, and records its result and duration. */
  async timed<Result>(name: BehaviourName, kind: Call, call: () => Promise<Result>): Promise<Result> {
    const counts = this.countsOf(name);
    const startedAt = performance.now();
    try {
      const result = await call();
      counts.calls[kind] += 1;
      return result;
    } catch (error) {
      const code =
        error instanceof ApiProblemError ? error.problem.code : ((error as { code?: string }).code ?? 'no_answer');
      counts.rejections.set(code, (counts.rejections.get(code) ?? 0) + 1);
      throw error;
    } finally {
      this.latenciesMs[this.measured % MAX_LATENCY_SAMPLES] = performance.now() - startedAt;
      this.measured += 1;
    }
  }

  total(kind: Call): number {
    return [...this.byBehaviour.values()].reduce((sum, { calls }) => sum + calls[kind], 0);
  }

  get rejections(): number {
    return [...this.byBehaviour.values()].reduce(
      (sum, { rejections }) => sum + [...rejections.values()].reduce((a, b) => a + b, 0),
      0,
    );
  }

  /** The latency in milliseconds below which this share of the calls stayed. */
  latencyMs(share: number): number {
    const sorted = Float64Array.from(this.latenciesMs).sort();
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  }

  /** One row for each behaviour. */
  summary(): string {
    const rows = [...this.byBehaviour].map(([name, { calls, rejections }]) => {
      const rejected = [...rejections].map(([code, count]) => `${code} ${count}`).join(', ') || '-';
      return `  ${name.padEnd(18)} ${String(calls.registered).padStart(10)} ${String(calls.heartbeats).padStart(10)} ${String(calls.unregistered).padStart(12)}   ${rejected}`;
    });
    const head = `  ${'behaviour'.padEnd(18)} ${'registered'.padStart(10)} ${'heartbeats'.padStart(10)} ${'unregistered'.padStart(12)}   rejected`;
    const latency = `  latency p50 ${this.latencyMs(0.5).toFixed(1)} ms, p99 ${this.latencyMs(0.99).toFixed(1)} ms`;
    return [head, ...rows, latency].join('\n');
  }

  private countsOf(name: BehaviourName): Counts {
    const existing = this.byBehaviour.get(name);
    if (existing) return existing;
    const counts: Counts = { calls: { registered: 0, heartbeats: 0, unregistered: 0 }, rejections: new Map() };
    this.byBehaviour.set(name, counts);
    return counts;
  }
}

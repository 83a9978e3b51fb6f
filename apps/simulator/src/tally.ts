import { Refused } from '@app/wire';
import type { BehaviourName } from './behaviours.js';

export type Call = 'registered' | 'beats' | 'unregistered';

interface Counts {
  readonly calls: Record<Call, number>;
  /** Problem codes, and the errors of connections, with how often. */
  readonly refusals: Map<string, number>;
}

/** The latest latencies that percentiles are taken from. */
const LATENCIES_KEPT = 100_000;

/** What the simulated fleet has lived through, counted. */
export class Tally {
  private readonly byBehaviour = new Map<BehaviourName, Counts>();
  private readonly latenciesMs: number[] = [];
  private measured = 0;

  /** Does a call, and counts how it ended and how long it took. */
  async timed<Answer>(name: BehaviourName, kind: Call, call: () => Promise<Answer>): Promise<Answer> {
    const counts = this.countsOf(name);
    const startedAt = performance.now();
    try {
      const answer = await call();
      counts.calls[kind] += 1;
      return answer;
    } catch (error) {
      const code = error instanceof Refused ? error.problem.code : ((error as { code?: string }).code ?? 'no_answer');
      counts.refusals.set(code, (counts.refusals.get(code) ?? 0) + 1);
      throw error;
    } finally {
      this.latenciesMs[this.measured % LATENCIES_KEPT] = performance.now() - startedAt;
      this.measured += 1;
    }
  }

  total(kind: Call): number {
    return [...this.byBehaviour.values()].reduce((sum, { calls }) => sum + calls[kind], 0);
  }

  get refusals(): number {
    return [...this.byBehaviour.values()].reduce(
      (sum, { refusals }) => sum + [...refusals.values()].reduce((a, b) => a + b, 0),
      0,
    );
  }

  /** The latency in milliseconds that this share of the calls stayed below. */
  latencyMs(share: number): number {
    const sorted = Float64Array.from(this.latenciesMs).sort();
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  }

  /** A row for each behaviour. */
  summary(): string {
    const rows = [...this.byBehaviour].map(([name, { calls, refusals }]) => {
      const refused = [...refusals].map(([code, count]) => `${code} ${count}`).join(', ') || '-';
      return `  ${name.padEnd(18)} ${String(calls.registered).padStart(10)} ${String(calls.beats).padStart(9)} ${String(calls.unregistered).padStart(12)}   ${refused}`;
    });
    const head = `  ${'behaviour'.padEnd(18)} ${'registered'.padStart(10)} ${'beats'.padStart(9)} ${'unregistered'.padStart(12)}   refused`;
    const latency = `  latency p50 ${this.latencyMs(0.5).toFixed(1)} ms, p99 ${this.latencyMs(0.99).toFixed(1)} ms`;
    return [head, ...rows, latency].join('\n');
  }

  private countsOf(name: BehaviourName): Counts {
    const known = this.byBehaviour.get(name);
    if (known) return known;
    const counts: Counts = { calls: { registered: 0, beats: 0, unregistered: 0 }, refusals: new Map() };
    this.byBehaviour.set(name, counts);
    return counts;
  }
}

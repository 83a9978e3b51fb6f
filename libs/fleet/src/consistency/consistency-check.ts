import { repair } from './consistency.js';
import type { Clock, Inconsistencies, Registry } from '../ports.js';
import type { InconsistencyKind } from '../process-server.js';

/** Hosts checked in one statement. */
const HOSTS_PER_SCAN = 1_000;
/** Hosts repaired by one run, each in its own transaction; the next run continues. */
const MAX_REPAIRS_PER_RUN = 1_000;

/** The result of a check: the inconsistencies by kind, and the number of repairs. */
export interface ConsistencyReport {
  readonly at: Date;
  readonly found: ReadonlyMap<InconsistencyKind, number>;
  readonly repaired: number;
}

/** Checks the whole fleet for rows that contradict each other, and repairs them. Replicas may run it concurrently. */
export class ConsistencyCheck {
  private stopping = false;
  private report: ConsistencyReport | null = null;

  constructor(
    private readonly inconsistencies: Inconsistencies,
    private readonly registry: Pick<Registry, 'change'>,
    private readonly clock: Clock,
  ) {}

  /** The report of the last completed check; null before the first. */
  get last(): ConsistencyReport | null {
    return this.report;
  }

  async run(): Promise<ConsistencyReport> {
    const at = this.clock.now();
    const found = new Map<InconsistencyKind, number>();
    const add = (kind: InconsistencyKind, by: number): void =>
      void (by > 0 && found.set(kind, by + (found.get(kind) ?? 0)));
    let repaired = 0;
    for (let after: string | null = ''; after !== null && !this.stopping;) {
      const { damaged, next } = await this.inconsistencies.scan(after, HOSTS_PER_SCAN);
      for (const { hostId, kinds } of damaged) {
        for (const kind of kinds) add(kind, 1);
        if (repaired < MAX_REPAIRS_PER_RUN && (await this.registry.change(hostId, repair)).length > 0) repaired += 1;
      }
      after = next;
    }
    const counts = this.stopping ? 0 : await this.inconsistencies.repairCounters();
    add('counter_mismatch', counts);
    return (this.report = { at, found, repaired: repaired + counts });
  }

  /** Stops a running check after its current step. */
  stop(): void {
    this.stopping = true;
  }
}

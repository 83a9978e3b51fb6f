import type { Clock } from '@app/fleet';

/** Beyond so many, all are forgotten. */
const MAX_ENTRIES = 1_000;

/** Remembers for a while what was found, by key: for what may be out of date and do no harm. */
export class TtlCache<Value> {
  private readonly cached = new Map<string, { readonly value: Value; readonly atMs: number }>();

  constructor(
    private readonly clock: Clock,
    private readonly ttlMs: number,
  ) {}

  get(key: string): Value | undefined {
    const cached = this.cached.get(key);
    return cached && this.clock.monotonicMs() - cached.atMs < this.ttlMs ? cached.value : undefined;
  }

  set(key: string, value: Value): void {
    if (this.cached.size >= MAX_ENTRIES && !this.cached.has(key)) this.cached.clear();
    this.cached.set(key, { value, atMs: this.clock.monotonicMs() });
  }

  delete(key: string): void {
    this.cached.delete(key);
  }
}

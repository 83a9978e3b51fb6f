import type { Clock } from '@app/fleet';

/** At this size, the cache is cleared. */
const MAX_ENTRIES = 1_000;

/** Caches values by key for a limited time, for uses where a stale value does no harm. */
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

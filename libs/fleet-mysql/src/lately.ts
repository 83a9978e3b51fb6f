import type { Clock } from '@app/fleet';

/** Beyond so many, all are forgotten. */
const MOST = 1_000;

/** Remembers for a while what was found, by key: for what may be out of date and do no harm. */
export class Lately<Value> {
  private readonly known = new Map<string, { readonly value: Value; readonly atMs: number }>();

  constructor(
    private readonly clock: Clock,
    private readonly forMs: number,
  ) {}

  get(key: string): Value | undefined {
    const known = this.known.get(key);
    return known && this.clock.monotonicMs() - known.atMs < this.forMs ? known.value : undefined;
  }

  set(key: string, value: Value): void {
    if (this.known.size >= MOST && !this.known.has(key)) this.known.clear();
    this.known.set(key, { value, atMs: this.clock.monotonicMs() });
  }

  forget(key: string): void {
    this.known.delete(key);
  }
}

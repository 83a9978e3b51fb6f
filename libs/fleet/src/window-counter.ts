import type { Clock } from './ports.js';

/** Counts by key in windows of fixed length; a window starts with the first count after the previous one. */
export class WindowCounter {
  private endsMs = 0;
  private readonly counts = new Map<string, number>();

  constructor(
    private readonly windowMs: number,
    private readonly clock: Pick<Clock, 'monotonicMs'>,
  ) {}

  /** Returns the count of this key in the current window. */
  add(key: string): number {
    if (this.isOver) {
      this.endsMs = this.clock.monotonicMs() + this.windowMs;
      this.counts.clear();
    }
    const count = (this.counts.get(key) ?? 0) + 1;
    this.counts.set(key, count);
    return count;
  }

  countOf(key: string): number {
    return this.isOver ? 0 : (this.counts.get(key) ?? 0);
  }

  /** Number of keys counted in the current window. */
  get size(): number {
    return this.isOver ? 0 : this.counts.size;
  }

  /** At least 1. */
  get endsInSeconds(): number {
    return Math.max(1, Math.ceil((this.endsMs - this.clock.monotonicMs()) / 1000));
  }

  private get isOver(): boolean {
    return this.clock.monotonicMs() >= this.endsMs;
  }
}

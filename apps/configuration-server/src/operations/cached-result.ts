/**
 * A cached result: at most one call is in flight, and its result, a failure too, is reused for a limited time. A monotonic clock
 * measures the age, because a wall clock may step.
 */
export class CachedResult<Result> {
  private result: Promise<Result> | null = null;
  /** Null while a call is in flight. */
  private resolvedMs: number | null = null;

  constructor(
    private readonly load: () => Promise<Result>,
    private readonly ttlMs: number,
    private readonly monotonicMs: () => number = () => performance.now(),
  ) {}

  get(): Promise<Result> {
    const isFresh = this.resolvedMs === null || this.monotonicMs() - this.resolvedMs < this.ttlMs;
    if (this.result && isFresh) return this.result;
    this.resolvedMs = null;
    const markResolved = (): void => void (this.resolvedMs = this.monotonicMs());
    this.result = this.load();
    this.result.then(markResolved, markResolved);
    return this.result;
  }
}

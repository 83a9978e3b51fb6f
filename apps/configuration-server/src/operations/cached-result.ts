/**
 * An answer that many may ask for: one question at a time, and its answer, a failure too, is good for a while. The age is judged by
 * a monotonic clock, since a wall clock may step.
 */
export class CachedResult<Result> {
  private result: Promise<Result> | null = null;
  /** Null while the question is under way. */
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

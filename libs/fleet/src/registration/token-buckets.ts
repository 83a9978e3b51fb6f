interface Bucket {
  readonly tokens: number;
  readonly atMs: number;
}

/** The interval at which full buckets are deleted. */
const DELETE_INTERVAL_MS = 10_000;

/** A token bucket for each key: `perSecond` on average, `burst` at once. A full bucket needs no memory. */
export class TokenBuckets {
  private readonly buckets = new Map<string, Bucket>();
  private deletedAtMs = 0;

  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
  ) {}

  /** The number of stored buckets. */
  get size(): number {
    return this.buckets.size;
  }

  /** Takes a token; false when the bucket is empty. `nowMs` is monotonic. */
  take(key: string, nowMs: number): boolean {
    this.deleteFullBuckets(nowMs);
    const tokens = this.tokensOf(this.buckets.get(key), nowMs);
    if (tokens < 1) return false;
    this.buckets.set(key, { tokens: tokens - 1, atMs: nowMs });
    return true;
  }

  private tokensOf(bucket: Bucket | undefined, nowMs: number): number {
    return bucket ? Math.min(this.burst, bucket.tokens + ((nowMs - bucket.atMs) / 1000) * this.perSecond) : this.burst;
  }

  private deleteFullBuckets(nowMs: number): void {
    if (nowMs - this.deletedAtMs < DELETE_INTERVAL_MS) return;
    this.deletedAtMs = nowMs;
    for (const [key, bucket] of this.buckets) if (this.tokensOf(bucket, nowMs) >= this.burst) this.buckets.delete(key);
  }
}

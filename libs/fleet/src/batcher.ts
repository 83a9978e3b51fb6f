import { FleetError } from './fleet-error.js';

/** The outcome of an item: settled with its batch, a promise that settles later, or deferred to a later batch. */
export type BatchOutcome<Item, Result> =
  PromiseSettledResult<Result> | Promise<Result> | { readonly status: 'deferred'; readonly item: Item };

export const fulfilled = <Result>(value: Result): PromiseFulfilledResult<Result> => ({ status: 'fulfilled', value });
export const rejected = (reason: unknown): PromiseRejectedResult => ({ status: 'rejected', reason });

/** Items with different keys, in order. */
export interface Batch<Item> {
  readonly items: readonly Item[];
  /** The submission times of the oldest and the newest item; a merged item has the time of the earlier one. */
  readonly oldestMs: number;
  readonly newestMs: number;
}

export interface BatchRules<Item, Result> {
  readonly maxBatchSize: number;
  readonly maxConcurrentBatches: number;
  /** An item that is not settled within this time is rejected. */
  readonly timeoutMs: number;
  readonly nowMs: () => number;
  /** The maximum number of queued items; further ones are rejected at once. */
  readonly maxQueued?: number;
  /** Writes a batch, and returns an outcome for each item, in order. */
  readonly write: (batch: Batch<Item>) => Promise<readonly BatchOutcome<Item, Result>[]>;
  /** Only one item of each key is written at a time. */
  readonly keyOf?: (item: Item) => unknown;
  /** Merges two queued items of one key; null keeps them apart. */
  readonly merge?: (earlier: Item, later: Item) => Item | null;
  /** Selects an item to reject among those queued behind the first one of their key; null rejects none. */
  readonly evict?: (waiting: readonly Item[]) => { readonly index: number; readonly error: Error } | null;
  /** The weight of an item; the total of a batch does not exceed `maxWeight`. */
  readonly weightOf?: (item: Item) => number;
  readonly maxWeight?: number;
  /**
   * Whether a failed batch is retried in halves, so that an error caused by one item rejects only that item. A
   * FleetError always fails the whole batch.
   */
  readonly halvesFailedBatches?: boolean;
  /** Called when an item times out or its batch fails. */
  readonly onFailure?: (item: Item, queuedAtMs: number) => void;
}

type Settle<Result> = (outcome: PromiseSettledResult<Result>) => void;

class Entry<Item, Result> {
  isSettled = false;

  constructor(
    readonly item: Item,
    readonly key: unknown,
    readonly queuedAtMs: number,
    readonly callers: readonly Settle<Result>[],
  ) {}
}

/**
 * Group commit: items that arrive while a batch is being written form the next batch. A database commits a hundred
 * items in little more than the time of one.
 *
 * The maps of items are replaced when they empty. A map that lives long abandons tables in V8's old generation as it
 * grows and shrinks; each keeps its items and their requests alive until the next full collection.
 */
export class Batcher<Item, Result> {
  /** The queued items by key, in the order in which the keys enter a batch. */
  private queue = new Map<unknown, Entry<Item, Result>[]>();
  private queuedCount = 0;
  /** The items being written, by key, including those that have timed out. */
  private active = new Map<unknown, Entry<Item, Result>>();
  private runCount = 0;
  private readonly idleCallbacks: (() => void)[] = [];

  constructor(private readonly rules: BatchRules<Item, Result>) {}

  /** The submission time of the oldest unsettled item; Infinity when there is none. */
  get oldestMs(): number {
    let oldestMs = Infinity;
    for (const { isSettled, queuedAtMs } of this.active.values())
      if (!isSettled) oldestMs = Math.min(oldestMs, queuedAtMs);
    for (const queued of this.queue.values())
      for (const { queuedAtMs } of queued) oldestMs = Math.min(oldestMs, queuedAtMs);
    return oldestMs;
  }

  /** @throws FleetError `database_unavailable` when the queue is full or the item times out. */
  submit(item: Item): Promise<Result> {
    return new Promise((resolve, reject) =>
      this.add(item, (outcome) => (outcome.status === 'fulfilled' ? resolve(outcome.value) : reject(outcome.reason))),
    );
  }

  /** Like `submit`, with a callback; `settle` is called once and must not throw. */
  add(item: Item, settle: Settle<Result>): void {
    const { keyOf, maxQueued = Infinity, nowMs } = this.rules;
    if (this.queuedCount >= maxQueued) settle(rejected(new FleetError({ code: 'database_unavailable' })));
    else {
      this.enqueue(new Entry(item, keyOf ? keyOf(item) : Symbol(), nowMs(), [settle]), false);
      this.start();
    }
  }

  /** Rejects the items that have timed out, including those being written, whose outcome in the database is unknown. */
  expire(): void {
    const latestMs = this.latestExpiredMs();
    for (const entry of this.active.values()) if (!entry.isSettled && entry.queuedAtMs <= latestMs) this.fail(entry);
    for (const [key, queued] of this.queue) this.dropExpired(key, queued, latestMs);
  }

  /** Resolves when nothing is queued or being written. */
  async drain(): Promise<void> {
    while (this.runCount > 0) await new Promise<void>((resolve) => this.idleCallbacks.push(resolve));
  }

  private start(): void {
    if (this.runCount < this.rules.maxConcurrentBatches) void this.run();
  }

  private async run(): Promise<void> {
    this.runCount += 1;
    await Promise.resolve(); // items submitted in the same turn enter the first batch
    for (let batch = this.nextBatch(); batch.length > 0; batch = this.nextBatch()) await this.write(batch);
    this.runCount -= 1;
    if (this.runCount === 0) for (const resolve of this.idleCallbacks.splice(0)) resolve();
  }

  private latestExpiredMs(): number {
    return this.rules.nowMs() - this.rules.timeoutMs;
  }

  /** Queues a deferred item before later arrivals of its key, but behind the key's first item. */
  private enqueue(entry: Entry<Item, Result>, isDeferred: boolean): void {
    const { merge, evict } = this.rules;
    const queued = this.queue.get(entry.key);
    if (!queued) this.queue.set(entry.key, [entry]);
    else {
      for (const [index, other] of merge ? queued.entries() : []) {
        const [earlier, later] = isDeferred ? [entry, other] : [other, entry];
        const item = merge?.(earlier.item, later.item);
        if (!item) continue;
        const queuedAtMs = Math.min(earlier.queuedAtMs, later.queuedAtMs);
        queued[index] = new Entry(item, entry.key, queuedAtMs, [...earlier.callers, ...later.callers]);
        return;
      }
      queued.splice(isDeferred ? 1 : queued.length, 0, entry);
    }
    this.queuedCount += 1;
    const evicted = queued && evict?.(queued.slice(1).map(({ item }) => item));
    if (!evicted) return;
    const [over] = queued.splice(1 + evicted.index, 1);
    this.queuedCount -= 1;
    if (over) this.settle(over, rejected(evicted.error));
  }

  private nextBatch(): Entry<Item, Result>[] {
    const { maxBatchSize, weightOf, maxWeight = Infinity } = this.rules;
    const latestMs = this.latestExpiredMs();
    const batch: Entry<Item, Result>[] = [];
    let weight = 0;
    for (const [key, queued] of this.queue) {
      if (batch.length === maxBatchSize) break;
      if (this.active.has(key)) continue;
      const entry = this.dropExpired(key, queued, latestMs)[0];
      if (!entry) continue;
      weight += weightOf ? weightOf(entry.item) : 0;
      if (batch.length > 0 && weight > maxWeight) break;
      batch.push(entry);
    }
    this.activate(batch);
    return batch;
  }

  /** Moves a batch from the queue to the active items. A key with later items moves to the end of the queue. */
  private activate(batch: readonly Entry<Item, Result>[]): void {
    const earlier = this.queue;
    if (batch.length === earlier.size) this.queue = new Map();
    if (this.active.size === 0) this.active = new Map();
    this.queuedCount -= batch.length;
    for (const entry of batch) {
      const { key } = entry;
      const later = earlier.get(key)?.slice(1) ?? [];
      if (this.queue === earlier) earlier.delete(key);
      if (later.length > 0) this.queue.set(key, later);
      this.active.set(key, entry);
    }
  }

  private dropExpired(key: unknown, queued: Entry<Item, Result>[], latestMs: number): Entry<Item, Result>[] {
    if (!queued.some(({ queuedAtMs }) => queuedAtMs <= latestMs)) return queued;
    const expired = queued.filter(({ queuedAtMs }) => queuedAtMs <= latestMs);
    const kept = queued.filter(({ queuedAtMs }) => queuedAtMs > latestMs);
    queued.splice(0, queued.length, ...kept);
    if (kept.length === 0) this.queue.delete(key);
    this.queuedCount -= expired.length;
    for (const entry of expired) this.fail(entry);
    return queued;
  }

  private async write(batch: readonly Entry<Item, Result>[]): Promise<void> {
    const times = batch.map(({ queuedAtMs }) => queuedAtMs);
    let outcomes: readonly BatchOutcome<Item, Result>[];
    try {
      const items = batch.map(({ item }) => item);
      outcomes = await this.rules.write({ items, oldestMs: Math.min(...times), newestMs: Math.max(...times) });
    } catch (error) {
      await this.handleFailure(batch, error);
      return;
    }
    batch.forEach((entry, index) =>
      this.end(entry, outcomes[index] ?? rejected(new Error('a batch has fewer outcomes than items'))),
    );
  }

  private async handleFailure(batch: readonly Entry<Item, Result>[], error: unknown): Promise<void> {
    if (batch.length === 1 || error instanceof FleetError || !this.rules.halvesFailedBatches) {
      for (const entry of batch) {
        this.active.delete(entry.key);
        this.fail(entry, error);
      }
      return;
    }
    const middle = Math.ceil(batch.length / 2);
    for (const half of [batch.slice(0, middle), batch.slice(middle)]) {
      for (const { key, isSettled } of half) if (isSettled) this.active.delete(key);
      const left = half.filter(({ isSettled }) => !isSettled);
      if (left.length > 0) await this.write(left);
    }
  }

  private end(entry: Entry<Item, Result>, outcome: BatchOutcome<Item, Result>): void {
    if ('then' in outcome) {
      void Promise.allSettled([outcome]).then(([settled]) => {
        this.end(entry, settled);
        this.start(); // starts the queued items of this key
      });
      return;
    }
    this.active.delete(entry.key);
    if (outcome.status !== 'deferred') this.settle(entry, outcome);
    else if (!entry.isSettled) this.enqueue(new Entry(outcome.item, entry.key, entry.queuedAtMs, entry.callers), true);
  }

  private fail(entry: Entry<Item, Result>, error: unknown = new FleetError({ code: 'database_unavailable' })): void {
    if (!entry.isSettled) this.rules.onFailure?.(entry.item, entry.queuedAtMs);
    this.settle(entry, rejected(error));
  }

  private settle(entry: Entry<Item, Result>, outcome: PromiseSettledResult<Result>): void {
    if (entry.isSettled) return;
    entry.isSettled = true;
    for (const settle of entry.callers) settle(outcome);
  }
}

import { FleetError } from '@app/fleet';
import { newDeadline } from './database.js';
import { MAX_QUEUED_REQUESTS } from './primary-pool.js';

interface QueuedItem<Item, Result> {
  readonly item: Item;
  readonly key: unknown;
  readonly deadline: number;
  readonly settle: (outcome: PromiseSettledResult<Result>) => void;
}

/** What becomes of an item: known with its group, or a promise of what takes longer than that. */
export type BatchOutcome<Result> = PromiseSettledResult<Result> | Promise<Result>;

/** Does a group of items; an outcome for each, in order. `deadline` is when the one that has waited longest gives up, on the monotonic clock. */
type BatchWork<Item, Result> = (items: readonly Item[], deadline: number) => Promise<readonly BatchOutcome<Result>[]>;

export const fulfilled = <Result>(value: Result): PromiseSettledResult<Result> => ({ status: 'fulfilled', value });
export const rejected = (reason: unknown): PromiseRejectedResult => ({ status: 'rejected', reason });

interface BatcherOptions {
  /** Items in a group. */
  readonly maxBatchSize: number;
  /** Groups at work at once. */
  readonly maxConcurrentBatches: number;
}

/**
 * Does together what is asked while groups are at work: a database takes a hundred at once in little more than the time of
 * one. Nobody is answered from what was read before he asked. Of a key one item is at work at a time.
 */
export class Batcher<Item, Result> {
  private queued: QueuedItem<Item, Result>[] = [];
  private readonly activeKeys = new Set<unknown>();
  private activeBatches = 0;

  constructor(
    private readonly work: BatchWork<Item, Result>,
    private readonly limits: BatcherOptions,
    private readonly keyOf: (item: Item) => unknown = () => Symbol(),
  ) {}

  /** @throws FleetError `database_unavailable` when the line is full. */
  submit(item: Item): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.queued.length >= MAX_QUEUED_REQUESTS) {
        reject(new FleetError({ code: 'database_unavailable' }));
        return;
      }
      const settle = (outcome: PromiseSettledResult<Result>): void =>
        outcome.status === 'fulfilled' ? resolve(outcome.value) : reject(outcome.reason);
      this.queued.push({ item, key: this.keyOf(item), deadline: newDeadline(), settle });
      if (this.activeBatches < this.limits.maxConcurrentBatches) void this.drainQueue();
    });
  }

  private async drainQueue(): Promise<void> {
    this.activeBatches += 1;
    await Promise.resolve(); // what is asked in the same turn goes with the first
    for (let batch = this.nextBatch(); batch[0]; batch = this.nextBatch()) {
      const outcomes = await this.work(
        batch.map(({ item }) => item),
        batch[0].deadline,
      ).catch((error: unknown) => batch.map(() => rejected(error)));
      batch.forEach((queued, index) =>
        this.settleItem(queued, outcomes[index] ?? rejected(new Error('a group was answered in part'))),
      );
    }
    this.activeBatches -= 1;
  }

  private settleItem({ key, settle }: QueuedItem<Item, Result>, outcome: BatchOutcome<Result>): void {
    if ('then' in outcome) {
      void Promise.allSettled([outcome]).then(([delayed]) => {
        this.activeKeys.delete(key);
        settle(delayed);
        if (this.activeBatches < this.limits.maxConcurrentBatches) void this.drainQueue(); // those who waited for this key
      });
    } else {
      this.activeKeys.delete(key);
      settle(outcome);
    }
  }

  private nextBatch(): QueuedItem<Item, Result>[] {
    const batch: QueuedItem<Item, Result>[] = [];
    const remaining: QueuedItem<Item, Result>[] = [];
    for (const queued of this.queued) {
      if (queued.deadline <= performance.now())
        queued.settle(rejected(new FleetError({ code: 'database_unavailable' })));
      else if (batch.length === this.limits.maxBatchSize || this.activeKeys.has(queued.key)) remaining.push(queued);
      else {
        this.activeKeys.add(queued.key);
        batch.push(queued);
      }
    }
    this.queued = remaining;
    return batch;
  }
}

import { FleetError } from '@app/fleet';
import { giveUpAtFromNow } from './database.js';
import { LONGEST_WAITING_LINE } from './primary-pool.js';

interface Waiting<Item, Answer> {
  readonly item: Item;
  readonly key: unknown;
  readonly giveUpAt: number;
  readonly settle: (outcome: PromiseSettledResult<Answer>) => void;
}

/** What becomes of an item: known with its group, or a promise of what takes longer than that. */
export type Outcome<Answer> = PromiseSettledResult<Answer> | Promise<Answer>;

/** Does a group of items; an outcome for each, in order. `giveUpAt` is when the one that has waited longest gives up, on the monotonic clock. */
type GroupWork<Item, Answer> = (items: readonly Item[], giveUpAt: number) => Promise<readonly Outcome<Answer>[]>;

export const fulfilled = <Answer>(value: Answer): PromiseSettledResult<Answer> => ({ status: 'fulfilled', value });
export const rejected = (reason: unknown): PromiseRejectedResult => ({ status: 'rejected', reason });

interface Limits {
  /** Items in a group. */
  readonly most: number;
  /** Groups at work at once. */
  readonly groups: number;
}

/**
 * Does together what is asked while groups are at work: a database takes a hundred at once in little more than the time of
 * one. Nobody is answered from what was read before he asked. Of a key one item is at work at a time.
 */
export class Together<Item, Answer> {
  private waiting: Waiting<Item, Answer>[] = [];
  private readonly keysAtWork = new Set<unknown>();
  private groupsAtWork = 0;

  constructor(
    private readonly work: GroupWork<Item, Answer>,
    private readonly limits: Limits,
    private readonly keyOf: (item: Item) => unknown = () => Symbol(),
  ) {}

  /** @throws FleetError `database_unavailable` when the line is full. */
  ask(item: Item): Promise<Answer> {
    return new Promise((answer, refuse) => {
      if (this.waiting.length >= LONGEST_WAITING_LINE) {
        refuse(new FleetError({ code: 'database_unavailable' }));
        return;
      }
      const settle = (outcome: PromiseSettledResult<Answer>): void =>
        outcome.status === 'fulfilled' ? answer(outcome.value) : refuse(outcome.reason);
      this.waiting.push({ item, key: this.keyOf(item), giveUpAt: giveUpAtFromNow(), settle });
      if (this.groupsAtWork < this.limits.groups) void this.workOn();
    });
  }

  private async workOn(): Promise<void> {
    this.groupsAtWork += 1;
    await Promise.resolve(); // what is asked in the same turn goes with the first
    for (let group = this.takeGroup(); group[0]; group = this.takeGroup()) {
      const outcomes = await this.work(
        group.map(({ item }) => item),
        group[0].giveUpAt,
      ).catch((error: unknown) => group.map(() => rejected(error)));
      group.forEach((waiting, index) =>
        this.end(waiting, outcomes[index] ?? rejected(new Error('a group was answered in part'))),
      );
    }
    this.groupsAtWork -= 1;
  }

  private end({ key, settle }: Waiting<Item, Answer>, outcome: Outcome<Answer>): void {
    if ('then' in outcome) {
      void Promise.allSettled([outcome]).then(([late]) => {
        this.keysAtWork.delete(key);
        settle(late);
        if (this.groupsAtWork < this.limits.groups) void this.workOn(); // those who waited for this key
      });
    } else {
      this.keysAtWork.delete(key);
      settle(outcome);
    }
  }

  private takeGroup(): Waiting<Item, Answer>[] {
    const group: Waiting<Item, Answer>[] = [];
    const left: Waiting<Item, Answer>[] = [];
    for (const waiting of this.waiting) {
      if (waiting.giveUpAt <= performance.now())
        waiting.settle(rejected(new FleetError({ code: 'database_unavailable' })));
      else if (group.length === this.limits.most || this.keysAtWork.has(waiting.key)) left.push(waiting);
      else {
        this.keysAtWork.add(waiting.key);
        group.push(waiting);
      }
    }
    this.waiting = left;
    return group;
  }
}

import { FleetError } from '@app/fleet';
import { giveUpAtFromNow, LONGEST_WAITING_LINE } from './database.js';

interface Waiting<Item, Answer> {
  readonly item: Item;
  readonly giveUpAt: number;
  readonly settle: (outcome: PromiseSettledResult<Answer>) => void;
}

/** Does a group of items; an outcome for each, in order. `giveUpAt` is when the one that has waited longest gives up, on the monotonic clock. */
type GroupWork<Item, Answer> = (items: readonly Item[], giveUpAt: number) => Promise<readonly PromiseSettledResult<Answer>[]>;

export const fulfilled = <Answer>(value: Answer): PromiseSettledResult<Answer> => ({ status: 'fulfilled', value });
export const rejected = (reason: unknown): PromiseRejectedResult => ({ status: 'rejected', reason });

/**
 * Does together what is asked while a group is at work: a database takes a hundred at once in little more than the time of
 * one. Nobody is answered from what was read before he asked. Items of one key never share a group.
 */
export class Together<Item, Answer> {
  private waiting: Waiting<Item, Answer>[] = [];
  private isWorking = false;

  constructor(
    private readonly work: GroupWork<Item, Answer>,
    private readonly most: number,
    private readonly keyOf: (item: Item) => unknown = () => Symbol(),
  ) {}

  /** @throws FleetError `database_unavailable` when the line is full. */
  ask(item: Item): Promise<Answer> {
    return new Promise((answer, refuse) => {
      if (this.waiting.length >= LONGEST_WAITING_LINE) {
        refuse(new FleetError({ code: 'database_unavailable' }));
        return;
      }
      const settle = (outcome: PromiseSettledResult<Answer>): void => (outcome.status === 'fulfilled' ? answer(outcome.value) : refuse(outcome.reason));
      this.waiting.push({ item, giveUpAt: giveUpAtFromNow(), settle });
      if (!this.isWorking) void this.workOn();
    });
  }

  private async workOn(): Promise<void> {
    this.isWorking = true;
    await Promise.resolve(); // what is asked in the same turn goes with the first
    for (let group = this.takeGroup(); group[0]; group = this.takeGroup()) {
      const outcomes = await this.work(group.map(({ item }) => item), group[0].giveUpAt).catch((error: unknown) => group.map(() => rejected(error)));
      group.forEach(({ settle }, index) => settle(outcomes[index] ?? rejected(new Error('a group was answered in part'))));
    }
    this.isWorking = false;
  }

  private takeGroup(): Waiting<Item, Answer>[] {
    const group = new Map<unknown, Waiting<Item, Answer>>();
    const left: Waiting<Item, Answer>[] = [];
    for (const waiting of this.waiting) {
      const key = this.keyOf(waiting.item);
      if (group.size === this.most || group.has(key)) left.push(waiting);
      else group.set(key, waiting);
    }
    this.waiting = left;
    return [...group.values()];
  }
}

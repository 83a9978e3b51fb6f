import type { Clock } from '@app/fleet';

/** So many calls in one second from each caller, at this replica. */
export class RateLimit {
  private second = 0;
  private readonly calls = new Map<string, number>();

  constructor(
    private readonly perSecond: number,
    private readonly clock: Clock,
  ) {}

  /** Counts one more. True when it is one too many. */
  isExceeded(caller: string): boolean {
    const second = Math.floor(this.clock.monotonicMs() / 1000);
    if (second !== this.second) {
      this.second = second;
      this.calls.clear();
    }
    const calls = (this.calls.get(caller) ?? 0) + 1;
    this.calls.set(caller, calls);
    return calls > this.perSecond;
  }
}

/** The length of a run; its end wakes every waiter. */
export class RunTimer {
  private readonly sleepers = new Set<() => void>();
  isOver = false;

  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.isOver) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        this.sleepers.delete(done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(0, ms));
      this.sleepers.add(done);
    });
  }

  end(): void {
    this.isOver = true;
    for (const done of this.sleepers) done();
  }
}

import type { Logger } from 'pino';

/** Undoes completed steps, newest first. */
export class TeardownStack {
  private readonly steps: (() => Promise<unknown>)[] = [];

  add(step: () => Promise<unknown>): void {
    this.steps.unshift(step);
  }

  async run(logger: Logger): Promise<void> {
    for (const step of this.steps.splice(0)) {
      await step().catch((error: unknown) =>
        logger.error({ err: error }, 'a shutdown step failed; the others continue'),
      );
    }
  }
}

/** Connections that go on with their pipelined requests in one turn of the event loop; the others wait for the next. */
const CONNECTIONS_PER_TICK = 8;

interface ScheduledConnection {
  resumeParsing(): void;
}

/** Lets connections with pipelined requests take turns, first come first served, so that they do not hold up the others. */
export class PipelineScheduler {
  private readonly waiting = new Set<ScheduledConnection>();

  add(connection: ScheduledConnection): void {
    if (this.waiting.size === 0) setImmediate(this.run);
    this.waiting.add(connection);
  }

  private readonly run = (): void => {
    let remaining = CONNECTIONS_PER_TICK;
    for (const connection of this.waiting) {
      if (remaining === 0) break;
      remaining -= 1;
      this.waiting.delete(connection);
      connection.resumeParsing();
    }
    if (this.waiting.size > 0) setImmediate(this.run);
  };
}

/** Connections that continue with pipelined requests in one turn of the event loop; the others wait for the next turn. */
const CONNECTIONS_PER_TICK = 8;

interface ScheduledConnection {
  resumeParsing(): void;
}

/** Schedules connections with pipelined requests in turn, first in first out, so that they do not delay other connections. */
export class PipelineScheduler {
  private readonly scheduled = new Set<ScheduledConnection>();

  add(connection: ScheduledConnection): void {
    if (this.scheduled.size === 0) setImmediate(this.run);
    this.scheduled.add(connection);
  }

  private readonly run = (): void => {
    let remaining = CONNECTIONS_PER_TICK;
    for (const connection of this.scheduled) {
      if (remaining === 0) break;
      remaining -= 1;
      this.scheduled.delete(connection);
      connection.resumeParsing();
    }
    if (this.scheduled.size > 0) setImmediate(this.run);
  };
}

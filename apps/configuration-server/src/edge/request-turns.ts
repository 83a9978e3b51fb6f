/** Connections that go on with their pipelined requests in one turn of the event loop; the others wait for the next. */
const CONNECTIONS_IN_A_TURN = 8;

interface TurnTaking {
  takeTurn(): void;
}

/** Lets connections with pipelined requests take turns, first come first served, so that they do not hold up the others. */
export class RequestTurns {
  private readonly waiting = new Set<TurnTaking>();

  add(connection: TurnTaking): void {
    if (this.waiting.size === 0) setImmediate(this.run);
    this.waiting.add(connection);
  }

  private readonly run = (): void => {
    let left = CONNECTIONS_IN_A_TURN;
    for (const connection of this.waiting) {
      if (left === 0) break;
      left -= 1;
      this.waiting.delete(connection);
      connection.takeTurn();
    }
    if (this.waiting.size > 0) setImmediate(this.run);
  };
}

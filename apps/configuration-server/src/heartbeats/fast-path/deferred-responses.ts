import type { Clock, HeartbeatResult } from '@app/fleet';
import { toHeartbeatResponse } from '../heartbeat.mapper.js';

interface Accepted {
  write(text: ResponseText, nowMs: number): void;
  readonly accepted: HeartbeatResult;
}

/** A response without its request id. */
export interface ResponseText {
  readonly head: string;
  readonly rest: string;
  /** For the last response of a connection. */
  readonly lastRest: string;
}

/**
 * Writes the responses to a batch in the next turn of the event loop, so that they do not delay the next batch on its way to the
 * database.
 */
export class DeferredResponses {
  private due: Accepted[] = [];

  constructor(
    private readonly clock: Clock,
    private readonly keepAliveMs: number,
    private readonly headers: readonly (readonly [name: string, value: string])[],
  ) {}

  add(connection: Accepted): void {
    if (this.due.length === 0) setImmediate(this.run);
    this.due.push(connection);
  }

  private readonly run = (): void => {
    const { due } = this;
    this.due = [];
    const nowMs = this.clock.monotonicMs();
    const texts = new Map<HeartbeatResult, ResponseText>(); // most responses of a batch have the same text
    for (const connection of due) {
      const { accepted } = connection;
      let text = texts.get(accepted);
      if (!text) texts.set(accepted, (text = this.textOf(accepted)));
      connection.write(text, nowMs);
    }
  };

  /** A head with the headers of every response, in the order in which Node writes them. */
  private textOf(accepted: HeartbeatResult): ResponseText {
    const body = JSON.stringify(toHeartbeatResponse(accepted));
    const headers = this.headers.map(([name, value]) => `${name}: ${value}`);
    const length = `content-length: ${body.length}`;
    const date = `Date: ${new Date().toUTCString()}`;
    const rest = (...lines: string[]): string => ['', ...headers, ...lines, '', body].join('\r\n');
    return {
      head: ['HTTP/1.1 200 OK', 'content-type: application/json; charset=utf-8', 'x-request-id: '].join('\r\n'),
      rest: rest(length, date, 'Connection: keep-alive', `Keep-Alive: timeout=${this.keepAliveMs / 1000}`),
      lastRest: rest('connection: close', length, date),
    };
  }
}

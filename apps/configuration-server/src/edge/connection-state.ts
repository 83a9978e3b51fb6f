import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';

/** Why the next request of a connection is rejected: decided before Node's HTTP server was given its bytes. */
export interface EarlyRejection {
  readonly requestId: string;
  readonly error: unknown;
}

/** What this server knows of one connection, from the first byte to the last. */
export class ConnectionState {
  /** A heartbeat outside of Node's HTTP server has no response yet. */
  isHeartbeatInFlight = false;
  private early: (EarlyRejection & { isRequested: boolean }) | null = null;

  rejectNext(rejection: EarlyRejection): void {
    this.early = { ...rejection, isRequested: false };
  }

  /** To be called once for each request as it begins. A request that was rejected early keeps its id: its event names the same. */
  nextRequestId(): string {
    if (!this.early || this.early.isRequested) return randomUUID();
    this.early.isRequested = true;
    return this.early.requestId;
  }

  /** Of the request with this id. */
  earlyRejection(requestId: string): EarlyRejection | null {
    return this.early?.requestId === requestId ? this.early : null;
  }
}

const states = new WeakMap<Socket, ConnectionState>();

/** One for each connection; over TLS the bare connection has another. */
export function connectionState(socket: Socket): ConnectionState {
  let state = states.get(socket);
  if (!state) states.set(socket, (state = new ConnectionState()));
  return state;
}

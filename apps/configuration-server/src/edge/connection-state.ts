import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** The other end of a connection. */
export interface Peer {
  readonly address: string;
  readonly isTrusted: boolean;
}

/** The requests of a connection that Node's HTTP server serves. */
export interface Pipeline {
  /** The response to the oldest unanswered request; null when there is none. */
  readonly current: ServerResponse | null;
  /** To be called for each request before it is handled. */
  begin(response: ServerResponse): void;
  /** A response uses this much memory until the client reads on. */
  markUnread(response: ServerResponse, bytes: number): void;
  /** The client has read what was buffered of the response. */
  markRead(response: ServerResponse): void;
  /** Nothing that arrives from now on is parsed. */
  stop(): void;
}

/** Why the next request of a connection is rejected: decided before Node's HTTP server was given its bytes. */
export interface EarlyRejection {
  readonly requestId: string;
  readonly error: unknown;
  /** From the arrival of the request to its rejection. */
  readonly waitedMs: number;
}

let activities = 0;

/** What this server knows of one connection, from the first byte to the last. */
export class ConnectionState {
  peer: Peer | null = null;
  /** Null before Node's HTTP server serves the connection. */
  pipeline: Pipeline | null = null;
  /** A heartbeat outside of Node's HTTP server has no response yet. */
  isHeartbeatInFlight = false;
  /** Higher, the later the connection was opened or sent a request. */
  lastActivity = 0;
  /** The parser's error is answered after the requests before it. */
  isErrorDeferred = false;
  private rejected: IncomingMessage | null = null;
  private early: (EarlyRejection & { isRequested: boolean }) | null = null;

  touch(): void {
    this.lastActivity = ++activities;
  }

  /** To be called when a request is rejected: its body may still be arriving. */
  markRejected(request: IncomingMessage): void {
    if (!request.complete) this.rejected = request;
  }

  /** The last request was rejected and its body has not arrived: a parser error in it needs no response of its own. */
  get hasEarlyResponse(): boolean {
    return this.rejected?.complete === false;
  }

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

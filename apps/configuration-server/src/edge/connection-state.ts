import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** The other end of a connection. */
export interface Peer {
  readonly address: string;
  readonly isTrusted: boolean;
}

/** The requests of a connection served by Node's HTTP server. */
export interface Pipeline {
  /** The response to the oldest unanswered request; null without one. */
  readonly current: ServerResponse | null;
  /** Must be called for each request before it is handled. */
  begin(response: ServerResponse): void;
  /** Records the memory of a response until the client reads it. */
  markUnread(response: ServerResponse, bytes: number): void;
  /** The client has read the buffered part of the response. */
  markRead(response: ServerResponse): void;
  /** Stops parsing: later bytes are ignored. */
  stop(): void;
}

/** The rejection of the next request of a connection, decided before Node's HTTP server receives its bytes. */
export interface EarlyRejection {
  readonly requestId: string;
  readonly error: unknown;
  /** Time from the arrival of the request to its rejection. */
  readonly waitedMs: number;
}

let activities = 0;

/** State of one connection, from its first byte to its last. */
export class ConnectionState {
  peer: Peer | null = null;
  /** Null before Node's HTTP server serves the connection. */
  pipeline: Pipeline | null = null;
  /** A heartbeat on the fast path has no response yet. */
  isHeartbeatInFlight = false;
  /** Increases with each new connection and each request. */
  lastActivity = 0;
  /** The response to a parser error follows the responses to earlier requests. */
  isErrorDeferred = false;
  private rejected: IncomingMessage | null = null;
  private early: (EarlyRejection & { isRequested: boolean }) | null = null;

  touch(): void {
    this.lastActivity = ++activities;
  }

  /** Must be called when a request is rejected: its body may still be arriving. */
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

  /** Must be called once at the start of each request. A request that was rejected early keeps its id, which its event names. */
  nextRequestId(): string {
    if (!this.early || this.early.isRequested) return randomUUID();
    this.early.isRequested = true;
    return this.early.requestId;
  }

  /** The early rejection of the request with this id. */
  earlyRejection(requestId: string): EarlyRejection | null {
    return this.early?.requestId === requestId ? this.early : null;
  }
}

const states = new WeakMap<Socket, ConnectionState>();

/** One state for each socket; a TLS socket and its TCP socket have separate ones. */
export function connectionState(socket: Socket): ConnectionState {
  let state = states.get(socket);
  if (!state) states.set(socket, (state = new ConnectionState()));
  return state;
}

import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { connectionKey } from './connection-key.js';
import { connectionState } from './connection-state.js';

/** Share of the unused connections closed in one eviction, so that not every new connection costs a scan of all (125 ms at 100,000). */
const UNUSED_EVICTION_DIVISOR = 20;
/** Without unused connections: share of the idle connections, least recently used first. */
const LRU_EVICTION_DIVISOR = 200;
/** Minimum number of connections closed in one eviction. */
const MIN_EVICTION_BATCH = 32;
/** The newest tenth may be about to send a request. */
const PROTECTED_NEWEST_DIVISOR = 10;

/**
 * Limits the open connections of a server to `limit`. At the limit, connections that never sent a request are closed, oldest first;
 * without any, the connections idle longest. So clients that only hold connections open do not lock out others.
 *
 * Node's own list omits connections without a complete request, and one of them would delay a shutdown for ever.
 */
export class ConnectionLimiter {
  private readonly sockets = new Set<Socket>();
  /** Sockets that receive requests: with TLS, the TLS sockets only. */
  private readonly requestSockets = new Set<Socket>();
  /** With TLS: TCP sockets during their TLS handshake, by the addresses of both ends. */
  private readonly handshaking = new Map<string, Socket>();

  constructor(
    private readonly isTls: boolean,
    private readonly limit: number,
  ) {}

  watch(server: Server): void {
    const { isTls } = this;
    server.on('connection', (socket: Socket) => {
      if (this.sockets.size >= this.limit && !this.evict()) return void socket.destroy();
      track(socket, this.sockets);
      connectionState(socket).touch(); // a new connection counts as recently used
      if (!isTls) return track(socket, this.requestSockets);
      const key = connectionKey(socket);
      this.handshaking.set(key, socket);
      socket.once('close', () => this.handshaking.delete(key));
    });
    if (isTls) {
      server.on('secureConnection', (socket: Socket) => {
        this.handshaking.delete(connectionKey(socket));
        connectionState(socket).touch();
        track(socket, this.requestSockets);
      });
    }
  }

  get size(): number {
    return this.sockets.size;
  }

  /** Closes the connections without a pending response. */
  closeIdle(): void {
    for (const socket of this.requestSockets) if (!isResponding(socket)) socket.destroy();
  }

  closeAll(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  /** Returns false if every connection is in use. */
  private evict(): boolean {
    const idle = [...this.requestSockets].filter((socket) => !isProcessing(socket));
    const idleFromStart = [
      ...this.handshaking.values(),
      ...idle.filter((socket) => socket.bytesWritten === 0 || connectionState(socket).hasEarlyResponse),
    ];
    const oldest = (sockets: readonly Socket[], divisor: number): readonly Socket[] => {
      const limit = Math.min(
        Math.max(MIN_EVICTION_BATCH, this.sockets.size / divisor),
        Math.max(0, sockets.length - this.sockets.size / PROTECTED_NEWEST_DIVISOR),
      );
      return [...sockets]
        .sort((a, b) => connectionState(a).lastActivity - connectionState(b).lastActivity)
        .slice(0, limit);
    };
    const unused = oldest(idleFromStart, UNUSED_EVICTION_DIVISOR);
    const closed = unused.length > 0 ? unused : oldest(idle, LRU_EVICTION_DIVISOR);
    for (const socket of closed) {
      this.sockets.delete(socket);
      socket.destroy();
    }
    return closed.length > 0;
  }
}

function isResponding(socket: Socket): boolean {
  const { pipeline, isHeartbeatInFlight } = connectionState(socket);
  return isHeartbeatInFlight || (pipeline?.current ?? null) !== null;
}

/** An incomplete request, and a complete response that the client does not read, do not count as processing. */
function isProcessing(socket: Socket): boolean {
  const { pipeline, isHeartbeatInFlight } = connectionState(socket);
  const response = pipeline?.current;
  return response ? response.req.complete && !response.writableEnded && !socket.writableNeedDrain : isHeartbeatInFlight;
}

function track(socket: Socket, sockets: Set<Socket>): void {
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
}

import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { connectionKey } from './connection-key.js';
import { connectionState } from './connection-state.js';

/** Closed at once when there are too many, so that not every newcomer costs a look at all of them (125 ms at 100,000): this share of those who never asked anything. */
const UNUSED_EVICTION_DIVISOR = 20;
/** And when there are none, this share of those who asked longest ago. */
const LRU_EVICTION_DIVISOR = 200;
/** But never fewer. */
const MIN_EVICTION_BATCH = 32;
/** The youngest tenth may be about to ask. */
const PROTECTED_NEWEST_DIVISOR = 10;

/**
 * The open connections of a server, of which there are never more than `most`: for a newcomer those are closed that never asked
 * for anything, longest first, and only when there are none those that asked longest ago. So clients that only hold connections keep nobody out.
 *
 * Node's own list leaves out those that have not carried a whole request yet, and one of them would hold up the end of a drain for ever.
 */
export class ConnectionLimiter {
  private readonly sockets = new Set<Socket>();
  /** Those that can carry requests: with TLS not the bare ones, which are in use below. */
  private readonly requestSockets = new Set<Socket>();
  /** With TLS: bare ones whose greeting is not over, by the addresses of both ends. */
  private readonly handshaking = new Map<string, Socket>();

  constructor(server: Server, isTls: boolean, limit: number) {
    server.on('connection', (socket: Socket) => {
      if (this.sockets.size >= limit && !this.evict()) return void socket.destroy();
      track(socket, this.sockets);
      connectionState(socket).touch(); // as if: a newcomer is about to
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

  /** Ends those on which nothing is being answered. */
  closeIdle(): void {
    for (const socket of this.requestSockets) if (!isResponding(socket)) socket.destroy();
  }

  closeAll(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  /** False when everybody is being answered. */
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

/** A request that is not all there yet, or an answer that is and that nobody reads, is nothing that we are at work on. */
function isProcessing(socket: Socket): boolean {
  const { pipeline, isHeartbeatInFlight } = connectionState(socket);
  const response = pipeline?.current;
  return response ? response.req.complete && !response.writableEnded && !socket.writableNeedDrain : isHeartbeatInFlight;
}

function track(socket: Socket, sockets: Set<Socket>): void {
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
}

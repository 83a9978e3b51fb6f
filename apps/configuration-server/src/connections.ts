import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { endsOf } from './edge/connection-ends.js';
import { pipelineOf } from './edge/request-pipeline.js';
import { wasAnsweredEarly } from './problems/broken-request.js';
import { isBeatUnderWay } from './process-servers/plain-lane.js';
import { noteAsked, whenAsked } from './last-asked.js';

/** Closed at once when there are too many, so that not every newcomer costs a look at all of them (125 ms at 100,000): this share of those who never asked anything. */
const NEVER_ASKED_SHARE = 20;
/** And when there are none, this share of those who asked longest ago. */
const ASKED_LONG_AGO_SHARE = 200;
/** But never fewer. */
const CLOSED_TOGETHER = 32;
/** The youngest tenth may be about to ask. */
const YOUNG_SHARE = 10;

/**
 * The open connections of a server, of which there are never more than `most`: for a newcomer those are closed that never asked
 * for anything, longest first, and only when there are none those that asked longest ago. So clients that only hold connections keep nobody out.
 *
 * Node's own list leaves out those that have not carried a whole request yet, and one of them would hold up the end of a drain for ever.
 */
export class Connections {
  private readonly open = new Set<Socket>();
  /** Those that can carry requests: with TLS not the bare ones, which are in use below. */
  private readonly carrying = new Set<Socket>();
  /** With TLS: bare ones whose greeting is not over, by the addresses of both ends. */
  private readonly greeting = new Map<string, Socket>();

  constructor(server: Server, isTls: boolean, most: number) {
    server.on('connection', (socket: Socket) => {
      if (this.open.size >= most && !this.makeRoom()) return void socket.destroy();
      follow(socket, this.open);
      noteAsked(socket); // as if: a newcomer is about to
      if (!isTls) return follow(socket, this.carrying);
      const ends = endsOf(socket);
      this.greeting.set(ends, socket);
      socket.once('close', () => this.greeting.delete(ends));
    });
    if (isTls) {
      server.on('secureConnection', (socket: Socket) => {
        this.greeting.delete(endsOf(socket));
        noteAsked(socket);
        follow(socket, this.carrying);
      });
    }
  }

  get size(): number {
    return this.open.size;
  }

  /** Ends those on which nothing is being answered. */
  closeIdle(): void {
    for (const socket of this.carrying) if (!isAnswering(socket)) socket.destroy();
  }

  closeAll(): void {
    for (const socket of this.open) socket.destroy();
  }

  /** False when everybody is being answered. */
  private makeRoom(): boolean {
    const idle = [...this.carrying].filter((socket) => !isAtWork(socket));
    const asksNothing = [
      ...this.greeting.values(),
      ...idle.filter((socket) => socket.bytesWritten === 0 || wasAnsweredEarly(socket)),
    ];
    const oldOf = (sockets: readonly Socket[], share: number): readonly Socket[] => {
      const most = Math.min(
        Math.max(CLOSED_TOGETHER, this.open.size / share),
        Math.max(0, sockets.length - this.open.size / YOUNG_SHARE),
      );
      return [...sockets].sort((a, b) => whenAsked(a) - whenAsked(b)).slice(0, most);
    };
    const neverAsked = oldOf(asksNothing, NEVER_ASKED_SHARE);
    const closed = neverAsked.length > 0 ? neverAsked : oldOf(idle, ASKED_LONG_AGO_SHARE);
    for (const socket of closed) {
      this.open.delete(socket);
      socket.destroy();
    }
    return closed.length > 0;
  }
}

const answerOn = (socket: Socket): ServerResponse | null => pipelineOf(socket)?.current ?? null;

const isAnswering = (socket: Socket): boolean => answerOn(socket) !== null || isBeatUnderWay(socket);

/** A request that is not all there yet, or an answer that is and that nobody reads, is nothing that we are at work on. */
function isAtWork(socket: Socket): boolean {
  const answer = answerOn(socket);
  return answer ? answer.req.complete && !answer.writableEnded && !socket.writableNeedDrain : isBeatUnderWay(socket);
}

function follow(socket: Socket, sockets: Set<Socket>): void {
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
}

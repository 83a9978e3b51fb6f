import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { RequestTurns } from './request-turns.js';
import type { UnreadResponses } from './unread-responses.js';

/** A connection with this many unanswered requests is not read until one of them is answered. At least 2: then the first of them has arrived whole. */
const MOST_UNANSWERED = 4;
/** A slice ends with the first head that ends at or after this many bytes, so it begins four requests at most: the shortest has 18 bytes. */
const LEAST_SLICE_BYTES = 64;
const LF = 0x0a;
const CR = 0x0d;

const pipelines = new WeakMap<Socket, RequestPipeline>();

/** The pipeline of a connection that Node's HTTP server serves. */
export const pipelineOf = (socket: Socket): RequestPipeline | undefined => pipelines.get(socket);

/** What all connections share. */
export interface PipelineSharing {
  readonly turns: RequestTurns;
  readonly unread: UnreadResponses;
}

/**
 * Passes the bytes of one connection to Node's HTTP parser in slices. Node would parse all requests of one read (1,500 in 64 KB) before
 * it answers the first. The rest stays in the stream's own buffer, which is bounded, so a client that sends more is not read.
 */
export class RequestPipeline {
  private readonly unanswered: ServerResponse[] = [];
  private begun = 0;
  private waitsFor: 'nothing' | 'answer' | 'turn' = 'nothing';
  private isStopped = false;

  private constructor(
    private readonly socket: Socket,
    private readonly parse: (this: Socket, bytes: Buffer) => void,
    private readonly sharing: PipelineSharing,
  ) {}

  /** To be called once Node's HTTP server has its listeners on the connection, before the first byte flows. */
  static open(socket: Socket, sharing: PipelineSharing): void {
    const [parse] = socket.listeners('data') as ((this: Socket, bytes: Buffer) => void)[];
    if (!parse) throw new Error('the HTTP server does not read the connection');
    const pipeline = new RequestPipeline(socket, parse, sharing);
    socket.off('data', parse);
    socket.on('data', pipeline.read).once('close', () => sharing.unread.remove(socket));
    pipelines.set(socket, pipeline);
  }

  /** The response to the oldest unanswered request; null when there is none. */
  get current(): ServerResponse | null {
    return this.unanswered[0] ?? null;
  }

  /** To be called for each request before it is handled. */
  begin(response: ServerResponse): void {
    this.begun += 1;
    this.unanswered.push(response);
    response.once('close', () => {
      this.unanswered.splice(this.unanswered.indexOf(response), 1);
      this.isRead(response);
      if (this.waitsFor === 'answer') this.waitForTurn();
    });
  }

  /** A response holds this much memory until the client reads on. */
  isUnread(response: ServerResponse, bytes: number): void {
    this.sharing.unread.add(this.socket, response, bytes);
  }

  /** The client has read what the response held. */
  isRead(response: ServerResponse): void {
    this.sharing.unread.read(this.socket, response);
  }

  /** Nothing that arrives from now on is parsed. */
  stop(): void {
    this.isStopped = true;
    this.socket.off('data', this.read).resume();
  }

  /** Goes on with what has waited. */
  takeTurn(): void {
    this.waitsFor = 'nothing';
    this.socket.resume();
  }

  private readonly read = (bytes: Buffer): void => {
    const { socket } = this;
    let parsed = 0;
    if (this.waitsFor === 'nothing') {
      const { begun } = this;
      while (
        parsed < bytes.length &&
        this.begun === begun &&
        this.unanswered.length < MOST_UNANSWERED &&
        !socket.isPaused() &&
        !this.isStopped
      ) {
        const end = endOfSlice(bytes, parsed);
        this.parse.call(socket, bytes.subarray(parsed, end));
        parsed = end;
      }
    }
    if (parsed === bytes.length || this.isStopped || socket.destroyed) return;
    const isPausedByNode = socket.isPaused(); // then Node resumes it: its answers or the body of a request are not read
    socket.pause();
    socket.unshift(bytes.subarray(parsed));
    if (isPausedByNode || this.waitsFor !== 'nothing') return;
    if (this.unanswered.length < MOST_UNANSWERED) this.waitForTurn();
    else this.waitsFor = 'answer';
  };

  private waitForTurn(): void {
    this.waitsFor = 'turn';
    this.sharing.turns.add(this);
  }
}

/** After the first blank line, which may end a head, that makes the slice long enough; all of it when there is none. */
function endOfSlice(bytes: Buffer, start: number): number {
  for (let at = bytes.indexOf(LF, start + LEAST_SLICE_BYTES - 3); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at + 1] === LF) return at + 2;
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3;
  }
  return bytes.length;
}

import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { connectionState, type Pipeline } from './connection-state.js';
import type { PipelineScheduler } from './pipeline-scheduler.js';
import type { UnreadResponses } from './unread-responses.js';

/** With this many unanswered requests, a connection is not read. At least 2, so that the first of them is complete. */
const MAX_PENDING_REQUESTS = 4;
/** A slice ends with the first head that ends at or after this many bytes: at most four requests, because the shortest has 18 bytes. */
const MIN_SLICE_BYTES = 64;
const LF = 0x0a;
const CR = 0x0d;

/** Shared by all connections. */
export interface PipelineSharing {
  readonly scheduler: PipelineScheduler;
  readonly unread: UnreadResponses;
}

/**
 * Passes the bytes of one connection to Node's HTTP parser in slices. Node would parse all requests of one read (1,500 in 64 KB) before
 * it responds to the first. The rest remains in the bounded buffer of the stream, so a client that sends more is not read.
 */
export class RequestPipeline implements Pipeline {
  private readonly pendingResponses: ServerResponse[] = [];
  private startedRequests = 0;
  private waitingFor: 'nothing' | 'response' | 'turn' = 'nothing';
  private isStopped = false;

  private constructor(
    private readonly socket: Socket,
    private readonly parse: (this: Socket, bytes: Buffer) => void,
    private readonly sharing: PipelineSharing,
  ) {}

  /** Called once Node's HTTP server has added its listeners, before the first byte. */
  static open(socket: Socket, sharing: PipelineSharing): void {
    const [parse] = socket.listeners('data') as ((this: Socket, bytes: Buffer) => void)[];
    if (!parse) throw new Error('the HTTP server has no data listener on the connection');
    const pipeline = new RequestPipeline(socket, parse, sharing);
    socket.off('data', parse);
    socket.on('data', pipeline.read).once('close', () => sharing.unread.remove(socket));
    connectionState(socket).pipeline = pipeline;
  }

  get current(): ServerResponse | null {
    return this.pendingResponses[0] ?? null;
  }

  begin(response: ServerResponse): void {
    this.startedRequests += 1;
    this.pendingResponses.push(response);
    response.once('close', () => {
      this.pendingResponses.splice(this.pendingResponses.indexOf(response), 1);
      this.markRead(response);
      if (this.waitingFor === 'response') this.scheduleResume();
    });
  }

  markUnread(response: ServerResponse, bytes: number): void {
    this.sharing.unread.add(this.socket, response, bytes);
  }

  markRead(response: ServerResponse): void {
    this.sharing.unread.markRead(this.socket, response);
  }

  stop(): void {
    this.isStopped = true;
    this.socket.off('data', this.read).resume();
  }

  /** Continues with the buffered bytes. */
  resumeParsing(): void {
    this.waitingFor = 'nothing';
    this.socket.resume();
  }

  private readonly read = (bytes: Buffer): void => {
    const { socket } = this;
    let parsed = 0;
    if (this.waitingFor === 'nothing') {
      const { startedRequests } = this;
      while (
        parsed < bytes.length &&
        this.startedRequests === startedRequests &&
        this.pendingResponses.length < MAX_PENDING_REQUESTS &&
        !socket.isPaused() &&
        !this.isStopped
      ) {
        const end = endOfSlice(bytes, parsed);
        this.parse.call(socket, bytes.subarray(parsed, end));
        parsed = end;
      }
    }
    if (parsed === bytes.length || this.isStopped || socket.destroyed) return;
    const isPausedByNode = socket.isPaused(); // Node resumes it once the responses or the request body are read
    socket.pause();
    socket.unshift(bytes.subarray(parsed));
    if (isPausedByNode || this.waitingFor !== 'nothing') return;
    if (this.pendingResponses.length < MAX_PENDING_REQUESTS) this.scheduleResume();
    else this.waitingFor = 'response';
  };

  private scheduleResume(): void {
    this.waitingFor = 'turn';
    this.sharing.scheduler.add(this);
  }
}

/** Replaces Node's connection listener of the server. Returns a function that serves a new connection by Node's HTTP server, in slices. */
export function pipelinedServing(
  server: Server,
  event: 'connection' | 'secureConnection',
  sharing: PipelineSharing,
): (socket: Socket) => void {
  const [handOffToNode] = server.listeners(event) as ((this: Server, socket: Socket) => void)[];
  if (!handOffToNode) throw new Error('the HTTP server has no connection listener');
  server.removeListener(event, handOffToNode);
  return (socket) => {
    handOffToNode.call(server, socket);
    RequestPipeline.open(socket, sharing);
  };
}

/** The end of the first blank line, which may end a head, after the minimum slice length; the whole length without one. */
function endOfSlice(bytes: Buffer, start: number): number {
  for (let at = bytes.indexOf(LF, start + MIN_SLICE_BYTES - 3); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at + 1] === LF) return at + 2;
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3;
  }
  return bytes.length;
}

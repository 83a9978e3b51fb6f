import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Heartbeat, HeartbeatAnswer, HeartbeatCaller } from '@app/fleet';
import type { UseCases } from '../app.module.js';
import type { ClientAddresses } from '../edge/client-address.js';
import { RequestPipeline, type PipelineSharing } from '../edge/request-pipeline.js';
import { noteAsked } from '../last-asked.js';
import { answerBrokenRequest } from '../problems/broken-request.js';
import { heartbeatOf, heartbeatResponse, textOf } from './heartbeat.mapping.js';
import { readPlainHeartbeat } from './plain-heartbeat.js';

interface LaneSettings {
  /** The event that brings a connection which can carry requests. */
  readonly event: 'connection' | 'secureConnection';
  /** How long a first request may be waited for. */
  readonly requestTimeoutMs: number;
  readonly keepAliveMs: number;
  readonly pipelines: PipelineSharing;
  readonly clients: ClientAddresses;
}

/**
 * Serves plain heartbeats on the connection itself: Node's HTTP server would cost more than all that is done with them.
 * Every connection begins here. With the first bytes that are not one plain heartbeat, or whose heartbeat is not accepted, it
 * goes over to Node's server for good, which is given all that has no answer yet. So one answer alone is written here, and
 * every fault is named there. Returns what closes the connections that wait for a request.
 */
export function openPlainLane(server: Server, useCases: UseCases, settings: LaneSettings): () => void {
  const [through] = server.listeners(settings.event) as ((this: Server, socket: Socket) => void)[];
  if (!through) throw new Error('the HTTP server has no connection listener');
  server.removeListener(settings.event, through);
  const lane = {
    ...useCases,
    ...settings,
    answers: new WrittenAnswers(settings.keepAliveMs),
    nextTurn: new NextTurn(),
  };
  const open = new Set<PlainConnection>();
  server.on(settings.event, (socket: Socket) => {
    socket.on('error', closesByItself); // for as long as it lives, whoever serves it: one that fails with nobody looking would end the process
    const connection = new PlainConnection(socket, lane, {
      left: () => open.delete(connection),
      serveByNode: () => {
        through.call(server, socket);
        RequestPipeline.open(socket, settings.pipelines);
      },
    });
    open.add(connection);
  });
  return () => {
    for (const connection of open) connection.closeIfIdle();
  };
}

/** A connection that failed. */
const closesByItself = (): void => undefined;

/** Why the next heartbeat on a connection is refused: it was read and judged, by this id, before the connection went over. */
interface JudgedBefore {
  readonly error: unknown;
  readonly requestId: string;
}
/** Of a connection that has just gone over: the next request on it is the one that was judged. */
const refusals = new WeakMap<Socket, JudgedBefore>();
const judgedRequests = new WeakMap<IncomingMessage, JudgedBefore>();

/** To be asked once for each request as it begins: the id of one that was judged already, so that its event and its answer name the same; else a new one. */
export function requestIdFor(request: IncomingMessage): string {
  const judged = refusals.get(request.socket);
  if (!judged) return randomUUID();
  refusals.delete(request.socket);
  judgedRequests.set(request, judged);
  return judged.requestId;
}

/** Why this heartbeat is refused already; undefined when it is not. */
export const refusalOf = (request: IncomingMessage): JudgedBefore | undefined => judgedRequests.get(request);

/** Whether a heartbeat is being answered on this connection. */
export const isBeatUnderWay = (socket: Socket): boolean => connections.get(socket)?.isAnswering ?? false;

/** Those that carry nothing but heartbeats so far. */
const connections = new WeakMap<Socket, PlainConnection>();

interface Lane extends UseCases, LaneSettings {
  readonly answers: WrittenAnswers;
  readonly nextTurn: NextTurn;
}

/** One connection for as long as it carries nothing but plain heartbeats, one at a time. */
class PlainConnection implements HeartbeatCaller {
  /** The request that is being answered. */
  private underWay: Buffer | null = null;
  /** What has come after it. */
  private next = NOTHING;
  private decided: HeartbeatAnswer | null = null;
  private requestId = '';

  constructor(
    private readonly socket: Socket,
    private readonly lane: Lane,
    private readonly told: { readonly left: () => void; readonly serveByNode: () => void },
  ) {
    socket.on('data', this.read).on('end', this.end).on('timeout', this.giveUp).on('close', told.left);
    socket.setTimeout(lane.requestTimeoutMs);
    connections.set(socket, this);
    lane.clients.ofPeer(socket);
  }

  get isAnswering(): boolean {
    return this.underWay !== null;
  }

  closeIfIdle(): void {
    if (!this.underWay) this.socket.destroy();
  }

  private readonly read = (bytes: Buffer): void => {
    if (this.underWay) {
      this.next = Buffer.concat([this.next, bytes]);
      this.socket.pause();
      return;
    }
    const beat = this.lane.receiver.isDraining ? null : this.beatOf(bytes);
    if (!beat) return this.goOver(bytes);
    noteAsked(this.socket);
    this.underWay = bytes;
    this.lane.receiver.receive(beat, this);
  };

  private beatOf(bytes: Buffer): Heartbeat | null {
    const plain = readPlainHeartbeat(bytes);
    if (!plain) return null;
    const { hostId, authorization, body, forwarding } = plain;
    try {
      const caller = this.lane.callers.processServer({ authorization }, hostId);
      this.requestId = randomUUID();
      const actor = {
        name: 'process-server',
        address: this.lane.clients.of(this.socket, forwarding),
        requestId: this.requestId,
      };
      return heartbeatOf(hostId, body, { caller, actor }, this.lane.clock.now());
    } catch {
      return null;
    }
  }

  answer(answer: HeartbeatAnswer): void {
    this.decided = answer;
    this.lane.nextTurn.add(this);
  }

  refuse(error: unknown): void {
    refusals.set(this.socket, { error, requestId: this.requestId });
    this.orClose(() => this.goOver(Buffer.concat([this.underWay ?? NOTHING, this.next])));
  }

  writeDecided(): void {
    this.orClose(() => this.writeAnswer());
  }

  /** What goes wrong with one connection ends it, and no other that is told in the same go. */
  private orClose(work: () => void): void {
    try {
      work();
    } catch {
      this.socket.destroy();
    }
  }

  private writeAnswer(): void {
    const { socket, next, decided, requestId } = this;
    const { metrics, receiver, answers, keepAliveMs } = this.lane;
    this.underWay = null;
    this.decided = null;
    metrics.answered(200, 'none');
    if (!decided || !socket.writable) return;
    const isTaken = socket.write(answers.of(decided, requestId, receiver.isDraining), 'latin1');
    if (receiver.isDraining) socket.end();
    else if (next.length > 0) this.goOver(next);
    else {
      if (!isTaken) socket.pause().once('drain', () => socket.resume()); // who does not read his answers is not read either
      if (socket.timeout !== keepAliveMs) socket.setTimeout(keepAliveMs);
    }
  }

  private readonly end = (): void => void this.socket.end();

  private readonly giveUp = (): void => {
    if (this.underWay) return;
    if (this.socket.timeout === this.lane.keepAliveMs) this.socket.destroy();
    else answerBrokenRequest('ERR_HTTP_REQUEST_TIMEOUT', this.socket, this.lane.metrics);
  };

  private goOver(unanswered: Buffer): void {
    const { socket, told } = this;
    connections.delete(socket);
    told.left();
    if (!socket.writable) return;
    socket.off('data', this.read).off('end', this.end).off('timeout', this.giveUp).off('close', told.left);
    socket.setTimeout(0);
    socket.pause();
    socket.unshift(unanswered);
    told.serveByNode();
    socket.resume();
  }
}

const NOTHING = Buffer.alloc(0);

/** The answers to a group are written in the next turn: in this one the next group goes to the database, which would wait for them else. */
class NextTurn {
  private due: PlainConnection[] = [];

  add(connection: PlainConnection): void {
    if (this.due.length === 0) setImmediate(this.run);
    this.due.push(connection);
  }

  private readonly run = (): void => {
    const { due } = this;
    this.due = [];
    for (const connection of due) connection.writeDecided();
  };
}

/** An answer as it goes over the connection: one text for all who share it, but for the id of each. */
class WrittenAnswers {
  private readonly made = new WeakMap<
    HeartbeatAnswer,
    { readonly before: string; readonly after: string; readonly afterTheLast: string }
  >();

  constructor(private readonly keepAliveMs: number) {}

  of(answer: HeartbeatAnswer, requestId: string, isTheLast: boolean): string {
    let text = this.made.get(answer);
    if (!text) this.made.set(answer, (text = this.make(textOf(heartbeatResponse(answer)))));
    return text.before + requestId + (isTheLast ? text.afterTheLast : text.after);
  }

  /** With the headers of every answer, in the order in which Node writes them. */
  private make(body: string): { before: string; after: string; afterTheLast: string } {
    const date = `Date: ${new Date().toUTCString()}`;
    const after = (...headers: string[]): string =>
      ['', 'x-content-type-options: nosniff', 'cache-control: no-store', ...headers, '', body].join('\r\n');
    return {
      before: [
        'HTTP/1.1 200 OK',
        'content-type: application/json; charset=utf-8',
        `content-length: ${body.length}`,
        'x-request-id: ',
      ].join('\r\n'),
      after: after(date, 'Connection: keep-alive', `Keep-Alive: timeout=${this.keepAliveMs / 1000}`),
      afterTheLast: after('connection: close', date),
    };
  }
}

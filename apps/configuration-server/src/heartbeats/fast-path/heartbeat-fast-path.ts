import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Heartbeat, HeartbeatResult, HeartbeatCallbacks } from '@app/fleet';
import type { AppServices } from '../../app.module.js';
import type { ClientAddresses } from '../../edge/client-address.js';
import { RequestPipeline, type PipelineSharing } from '../../edge/request-pipeline.js';
import { touch } from '../../edge/connection-activity.js';
import { respondToClientError } from '../../edge/client-error-handler.js';
import { toHeartbeat, toHeartbeatResponse, serializeHeartbeatResponse } from '../heartbeat.mapper.js';
import { parseHeartbeatRequest } from './heartbeat-request-parser.js';

interface FastPathOptions {
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
export function attachHeartbeatFastPath(
  server: Server,
  appServices: AppServices,
  settings: FastPathOptions,
): () => void {
  const [originalListener] = server.listeners(settings.event) as ((this: Server, socket: Socket) => void)[];
  if (!originalListener) throw new Error('the HTTP server has no connection listener');
  server.removeListener(settings.event, originalListener);
  const context = {
    ...appServices,
    ...settings,
    responseTemplates: new ResponseTemplateCache(settings.keepAliveMs),
    deferredWrites: new DeferredWrites(),
  };
  const attached = new Set<FastPathConnection>();
  server.on(settings.event, (socket: Socket) => {
    socket.on('error', ignoreSocketError); // for as long as it lives, whoever serves it: one that fails with nobody looking would end the process
    const connection = new FastPathConnection(socket, context, {
      onDetached: () => attached.delete(connection),
      handOffToNode: () => {
        originalListener.call(server, socket);
        RequestPipeline.open(socket, settings.pipelines);
      },
    });
    attached.add(connection);
  });
  return () => {
    for (const connection of attached) connection.closeIfIdle();
  };
}

/** A connection that failed. */
const ignoreSocketError = (): void => undefined;

/** Why the next heartbeat on a connection is refused: it was read and judged, by this id, before the connection went over. */
interface PriorVerdict {
  readonly error: unknown;
  readonly requestId: string;
}
/** Of a connection that has just gone over: the next request on it is the one that was judged. */
const priorVerdictBySocket = new WeakMap<Socket, PriorVerdict>();
const priorVerdictByRequest = new WeakMap<IncomingMessage, PriorVerdict>();

/** To be asked once for each request as it begins: the id of one that was judged already, so that its event and its answer name the same; else a new one. */
export function takeRequestId(request: IncomingMessage): string {
  const verdict = priorVerdictBySocket.get(request.socket);
  if (!verdict) return randomUUID();
  priorVerdictBySocket.delete(request.socket);
  priorVerdictByRequest.set(request, verdict);
  return verdict.requestId;
}

/** Why this heartbeat is refused already; undefined when it is not. */
export const priorVerdictOf = (request: IncomingMessage): PriorVerdict | undefined =>
  priorVerdictByRequest.get(request);

/** Whether a heartbeat is being answered on this connection. */
export const isHeartbeatInFlight = (socket: Socket): boolean => connectionBySocket.get(socket)?.isResponding ?? false;

/** Those that carry nothing but heartbeats so far. */
const connectionBySocket = new WeakMap<Socket, FastPathConnection>();

interface FastPathContext extends AppServices, FastPathOptions {
  readonly responseTemplates: ResponseTemplateCache;
  readonly deferredWrites: DeferredWrites;
}

/** One connection for as long as it carries nothing but plain heartbeats, one at a time. */
class FastPathConnection implements HeartbeatCallbacks {
  /** The request that is being answered. */
  private inFlight: Buffer | null = null;
  /** What has come after it. */
  private pipelined = EMPTY_BUFFER;
  private result: HeartbeatResult | null = null;
  private requestId = '';

  constructor(
    private readonly socket: Socket,
    private readonly context: FastPathContext,
    private readonly callbacks: { readonly onDetached: () => void; readonly handOffToNode: () => void },
  ) {
    socket.on('data', this.read).on('end', this.end).on('timeout', this.onTimeout).on('close', callbacks.onDetached);
    socket.setTimeout(context.requestTimeoutMs);
    connectionBySocket.set(socket, this);
    context.clients.ofPeer(socket);
  }

  get isResponding(): boolean {
    return this.inFlight !== null;
  }

  closeIfIdle(): void {
    if (!this.inFlight) this.socket.destroy();
  }

  private readonly read = (bytes: Buffer): void => {
    if (this.inFlight) {
      this.pipelined = Buffer.concat([this.pipelined, bytes]);
      this.socket.pause();
      return;
    }
    const heartbeat = this.context.receiver.isDraining ? null : this.parseHeartbeat(bytes);
    if (!heartbeat) return this.handOff(bytes);
    touch(this.socket);
    this.inFlight = bytes;
    this.context.receiver.receive(heartbeat, this);
  };

  private parseHeartbeat(bytes: Buffer): Heartbeat | null {
    const parsed = parseHeartbeatRequest(bytes);
    if (!parsed) return null;
    const { hostId, authorization, body, forwarding } = parsed;
    try {
      const principal = this.context.authenticator.authenticateProcessServer({ authorization }, hostId);
      this.requestId = randomUUID();
      const actor = {
        name: 'process-server',
        address: this.context.clients.of(this.socket, forwarding),
        requestId: this.requestId,
      };
      return toHeartbeat(hostId, body, { principal, actor }, this.context.clock.now());
    } catch {
      return null;
    }
  }

  onAccepted(result: HeartbeatResult): void {
    this.result = result;
    this.context.deferredWrites.add(this);
  }

  onRejected(error: unknown): void {
    priorVerdictBySocket.set(this.socket, { error, requestId: this.requestId });
    this.closeOnError(() => this.handOff(Buffer.concat([this.inFlight ?? EMPTY_BUFFER, this.pipelined])));
  }

  writeResult(): void {
    this.closeOnError(() => this.writeResponse());
  }

  /** What goes wrong with one connection ends it, and no other that is told in the same go. */
  private closeOnError(work: () => void): void {
    try {
      work();
    } catch {
      this.socket.destroy();
    }
  }

  private writeResponse(): void {
    const { socket, pipelined, result, requestId } = this;
    const { metrics, receiver, responseTemplates, keepAliveMs } = this.context;
    this.inFlight = null;
    this.result = null;
    metrics.recordResponse(200, 'none');
    if (!result || !socket.writable) return;
    const isFlushed = socket.write(responseTemplates.of(result, requestId, receiver.isDraining), 'latin1');
    if (receiver.isDraining) socket.end();
    else if (pipelined.length > 0) this.handOff(pipelined);
    else {
      if (!isFlushed) socket.pause().once('drain', () => socket.resume()); // who does not read his answers is not read either
      if (socket.timeout !== keepAliveMs) socket.setTimeout(keepAliveMs);
    }
  }

  private readonly end = (): void => void this.socket.end();

  private readonly onTimeout = (): void => {
    if (this.inFlight) return;
    if (this.socket.timeout === this.context.keepAliveMs) this.socket.destroy();
    else respondToClientError('ERR_HTTP_REQUEST_TIMEOUT', this.socket, this.context.metrics);
  };

  private handOff(unprocessed: Buffer): void {
    const { socket, callbacks } = this;
    connectionBySocket.delete(socket);
    callbacks.onDetached();
    if (!socket.writable) return;
    socket
      .off('data', this.read)
      .off('end', this.end)
      .off('timeout', this.onTimeout)
      .off('close', callbacks.onDetached);
    socket.setTimeout(0);
    socket.pause();
    socket.unshift(unprocessed);
    callbacks.handOffToNode();
    socket.resume();
  }
}

const EMPTY_BUFFER = Buffer.alloc(0);

/** The answers to a group are written in the next turn: in this one the next group goes to the database, which would wait for them else. */
class DeferredWrites {
  private pending: FastPathConnection[] = [];

  add(connection: FastPathConnection): void {
    if (this.pending.length === 0) setImmediate(this.run);
    this.pending.push(connection);
  }

  private readonly run = (): void => {
    const { pending } = this;
    this.pending = [];
    for (const connection of pending) connection.writeResult();
  };
}

/** An answer as it goes over the connection: one text for all who share it, but for the id of each. */
class ResponseTemplateCache {
  private readonly templates = new WeakMap<
    HeartbeatResult,
    { readonly prefix: string; readonly suffix: string; readonly closingSuffix: string }
  >();

  constructor(private readonly keepAliveMs: number) {}

  of(result: HeartbeatResult, requestId: string, isLast: boolean): string {
    let text = this.templates.get(result);
    if (!text) this.templates.set(result, (text = this.build(serializeHeartbeatResponse(toHeartbeatResponse(result)))));
    return text.prefix + requestId + (isLast ? text.closingSuffix : text.suffix);
  }

  /** With the headers of every answer, in the order in which Node writes them. */
  private build(body: string): { prefix: string; suffix: string; closingSuffix: string } {
    const date = `Date: ${new Date().toUTCString()}`;
    const suffix = (...headers: string[]): string =>
      ['', 'x-content-type-options: nosniff', 'cache-control: no-store', ...headers, '', body].join('\r\n');
    return {
      prefix: [
        'HTTP/1.1 200 OK',
        'content-type: application/json; charset=utf-8',
        `content-length: ${body.length}`,
        'x-request-id: ',
      ].join('\r\n'),
      suffix: suffix(date, 'Connection: keep-alive', `Keep-Alive: timeout=${this.keepAliveMs / 1000}`),
      closingSuffix: suffix('connection: close', date),
    };
  }
}

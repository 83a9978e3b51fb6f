import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Clock, Heartbeat, HeartbeatResult, HeartbeatCallbacks, HeartbeatReceiver } from '@app/fleet';
import type { Authenticator } from '../../access/authenticator.js';
import type { ClientAddresses } from '../../edge/client-address.js';
import { connectionState, type ConnectionState } from '../../edge/connection-state.js';
import { respondToClientError, type ResponseCounter } from '../../edge/client-error-handler.js';
import { toHeartbeat } from '../heartbeat.mapper.js';
import type { DeferredResponses, ResponseText } from './deferred-responses.js';
import { parseHeartbeatRequest } from './heartbeat-request-parser.js';

export interface FastPathOptions {
  readonly receiver: HeartbeatReceiver;
  readonly callers: Authenticator;
  readonly clock: Clock;
  readonly metrics: ResponseCounter & { readonly acceptedHeartbeats: { observe(seconds: number): void } };
  readonly clients: ClientAddresses;
  /** Timeout of the first request. */
  readonly requestTimeoutMs: number;
  readonly keepAliveMs: number;
  /** Headers of every response. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

const EMPTY_BUFFER = Buffer.alloc(0);

/** One connection on the fast path: ordinary heartbeats only, one at a time. */
export class FastPathConnection implements HeartbeatCallbacks {
  private inFlight: Buffer | null = null;
  /** Bytes that arrived after the heartbeat. */
  private pipelined = EMPTY_BUFFER;
  private result: HeartbeatResult | null = null;
  private requestId = '';
  private arrivedAtMs = 0;
  private readonly state: ConnectionState;

  constructor(
    private readonly socket: Socket,
    private readonly options: FastPathOptions,
    private readonly responses: DeferredResponses,
    private readonly serveByNode: (socket: Socket) => void,
  ) {
    this.state = connectionState(socket);
    socket.on('data', this.read).on('end', this.end).on('timeout', this.onTimeout);
    socket.setTimeout(options.requestTimeoutMs);
  }

  /** Must be called after `onAccepted` and before `write`. */
  get accepted(): HeartbeatResult {
    if (!this.result) throw new Error('the heartbeat has no result');
    return this.result;
  }

  private readonly read = (bytes: Buffer): void => {
    if (this.inFlight) {
      this.pipelined = Buffer.concat([this.pipelined, bytes]);
      this.socket.pause();
      return;
    }
    const { receiver } = this.options;
    const heartbeat = receiver.isDraining ? null : this.parse(bytes);
    if (!heartbeat) return this.handOff(bytes);
    this.state.touch();
    this.arrivedAtMs = this.options.clock.monotonicMs();
    this.inFlight = bytes;
    this.state.isHeartbeatInFlight = true;
    receiver.receive(heartbeat, this);
  };

  private parse(bytes: Buffer): Heartbeat | null {
    const request = parseHeartbeatRequest(bytes);
    if (!request) return null;
    const { callers, clients, clock } = this.options;
    const { hostId, authorization, body, forwarding } = request;
    try {
      const principal = callers.authenticateProcessServer({ authorization }, hostId);
      this.requestId = randomUUID();
      const address = clients.of(this.socket, forwarding);
      const actor = { name: 'process-server', address, requestId: this.requestId };
      return toHeartbeat(hostId, body, { principal, actor }, clock.now());
    } catch {
      return null;
    }
  }

  onAccepted(accepted: HeartbeatResult): void {
    this.result = accepted;
    this.responses.add(this);
  }

  onRejected(error: unknown): void {
    const waitedMs = this.options.clock.monotonicMs() - this.arrivedAtMs;
    this.state.rejectNext({ error, requestId: this.requestId, waitedMs });
    this.closeOnError(() => this.handOff(Buffer.concat([this.inFlight ?? EMPTY_BUFFER, this.pipelined])));
  }

  write(text: ResponseText, nowMs: number): void {
    this.closeOnError(() => this.writeResponse(text, nowMs));
  }

  /** An error ends this connection only, not the others of the batch. */
  private closeOnError(work: () => void): void {
    try {
      work();
    } catch {
      this.socket.destroy();
    }
  }

  private writeResponse({ head, rest, lastRest }: ResponseText, nowMs: number): void {
    const { socket, pipelined, requestId } = this;
    const { metrics, receiver, keepAliveMs } = this.options;
    this.inFlight = null;
    this.result = null;
    this.state.isHeartbeatInFlight = false;
    metrics.recordResponse(200, 'none');
    metrics.acceptedHeartbeats.observe((nowMs - this.arrivedAtMs) / 1000);
    if (!socket.writable) return;
    const isLast = receiver.isDraining;
    const isFlushed = socket.write(head + requestId + (isLast ? lastRest : rest), 'latin1');
    if (isLast) socket.end();
    else if (pipelined.length > 0) this.handOff(pipelined);
    else {
      if (!isFlushed) socket.pause().once('drain', () => socket.resume()); // backpressure: no reads from a client that does not read
      if (socket.timeout !== keepAliveMs) socket.setTimeout(keepAliveMs);
    }
  }

  private readonly end = (): void => void this.socket.end();

  private readonly onTimeout = (): void => {
    if (this.inFlight) return;
    if (this.socket.timeout === this.options.keepAliveMs) this.socket.destroy();
    else respondToClientError('ERR_HTTP_REQUEST_TIMEOUT', this.socket, this.options.metrics);
  };

  private handOff(unprocessed: Buffer): void {
    const { socket } = this;
    this.state.isHeartbeatInFlight = false;
    if (!socket.writable) return;
    socket.off('data', this.read).off('end', this.end).off('timeout', this.onTimeout);
    socket.setTimeout(0);
    socket.pause();
    socket.unshift(unprocessed);
    this.serveByNode(socket);
    socket.resume();
  }
}

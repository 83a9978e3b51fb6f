import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Inject, Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance, FastifyReply, FastifyRequest, onSendHookHandler } from 'fastify';
import { registerJsonParser } from '../problems/json-body.js';
import { APP_OPTIONS, type AppOptions } from '../site/app-options.js';
import { ClientAddresses } from './client-address.js';
import { respondToClientError } from './client-error-handler.js';
import { ConnectionLimiter } from './connection-limiter.js';
import { connectionState } from './connection-state.js';
import { PipelineScheduler } from './pipeline-scheduler.js';
import { expectProxyHeaders, RejectedConnections } from './proxy-protocol.js';
import { findHeaderProblem } from './request-header-checks.js';
import { pipelinedServing } from './request-pipeline.js';
import { ResponseStatistics } from './response-statistics.js';
import { securityHeaders } from './security-headers.js';
import { UnreadResponses } from './unread-responses.js';

export const REQUEST_TIMEOUT_MS = 20_000;
/** Longer than a usual heartbeat interval, so that a process server keeps its connection. */
export const KEEP_ALIVE_MS = 75_000;
const NOT_MODIFIED = 304;

declare module 'fastify' {
  interface FastifyRequest {
    /** The canonical address of the client; behind trusted proxies, it is not the address of the connection. */
    readonly clientAddress: string;
  }
  interface FastifyReply {
    /** For the metrics; `none` without a problem. */
    problemCode: string;
  }
}

type ServeConnection = (socket: Socket) => void;

/** The HTTP server below Nest's routes: its connections, and what all requests have in common. */
@Injectable()
export class HttpServer {
  readonly fastify: FastifyInstance;
  readonly requestTimeoutMs: number;
  readonly keepAliveMs = KEEP_ALIVE_MS;
  private readonly isTls: boolean;

  constructor(
    { httpAdapter }: HttpAdapterHost,
    @Inject(APP_OPTIONS) private readonly options: AppOptions,
    readonly statistics: ResponseStatistics,
    readonly clients: ClientAddresses,
    private readonly unread: UnreadResponses,
    private readonly rejectedConnections: RejectedConnections,
    private readonly connections: ConnectionLimiter,
  ) {
    this.fastify = httpAdapter.getInstance<FastifyInstance>();
    this.requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
    this.isTls = options.settings.http.tls !== null;
  }

  /** Headers of every response. */
  get headers(): ReturnType<typeof securityHeaders> {
    return securityHeaders(this.isTls);
  }

  /** Registers the hooks of every request. While `isDraining`, each response is the last one of its connection. */
  registerHooks(isDraining: () => boolean): void {
    const { fastify, clients, headers } = this;
    fastify.decorateRequest('clientAddress', {
      getter(this: FastifyRequest) {
        return clients.ofRequest(this.raw);
      },
    });
    fastify.decorateReply('problemCode', 'none');
    registerJsonParser(fastify);
    fastify.addHook('onRequest', (request, _reply, done) => done(findHeaderProblem(request.raw) ?? undefined));
    fastify.addHook('onRoute', (route) => {
      // Fastify adds these routes for HEAD, with a last hook that gives an empty 304 the length 0.
      if (route.method === 'HEAD') route.onSend = [route.onSend ?? []].flat().concat(removeLengthOfNotModified);
    });
    fastify.addHook('onSend', (request, reply, payload, done) => {
      reply.header('x-request-id', request.id);
      for (const [name, value] of headers) if (!reply.hasHeader(name)) reply.header(name, value);
      if (isDraining()) reply.header('connection', 'close');
      done(null, payload);
    });
    fastify.addHook('preClose', (done) => afterPoll(done));
    fastify.addHook('onResponse', (request, reply, done) => {
      this.recordResponse(request, reply);
      done();
    });
  }

  /** The duration of a heartbeat that the fast path handed off starts at its arrival there. */
  recordResponse(request: FastifyRequest, reply: FastifyReply): void {
    const { waitedMs = 0 } = connectionState(request.raw.socket).earlyRejection(request.id) ?? {};
    const seconds = (reply.elapsedTime + waitedMs) / 1000;
    this.statistics.recordResponse(reply.statusCode, reply.problemCode);
    this.statistics.recordDuration(request.method, request.routeOptions.url, reply.statusCode, seconds);
  }

  /** Serves new connections; `serveFirst` may serve one before Node's HTTP server. */
  serveConnections(serveFirst: (handOffToNode: ServeConnection) => ServeConnection): void {
    const { isTls, requestTimeoutMs, clients, unread, statistics, rejectedConnections } = this;
    const { logger, settings } = this.options;
    const { server } = this.fastify;
    server.maxHeadersCount = 0; // no limit: Node would ignore headers beyond a count; their size is limited
    server.on('checkExpectation', (request, response) => void server.emit('request', request, response));
    // Node would close such a connection without a response.
    server.on('connect', (_request, socket: Socket) => {
      connectionState(socket).pipeline?.stop();
      respondToClientError(undefined, socket.resume(), statistics);
    });
    // Without an `error` listener, a failed accept (EMFILE) would crash the process; errors of `listen` itself reach its caller.
    server.once('listening', () =>
      server.on('error', (error) => logger.error({ err: error }, 'a connection could not be accepted')),
    );
    const event = isTls ? 'secureConnection' : 'connection';
    const serve = serveFirst(pipelinedServing(server, event, { scheduler: new PipelineScheduler(), unread }));
    server.on(event, (socket: Socket) => {
      socket.on('error', ignoreSocketError);
      clients.ofPeer(socket);
      serve(socket);
    });
    server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      const state = connectionState(socket);
      state.touch();
      state.pipeline?.begin(response);
    });
    // Called by `close`. Node would close a connection whose last response is not completely written.
    server.closeIdleConnections = () => this.connections.closeIdle();
    if (settings.http.proxyProtocol)
      expectProxyHeaders(server, { clients, isTls, requestTimeoutMs, rejected: rejectedConnections });
    this.connections.watch(server);
  }
}

/** Without a listener, an error of one connection would crash the process. The connection closes by itself. */
const ignoreSocketError = (): void => undefined;

/**
 * Calls back after a complete poll of the event loop. Requests that have arrived are read by then, so their connections are not idle
 * when the idle ones are closed.
 */
function afterPoll(callback: () => void): void {
  setImmediate(() => setImmediate(callback)); // the first one may run before the next poll
}

/** A 304 may only have the length of the content that was left out (RFC 9110, 8.6). */
const removeLengthOfNotModified: onSendHookHandler = (_request, reply, payload, done) => {
  if (reply.statusCode === NOT_MODIFIED) reply.removeHeader('content-length');
  done(null, payload);
};

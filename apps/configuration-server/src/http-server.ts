import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { LogController } from 'fastify';
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { TlsSettings } from '@app/platform';
import { AppModule, type AppServices } from './app.module.js';
import type { AuthenticatedRequest } from './access/principal.js';
import { rateLimitHeaders } from './access/rate-limit.js';
import { assertEveryRouteHasPermission, routePermissions } from './route-permissions.js';
import { registerJsonParser } from './problems/json-body.js';
import type { ClientAddresses } from './edge/client-address.js';
import { connectionState } from './edge/connection-state.js';
import { pipelinedServing } from './edge/request-pipeline.js';
import { expectProxyHeaders, type RejectedConnections } from './edge/proxy-protocol.js';
import type { Metrics } from './operations/metrics.js';
import { PipelineScheduler } from './edge/pipeline-scheduler.js';
import { SlicedResponse } from './edge/sliced-response.js';
import type { UnreadResponses } from './edge/unread-responses.js';
import { securityHeaders } from './edge/security-headers.js';
import { findHeaderProblem } from './edge/request-header-checks.js';
import { MethodNotAllowedRoutes } from './edge/method-not-allowed-routes.js';
import { respondToClientError } from './edge/client-error-handler.js';
import { sendProblem } from './access/problem.filter.js';
import { serveDocs } from './openapi/serve-docs.js';
import { attachHeartbeatFastPath } from './heartbeats/fast-path/index.js';
import { TLS_OPTIONS } from './edge/tls-certificate.js';

/** Larger than any valid body. */
const MAX_BODY_BYTES = 64 * 1024;
const REQUEST_TIMEOUT_MS = 20_000;
/** Node checks for request timeouts this many times within one timeout. */
const TIMEOUT_CHECKS_PER_PERIOD = 4;
/** An inactive connection is closed this long after a request timeout: no call takes as long before its first byte, so the client does not read. */
const IDLE_SOCKET_TIMEOUT_MS = 20_000;
/** Longer than a usual heartbeat interval, so that a process server keeps its connection. */
const KEEP_ALIVE_MS = 75_000;

interface HttpServerOptions {
  readonly tls: Pick<TlsSettings, 'certificate' | 'key'> | null;
  /** Timeout for the arrival of a request. */
  readonly requestTimeoutMs?: number | undefined;
  readonly unread: UnreadResponses;
  readonly clients: ClientAddresses;
  /** Tracks connections without a PROXY protocol header; null if none is expected. */
  readonly rejectedConnections: RejectedConnections | null;
  /** Whether the fast path serves ordinary heartbeats before they reach Node's HTTP server. */
  readonly heartbeatFastPath: boolean;
}

/** Creates the HTTP server with every route of the contract; it does not listen yet. */
export async function createHttpServer(
  appServices: AppServices,
  {
    tls,
    requestTimeoutMs = REQUEST_TIMEOUT_MS,
    unread,
    clients,
    rejectedConnections,
    heartbeatFastPath,
  }: HttpServerOptions,
  logger: Logger,
): Promise<NestFastifyApplication> {
  assertEveryRouteHasPermission();
  const { randomness, metrics } = appServices;
  // Node swaps the two limits if the header limit (default 60 s) is the longer one; a body then has 60 s.
  const server = {
    headersTimeout: requestTimeoutMs,
    connectionsCheckingInterval: requestTimeoutMs / TIMEOUT_CHECKS_PER_PERIOD,
    ServerResponse: SlicedResponse,
    requireHostHeader: false, // Node would send no body; `findHeaderProblem` sends a problem
  };
  const fastifyOptions = {
    loggerInstance: logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    childLoggerFactory: (parent: FastifyBaseLogger) => parent, // no logger for each request: log lines of problems have the request id
    return503OnClosing: false, // requests during shutdown get a normal response or a problem
    genReqId: (request: unknown) => connectionState((request as IncomingMessage).socket).nextRequestId(),
    bodyLimit: MAX_BODY_BYTES,
    // No hook runs for these: the target cannot be decoded, or is too long for the router.
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      reply.headers(Object.fromEntries(securityHeaders(tls !== null)));
      sendProblem(error, request, reply, randomness);
      metrics.recordResponse(reply.statusCode, reply.problemCode);
      measure(metrics, request, reply);
    },
  };
  const adapter = new FastifyAdapter({
    ...fastifyOptions,
    ...(tls
      ? {
          https: { ...server, ...TLS_OPTIONS, cert: tls.certificate, key: tls.key, handshakeTimeout: requestTimeoutMs },
        }
      : { http: server }),
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionTimeout: requestTimeoutMs + IDLE_SOCKET_TIMEOUT_MS,
    clientErrorHandler: (error, socket) => {
      const { pipeline } = connectionState(socket);
      if (!pipeline) return void socket.destroy(); // the TLS handshake failed or timed out: no response is possible
      pipeline.stop();
      respondToClientError(error.code, socket, metrics);
    },
  });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.forRoot(appServices), adapter, {
    bodyParser: false,
    logger: ['error', 'warn', 'fatal'],
    abortOnError: false,
  });
  const fastify = adapter.getInstance() as unknown as FastifyInstance;
  fastify.server.maxHeadersCount = 0; // no limit: Node would ignore headers beyond a count; their size is limited
  fastify.server.on('checkExpectation', (request, response) => void fastify.server.emit('request', request, response));
  // Node would close such a connection without a response.
  fastify.server.on('connect', (_request, socket: Socket) => {
    connectionState(socket).pipeline?.stop();
    respondToClientError(undefined, socket.resume(), metrics);
  });
  // Without an `error` listener, a failed accept (EMFILE) would crash the process; errors of `listen` itself reach its caller.
  fastify.server.once('listening', () =>
    fastify.server.on('error', (error) => logger.error({ err: error }, 'a connection could not be accepted')),
  );
  const methodNotAllowedRoutes = new MethodNotAllowedRoutes(fastify);
  registerCommonHooks(fastify, appServices, clients, tls !== null);
  await serveDocs(fastify, appServices.authenticator);
  const event = tls ? 'secureConnection' : 'connection';
  const handOffToNode = pipelinedServing(fastify.server, event, { scheduler: new PipelineScheduler(), unread });
  const { receiver, authenticator: callers, clock } = appServices;
  const headers = securityHeaders(tls !== null);
  const fastPath = {
    receiver,
    callers,
    clock,
    metrics,
    clients,
    headers,
    requestTimeoutMs,
    keepAliveMs: KEEP_ALIVE_MS,
  };
  const serve = heartbeatFastPath ? attachHeartbeatFastPath(fastify, fastPath, handOffToNode) : handOffToNode;
  fastify.server.on(event, (socket: Socket) => {
    socket.on('error', ignoreSocketError);
    clients.ofPeer(socket);
    serve(socket);
  });
  fastify.server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    const state = connectionState(socket);
    state.touch();
    state.pipeline?.begin(response);
  });
  if (rejectedConnections)
    expectProxyHeaders(fastify.server, {
      clients,
      isTls: tls !== null,
      requestTimeoutMs,
      rejected: rejectedConnections,
    });
  await app.init();
  methodNotAllowedRoutes.register();
  return app;
}

/** Without a listener, an error of one connection would crash the process. The connection closes by itself. */
const ignoreSocketError = (): void => undefined;

/** Registers the hooks of every request. */
function registerCommonHooks(
  fastify: FastifyInstance,
  { metrics, receiver, rejectedRequestAudit }: AppServices,
  clients: ClientAddresses,
  isTls: boolean,
): void {
  const commonHeaders = securityHeaders(isTls);
  fastify.decorateRequest('clientAddress', {
    getter(this: FastifyRequest) {
      return clients.ofRequest(this.raw);
    },
  });
  const permissions = new Map(
    routePermissions().map(({ method, path, permission }) => [`${method} /${path}`, permission]),
  );
  fastify.decorateRequest('statedPermission', {
    getter(this: FastifyRequest) {
      return permissions.get(`${this.method === 'HEAD' ? 'GET' : this.method} ${this.routeOptions.url}`);
    },
  });
  fastify.decorateReply('problemCode', 'none');
  registerJsonParser(fastify);
  fastify.addHook('onRequest', (request, _reply, done) => done(findHeaderProblem(request.raw) ?? undefined));
  fastify.addHook('onSend', (request, reply, payload, done) => {
    reply.header('x-request-id', request.id);
    for (const [name, value] of commonHeaders) if (!reply.hasHeader(name)) reply.header(name, value);
    if (receiver.isDraining) reply.header('connection', 'close');
    const { quota } = request as AuthenticatedRequest;
    if (quota) reply.headers(rateLimitHeaders(quota));
    const audited = reply.statusCode < 400 ? null : rejectedRequestAudit.record(request, reply.problemCode);
    if (!audited) return done(null, payload);
    void audited.then(() => done(null, payload));
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    metrics.recordResponse(reply.statusCode, reply.problemCode);
    measure(metrics, request, reply);
    done();
  });
}

/** The duration of a heartbeat that the fast path handed off starts at its arrival there. */
const measure = (metrics: Metrics, request: FastifyRequest, reply: FastifyReply): void =>
  metrics.measured(
    request.method,
    request.routeOptions.url,
    reply.statusCode,
    (reply.elapsedTime + (connectionState(request.raw.socket).earlyRejection(request.id)?.waitedMs ?? 0)) / 1000,
  );

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

/** Nothing that the contract asks for is larger. */
const MAX_BODY_BYTES = 64 * 1024;
const REQUEST_TIMEOUT_MS = 20_000;
/** Node looks for requests that take too long so many times within that time. */
const TIMEOUT_CHECKS_PER_PERIOD = 4;
/** A connection on which nothing moves is closed so long after a late request would have been: its answer is not read, for no call takes as long before its first byte. */
const IDLE_SOCKET_TIMEOUT_MS = 20_000;
/** Longer than a usual heartbeat interval, so that a process server keeps its connection. */
const KEEP_ALIVE_MS = 75_000;

interface HttpServerOptions {
  readonly tls: Pick<TlsSettings, 'certificate' | 'key'> | null;
  /** How long a request may take to arrive. */
  readonly requestTimeoutMs?: number | undefined;
  readonly unread: UnreadResponses;
  readonly clients: ClientAddresses;
  /** Those without a PROXY protocol header; null where none is expected. */
  readonly rejectedConnections: RejectedConnections | null;
  /** Whether ordinary heartbeats are served before they reach Node's HTTP server. */
  readonly heartbeatFastPath: boolean;
}

/** The HTTP server with every route of the contract; not listening yet. */
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
  // Node swaps the two limits when the one for headers (60 s unless told) is the longer, and then a body has 60 s.
  const server = {
    headersTimeout: requestTimeoutMs,
    connectionsCheckingInterval: requestTimeoutMs / TIMEOUT_CHECKS_PER_PERIOD,
    ServerResponse: SlicedResponse,
    requireHostHeader: false, // Node would refuse without a body; `findHeaderProblem` does with one
  };
  const fastifyOptions = {
    loggerInstance: logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    childLoggerFactory: (ours: FastifyBaseLogger) => ours, // one for each request would cost more than it tells: a problem's line has the request id
    return503OnClosing: false, // what is still asked while we drain is answered as ever, or refused as a problem
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
      if (!pipeline) return void socket.destroy(); // the TLS greeting failed or took too long: nothing can be answered
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
  fastify.server.maxHeadersCount = 0; // all of them; their size has its bound, and one beyond a count would be passed over
  fastify.server.on('checkExpectation', (request, response) => void fastify.server.emit('request', request, response));
  // Node would end such a connection without a word.
  fastify.server.on('connect', (_request, socket: Socket) => {
    connectionState(socket).pipeline?.stop();
    respondToClientError(undefined, socket.resume(), metrics);
  });
  // A listener after that of listening itself: else what fails later, as when the machine has no more files, would end the process.
  fastify.server.once('listening', () =>
    fastify.server.on('error', (error) => logger.error({ err: error }, 'a connection could not be taken')),
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

/** Without a listener, an error of one connection would end the process. The connection closes by itself. */
const ignoreSocketError = (): void => undefined;

/** What holds for every request. */
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

/** A heartbeat that the fast path handed over is measured from its arrival there. */
const measure = (metrics: Metrics, request: FastifyRequest, reply: FastifyReply): void =>
  metrics.measured(
    request.method,
    request.routeOptions.url,
    reply.statusCode,
    (reply.elapsedTime + (connectionState(request.raw.socket).earlyRejection(request.id)?.waitedMs ?? 0)) / 1000,
  );

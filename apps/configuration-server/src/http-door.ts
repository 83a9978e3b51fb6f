import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import Fastify, { LogController } from 'fastify';
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { TlsSettings } from '@app/platform';
import { AppModule, DESCRIBED_CONTROLLERS, type UseCases } from './app.module.js';
import type { RecognisedRequest } from './access/caller.js';
import { rateLimitHeaders } from './access/rate-limit.js';
import { everyRouteStatesItsPermission, routePermissions } from './access/route-permissions.js';
import { everyBodyHasItsCheck } from './problems/body-checks.js';
import { acceptJson, parseJson } from './problems/json-body.js';
import type { ClientAddresses } from './edge/client-address.js';
import { pipelineOf } from './edge/request-pipeline.js';
import { expectProxyHeaders, type RefusedConnections } from './edge/proxy-protocol.js';
import { RequestTurns } from './edge/request-turns.js';
import { SlicedResponse } from './edge/sliced-response.js';
import type { UnreadResponses } from './edge/unread-responses.js';
import { noteAsked } from './last-asked.js';
import { safeHeaders } from './problems/safe-headers.js';
import { strangeHead } from './problems/strange-head.js';
import { OtherMethods } from './problems/other-methods.js';
import { RequestProblem } from './problems/request-problem.js';
import { answerBrokenRequest } from './problems/broken-request.js';
import { problemCodeOf, sendProblem } from './problems/problem.filter.js';
import { serveDocs } from './openapi/serve-docs.js';
import { serveHeartbeats } from './process-servers/heartbeat-route.js';
import { TLS_OPTIONS } from './tls-certificate.js';
import { openPlainLane, requestIdFor } from './process-servers/plain-lane.js';

/** Nothing that the contract asks for is larger. */
const LARGEST_BODY_BYTES = 64 * 1024;
const REQUEST_TIMEOUT_MS = 20_000;
/** Node looks for requests that take too long so many times within that time. */
const LOOKS_FOR_LATE_REQUESTS = 4;
/** A connection on which nothing moves is closed so long after a late request would have been: its answer is not read, for no call takes as long before its first byte. */
const LONGEST_SILENCE_MS = 20_000;
/** Longer than a usual heartbeat interval, so that a process server keeps its connection. */
const KEEP_ALIVE_MS = 75_000;

interface DoorSettings {
  readonly tls: Pick<TlsSettings, 'certificate' | 'key'> | null;
  /** How long a request may take to arrive. */
  readonly requestTimeoutMs?: number | undefined;
  readonly unread: UnreadResponses;
  readonly clients: ClientAddresses;
  /** Those without a PROXY protocol header; null where none is expected. */
  readonly refusedConnections: RefusedConnections | null;
}

/** The HTTP server with every route of the contract; not listening yet. */
export async function openHttpDoor(
  useCases: UseCases,
  { tls, requestTimeoutMs = REQUEST_TIMEOUT_MS, unread, clients, refusedConnections }: DoorSettings,
  logger: Logger,
): Promise<NestFastifyApplication> {
  everyRouteStatesItsPermission();
  everyBodyHasItsCheck(DESCRIBED_CONTROLLERS);
  const { randomness, metrics } = useCases;
  // Node swaps the two limits when the one for headers (60 s unless told) is the longer, and then a body has 60 s.
  const server = {
    headersTimeout: requestTimeoutMs,
    connectionsCheckingInterval: requestTimeoutMs / LOOKS_FOR_LATE_REQUESTS,
    ServerResponse: SlicedResponse,
    requireHostHeader: false, // Node would refuse without a body; `strangeHead` does with one
  };
  const fastifySettings = {
    loggerInstance: logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    childLoggerFactory: (ours: FastifyBaseLogger) => ours, // one for each request would cost more than it tells: a problem's line has the request id
    return503OnClosing: false, // what is still asked while we drain is answered as ever, or refused as a problem
    genReqId: (request: unknown) => requestIdFor(request as IncomingMessage),
    bodyLimit: LARGEST_BODY_BYTES,
    // No hook runs for these: the target cannot be decoded, or is too long for the router.
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      reply.headers(Object.fromEntries(safeHeaders(tls !== null)));
      sendProblem(error, request, reply, randomness);
      metrics.answered(reply.statusCode, problemCodeOf(reply));
    },
  };
  const adapter = new FastifyAdapter({
    ...fastifySettings,
    ...(tls
      ? {
          https: { ...server, ...TLS_OPTIONS, cert: tls.certificate, key: tls.key, handshakeTimeout: requestTimeoutMs },
        }
      : { http: server }),
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionTimeout: requestTimeoutMs + LONGEST_SILENCE_MS,
    clientErrorHandler: (error, socket) => {
      const pipeline = pipelineOf(socket);
      if (!pipeline) return void socket.destroy(); // the TLS greeting failed or took too long: nothing can be answered
      pipeline.stop();
      answerBrokenRequest(error.code, socket, metrics);
    },
  });
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.around(useCases), adapter, {
    bodyParser: false,
    logger: ['error', 'warn', 'fatal'],
    abortOnError: false,
  });
  const fastify = adapter.getInstance() as unknown as FastifyInstance;
  fastify.server.maxHeadersCount = 0; // all of them; their size has its bound, and one beyond a count would be passed over
  fastify.server.on('checkExpectation', (request, response) => void fastify.server.emit('request', request, response));
  // Node would end such a connection without a word.
  fastify.server.on('connect', (_request, socket: Socket) => {
    pipelineOf(socket)?.stop();
    answerBrokenRequest(undefined, socket.resume(), metrics);
  });
  // A listener after that of listening itself: else what fails later, as when the machine has no more files, would end the process.
  fastify.server.once('listening', () =>
    fastify.server.on('error', (error) => logger.error({ err: error }, 'a connection could not be taken')),
  );
  const otherMethods = new OtherMethods(fastify);
  applyRules(fastify, useCases, clients, tls !== null);
  await serveDocs(fastify, useCases.callers);
  const pipelines = { turns: new RequestTurns(), unread };
  const closePlain = openPlainLane(fastify.server, useCases, {
    pipelines,
    clients,
    event: tls ? 'secureConnection' : 'connection',
    requestTimeoutMs,
    keepAliveMs: KEEP_ALIVE_MS,
  });
  if (refusedConnections)
    expectProxyHeaders(fastify.server, { clients, isTls: tls !== null, requestTimeoutMs, refused: refusedConnections });
  fastify.addHook('preClose', (done) => {
    closePlain();
    done();
  });
  await app.init();
  await serveHeartbeats(fastify, useCases); // it waits for its routes, which Nest's error handler would miss before `init`
  otherMethods.refuse();

  const lane = Fastify(fastifySettings);
  applyRules(lane, useCases, clients, tls !== null);
  lane.setErrorHandler((error, request, reply) => sendProblem(error, request, reply, randomness));
  lane.setNotFoundHandler((request, reply) =>
    sendProblem(new RequestProblem('route_not_found'), request, reply, randomness),
  );
  await serveHeartbeats(lane, useCases);
  await lane.ready();
  openLane(fastify.server, lane);
  return app;
}

/** What holds for every request, through whichever Fastify it comes. */
function applyRules(
  fastify: FastifyInstance,
  { metrics, receiver, refusedRequests }: UseCases,
  clients: ClientAddresses,
  isTls: boolean,
): void {
  const safe = safeHeaders(isTls);
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
  acceptJson(fastify, parseJson);
  fastify.addHook('onRequest', (request, _reply, done) => done(strangeHead(request.raw) ?? undefined));
  fastify.addHook('onSend', (request, reply, payload, done) => {
    reply.header('x-request-id', request.id);
    for (const [name, value] of safe) if (!reply.hasHeader(name)) reply.header(name, value);
    if (receiver.isDraining) reply.header('connection', 'close');
    const { quota } = request as RecognisedRequest;
    if (quota) reply.headers(rateLimitHeaders(quota));
    const audited = reply.statusCode < 400 ? null : refusedRequests.add(request, problemCodeOf(reply));
    if (!audited) return done(null, payload);
    void audited.then(() => done(null, payload));
  });
  fastify.addHook('onResponse', (_request, reply, done) => {
    metrics.answered(reply.statusCode, problemCodeOf(reply));
    done();
  });
}

/** As nearly every agent writes it; any other spelling takes the way of all calls. */
const HEARTBEATS = /^\/v1\/process-servers\/[^/?#]+\/heartbeats$/;

/** Lets heartbeats past the hooks and middleware that Nest puts before every route: nine of ten requests are theirs. */
function openLane(server: Server, lane: FastifyInstance): void {
  const [through] = server.listeners('request') as ((request: IncomingMessage, response: ServerResponse) => void)[];
  if (!through) throw new Error('the HTTP server has no request listener');
  server.removeListener('request', through);
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    noteAsked(request.socket);
    pipelineOf(request.socket)?.begin(response);
    if (request.method === 'POST' && HEARTBEATS.test(request.url ?? '')) lane.routing(request, response);
    else through(request, response);
  });
}

import type { IncomingMessage } from 'node:http';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { LogController } from 'fastify';
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify';
import type { AppOptions } from '../site/app-options.js';
import { respondToClientError } from './client-error-handler.js';
import { connectionState } from './connection-state.js';
import { KEEP_ALIVE_MS, REQUEST_TIMEOUT_MS, type HttpServer } from './http-server.js';
import { securityHeaders } from './security-headers.js';
import { SlicedResponse } from './sliced-response.js';
import { TLS_OPTIONS } from './tls-certificate.js';

/** Larger than any valid body. */
const MAX_BODY_BYTES = 64 * 1024;
/** Node checks for request timeouts this many times within one timeout. */
const TIMEOUT_CHECKS_PER_PERIOD = 4;
/** An inactive connection is closed this long after a request timeout: no call takes as long before its first byte, so the client does not read. */
const IDLE_SOCKET_TIMEOUT_MS = 20_000;

/** Creates Nest's adapter with the HTTP server; `http` is called after the modules have been created. */
export function createHttpAdapter(
  { settings, logger, requestTimeoutMs = REQUEST_TIMEOUT_MS }: AppOptions,
  http: () => HttpServer,
  sendProblem: (error: Error, request: FastifyRequest, reply: FastifyReply) => void,
): FastifyAdapter {
  const { tls } = settings.http;
  // Node swaps the two limits if the header limit (default 60 s) is the longer one; a body then has 60 s.
  const server = {
    headersTimeout: requestTimeoutMs,
    connectionsCheckingInterval: requestTimeoutMs / TIMEOUT_CHECKS_PER_PERIOD,
    ServerResponse: SlicedResponse,
    requireHostHeader: false, // Node would send no body; `findHeaderProblem` sends a problem
  };
  return new FastifyAdapter({
    loggerInstance: logger as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    childLoggerFactory: (parent: FastifyBaseLogger) => parent, // no logger for each request: log lines of problems have the request id
    return503OnClosing: false, // requests during shutdown get a normal response or a problem
    genReqId: (request: unknown) => connectionState((request as IncomingMessage).socket).nextRequestId(),
    bodyLimit: MAX_BODY_BYTES,
    // No hook runs for these: the target cannot be decoded, or is too long for the router.
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      reply.headers(Object.fromEntries(securityHeaders(tls !== null)));
      sendProblem(error, request, reply);
      http().recordResponse(request, reply);
    },
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
      respondToClientError(error.code, socket, http().statistics);
    },
  });
}

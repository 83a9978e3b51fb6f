import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { pipelineOf } from './request-pipeline.js';
import { PROBLEM_MEDIA_TYPE, toProblem } from '../problems/problem-details.js';
import { securityHeaders } from './security-headers.js';
import { RequestProblem } from '../problems/request-problem.js';

const PROBLEM_BY_PARSER_ERROR: Record<string, 'headers_too_large' | 'request_timeout'> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

/** Where answers are counted. */
export interface ResponseCounter {
  recordResponse(status: number, code: string): void;
}

/** How long the other end may take to read the answer and to hang up. */
const LINGER_MS = 5_000;

/** Connections whose broken request waits until those before it are answered; what follows it is not looked at. */
const deferredErrors = new WeakSet<Socket>();
/** The last request of a connection that was answered before its body was there: until it is, what is broken is that body, and has its answer. */
const earlyResponses = new WeakMap<Socket, IncomingMessage>();

/** To be told when a request is refused: its body may be on its way still. */
export function markRespondedEarly(request: IncomingMessage): void {
  if (!request.complete) earlyResponses.set(request.socket, request);
}

/** Whether what it asked was refused before all of it was there: nothing is owed to it. */
export const hasEarlyResponse = (socket: Socket): boolean => earlyResponses.get(socket)?.complete === false;

/** The request could not even be parsed as HTTP, so there is no route and no reply object; `counts` learns of the answer. */
export function respondToClientError(code: string | undefined, socket: Socket, counter: ResponseCounter): void {
  const currentResponse = pipelineOf(socket)?.current;
  if (!socket.writable || code === 'ECONNRESET' || hasEarlyResponse(socket)) {
    socket.destroySoon();
    return;
  }
  if (currentResponse?.req.complete) {
    if (!deferredErrors.has(socket))
      currentResponse.once('close', () => deferredErrors.delete(socket) && respondToClientError(code, socket, counter));
    deferredErrors.add(socket);
    return;
  }
  const lingerTimer = setTimeout(() => socket.destroy(), LINGER_MS).unref(); // nobody else ends it: Node reads and times it no more
  socket.once('close', () => clearTimeout(lingerTimer));
  const requestId = randomUUID();
  const problem = toProblem(
    new RequestProblem(PROBLEM_BY_PARSER_ERROR[code ?? ''] ?? 'malformed_request'),
    requestId,
    false,
  );
  counter.recordResponse(problem.status, problem.code);
  const body = JSON.stringify(problem);
  socket.end(
    [
      `HTTP/1.1 ${problem.status} ${problem.title}`,
      `content-type: ${PROBLEM_MEDIA_TYPE}`,
      `content-length: ${Buffer.byteLength(body)}`,
      `x-request-id: ${requestId}`,
      ...securityHeaders(socket instanceof TLSSocket).map(([name, value]) => `${name}: ${value}`),
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}

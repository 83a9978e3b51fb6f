import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { pipelineOf } from '../edge/request-pipeline.js';
import { PROBLEM_TYPE, problemOf } from './problem-of.js';
import { safeHeaders } from './safe-headers.js';
import { RequestProblem } from './request-problem.js';

const CODE_OF_BROKEN_REQUEST: Record<string, 'headers_too_large' | 'request_timeout'> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

/** Where answers are counted. */
export interface AnswerCounts {
  answered(status: number, code: string): void;
}

/** How long the other end may take to read the answer and to hang up. */
const LINGER_MS = 5_000;

/** Connections whose broken request waits until those before it are answered; what follows it is not looked at. */
const waiting = new WeakSet<Socket>();
/** The last request of a connection that was answered before its body was there: until it is, what is broken is that body, and has its answer. */
const answeredEarly = new WeakMap<Socket, IncomingMessage>();

/** To be told when a request is refused: its body may be on its way still. */
export function noteRefusal(request: IncomingMessage): void {
  if (!request.complete) answeredEarly.set(request.socket, request);
}

/** Whether what it asked was refused before all of it was there: nothing is owed to it. */
export const wasAnsweredEarly = (socket: Socket): boolean => answeredEarly.get(socket)?.complete === false;

/** The request could not even be parsed as HTTP, so there is no route and no reply object; `counts` learns of the answer. */
export function answerBrokenRequest(code: string | undefined, socket: Socket, counts: AnswerCounts): void {
  const underWay = pipelineOf(socket)?.current;
  if (!socket.writable || code === 'ECONNRESET' || wasAnsweredEarly(socket)) {
    socket.destroySoon();
    return;
  }
  if (underWay?.req.complete) {
    if (!waiting.has(socket))
      underWay.once('close', () => waiting.delete(socket) && answerBrokenRequest(code, socket, counts));
    waiting.add(socket);
    return;
  }
  const ending = setTimeout(() => socket.destroy(), LINGER_MS).unref(); // nobody else ends it: Node reads and times it no more
  socket.once('close', () => clearTimeout(ending));
  const requestId = randomUUID();
  const problem = problemOf(
    new RequestProblem(CODE_OF_BROKEN_REQUEST[code ?? ''] ?? 'malformed_request'),
    requestId,
    false,
  );
  counts.answered(problem.status, problem.code);
  const body = JSON.stringify(problem);
  socket.end(
    [
      `HTTP/1.1 ${problem.status} ${problem.title}`,
      `content-type: ${PROBLEM_TYPE}`,
      `content-length: ${Buffer.byteLength(body)}`,
      `x-request-id: ${requestId}`,
      ...safeHeaders(socket instanceof TLSSocket).map(([name, value]) => `${name}: ${value}`),
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}

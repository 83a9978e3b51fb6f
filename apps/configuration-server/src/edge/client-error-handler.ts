import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { connectionState } from './connection-state.js';
import { PROBLEM_MEDIA_TYPE, toProblem } from '../problems/problem-details.js';
import { securityHeaders } from './security-headers.js';
import { RequestProblem } from '../problems/request-problem.js';

const PROBLEM_BY_PARSER_ERROR: Record<string, 'headers_too_large' | 'request_timeout'> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

/** Counts responses. */
export interface ResponseCounter {
  recordResponse(status: number, code: string): void;
}

/** Time for the client to read the response and close the connection. */
const LINGER_MS = 5_000;

/** Responds to bytes that are not valid HTTP: there is no route and no reply object. `counts` records the response. */
export function respondToClientError(code: string | undefined, socket: Socket, counter: ResponseCounter): void {
  const state = connectionState(socket);
  const currentResponse = state.pipeline?.current;
  if (!socket.writable || code === 'ECONNRESET' || state.hasEarlyResponse) {
    socket.destroySoon();
    return;
  }
  if (currentResponse?.req.complete) {
    if (state.isErrorDeferred) return;
    state.isErrorDeferred = true;
    currentResponse.once('close', () => {
      state.isErrorDeferred = false;
      respondToClientError(code, socket, counter);
    });
    return;
  }
  const lingerTimer = setTimeout(() => socket.destroy(), LINGER_MS).unref(); // Node no longer reads this socket or applies its timeouts
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

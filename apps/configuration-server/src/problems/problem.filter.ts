import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { FleetError, Randomness } from '@app/fleet';
import type { ProblemResponse } from '@app/wire';
import { asksAsProcessServer, type Permission, type RecognisedRequest } from '../access/caller.js';
import { exceededQuota } from '../access/rate-limit.js';
import { noteRefusal } from './broken-request.js';
import { isAboutHead, PROBLEM_TYPE, problemOf, retryAfterSeconds } from './problem-of.js';

/** The code of each problem that is being answered, for the metrics. */
const problemCodes = new WeakMap<FastifyReply['raw'], ProblemResponse['code']>();

/** The problem code that a reply was sent with; `none` when it is no problem. */
export const problemCodeOf = ({ raw }: Pick<FastifyReply, 'raw'>): string => problemCodes.get(raw) ?? 'none';

/**
 * Whatever goes wrong leaves as application/problem+json. Where Fastify refuses a body before the guard has run, the caller is
 * recognised first: one that may not call is told nothing about its body.
 */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly randomness: Randomness,
    private readonly recognise: (request: RecognisedRequest, permission: Permission) => Promise<unknown>,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<RecognisedRequest>();
    const send = (problem: unknown): void =>
      sendProblem(problem, request, http.getResponse<FastifyReply>(), this.randomness);
    const { permission, statedPermission } = request;
    if (permission !== undefined || statedPermission === undefined || isAboutHead(error)) return send(error);
    void this.recognise(request, statedPermission).then(() => send(error), send);
  }
}

export function sendProblem(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  randomness: Randomness,
): void {
  const problem = problemOf(error, request.id, asksAsProcessServer(request));
  if (problem.code === 'internal_error') request.log.error({ err: error, requestId: request.id }, 'request failed');
  const quota = error instanceof FleetError ? exceededQuota(error.fault) : null;
  if (quota) (request as RecognisedRequest).quota = quota;
  const retryAfter = retryAfterSeconds(error, problem, randomness.fraction());
  // Not before the quota is there again.
  if (retryAfter !== null)
    reply.header(
      'retry-after',
      Math.max(retryAfter, (problem.status === 429 && (request as RecognisedRequest).quota?.resetSeconds) || 0),
    );
  if (problem.status === 401)
    reply.header(
      'www-authenticate',
      (request as RecognisedRequest).permission === 'passphrase' ? 'Passphrase' : 'Bearer',
    );
  problemCodes.set(reply.raw, problem.code);
  noteRefusal(request.raw);
  reply.header('x-request-id', problem.requestId); // hooks do not run for a request without a route
  void reply.status(problem.status).header('content-type', PROBLEM_TYPE).send(JSON.stringify(problem));
}

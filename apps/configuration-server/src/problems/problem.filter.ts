import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { FleetError, Randomness } from '@app/fleet';
import type { ProblemResponse } from '@app/wire';
import { asksAsProcessServer, type RecognisedRequest } from '../access/caller.js';
import { exceededQuota } from '../access/rate-limit.js';
import { noteRefusal } from './broken-request.js';
import { PROBLEM_TYPE, problemOf, retryAfterSeconds } from './problem-of.js';

/** The code of each problem that is being answered, for the metrics. */
const problemCodes = new WeakMap<FastifyReply['raw'], ProblemResponse['code']>();

/** The problem code that a reply was sent with; `none` when it is no problem. */
export const problemCodeOf = ({ raw }: Pick<FastifyReply, 'raw'>): string => problemCodes.get(raw) ?? 'none';

/** Whatever goes wrong leaves as application/problem+json. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(private readonly randomness: Randomness) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    sendProblem(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>(), this.randomness);
  }
}

export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply, randomness: Randomness): void {
  const problem = problemOf(error, request.id, asksAsProcessServer(request));
  if (problem.code === 'internal_error') request.log.error({ err: error, requestId: request.id }, 'request failed');
  const retryAfter = retryAfterSeconds(error, problem, randomness.fraction());
  if (retryAfter !== null) reply.header('retry-after', retryAfter);
  const quota = error instanceof FleetError ? exceededQuota(error.fault) : null;
  if (quota) (request as RecognisedRequest).quota = quota;
  if (problem.status === 401) reply.header('www-authenticate', (request as RecognisedRequest).permission === 'passphrase' ? 'Passphrase' : 'Bearer');
  problemCodes.set(reply.raw, problem.code);
  noteRefusal(request.raw);
  reply.header('x-request-id', problem.requestId); // hooks do not run for a request without a route
  void reply.status(problem.status).header('content-type', PROBLEM_TYPE).send(JSON.stringify(problem));
}

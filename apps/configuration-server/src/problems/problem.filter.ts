import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Randomness } from '@app/fleet';
import { problemOf, retryAfterSeconds } from './problem-of.js';

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
  const problem = problemOf(error, request.id);
  if (problem.code === 'internal_error') request.log.error({ err: error, requestId: request.id }, 'request failed');
  const retryAfter = retryAfterSeconds(problem, randomness.fraction());
  if (retryAfter !== null) reply.header('retry-after', retryAfter);
  if (problem.status === 401) reply.header('www-authenticate', problem.code === 'passphrase_rejected' ? 'Passphrase' : 'Bearer');
  void reply.status(problem.status).type('application/problem+json').send(JSON.stringify(problem));
}

import type { FastifyInstance, FastifyReply } from 'fastify';
import { compiledCheck, HeartbeatRequest } from '@app/wire';
import { hostIdPipe } from '../access/uuid.pipe.js';
import { recognised, type RecognisedRequest } from '../access/caller.js';
import type { UseCases } from '../app.module.js';
import { sendProblem } from '../problems/problem.filter.js';
import { RequestProblem } from '../problems/request-problem.js';
import { validationPipe } from '../problems/validation.pipe.js';
import { HeartbeatsController } from './heartbeats.controller.js';

/**
 * The one route on Fastify itself: nine of ten calls of a fleet are heartbeats, and Nest's pipeline would cost more than
 * the commit. It asks in the same order as the others: host id, credential, query, body. What the compiled check does not
 * let pass goes to the same pipe as the other bodies, which names the fault.
 */
export function serveHeartbeats(fastify: FastifyInstance, { callers, receiver, clock, randomness }: UseCases): void {
  const controller = new HeartbeatsController(receiver, clock);
  const isHeartbeat = compiledCheck(HeartbeatRequest);
  const pipe = validationPipe();

  const judged = async (body: unknown): Promise<HeartbeatRequest> => pipe.transform(body, { type: 'body', metatype: HeartbeatRequest }) as Promise<HeartbeatRequest>;

  fastify.post('/v1/process-servers/:hostId/heartbeats', (request: RecognisedRequest, reply: FastifyReply): void => {
    const answer = (body: HeartbeatRequest): Promise<unknown> => controller.heartbeat(hostId, body, recognised(request));
    const sent = (response: unknown): void => void reply.send(response);
    const refused = (error: unknown): void => sendProblem(error, request, reply, randomness);
    let hostId = '';
    try {
      hostId = hostIdPipe.transform((request.params as { hostId: string }).hostId);
      request.caller = callers.processServer(request.headers, hostId);
      refuseAnyQuery(request);
      const { body } = request;
      if (isHeartbeat(body)) answer(body as HeartbeatRequest).then(sent, refused);
      else judged(body).then(answer).then(sent, refused);
    } catch (error) {
      refused(error);
    }
  });
}

function refuseAnyQuery({ query }: RecognisedRequest): void {
  for (const name in query as object) throw RequestProblem.unknownField(name);
}

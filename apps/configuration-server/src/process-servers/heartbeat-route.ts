import type { FastifyInstance, FastifyReply } from 'fastify';
import { compiledCheck, HeartbeatRequest, type HeartbeatResponse } from '@app/wire';
import { hostIdPipe } from '../access/uuid.pipe.js';
import { recognised, type RecognisedRequest } from '../access/caller.js';
import type { UseCases } from '../app.module.js';
import { sendProblem } from '../problems/problem.filter.js';
import { RequestProblem } from '../problems/request-problem.js';
import { validationPipe } from '../problems/validation.pipe.js';
import { textOf } from './heartbeat.mapping.js';
import { HeartbeatsController } from './heartbeats.controller.js';
import { refusalOf } from './plain-lane.js';

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
    const answer = (body: HeartbeatRequest): Promise<HeartbeatResponse> => controller.heartbeat(hostId, body, recognised(request));
    const sent = (response: HeartbeatResponse): void => sendAccepted(request, reply, textOf(response), receiver.isDraining);
    const refused = (error: unknown): void => sendProblem(error, request, reply, randomness);
    let hostId = '';
    const refusal = refusalOf(request.raw);
    if (refusal) return refused(refusal.error);
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

/** What `reply.send` and the hooks of every answer would make of it, in one step. */
function sendAccepted({ id }: RecognisedRequest, reply: FastifyReply, text: string, isDraining: boolean): void {
  reply.hijack();
  const headers = ['content-type', 'application/json; charset=utf-8', 'content-length', String(text.length), 'x-request-id', id, 'x-content-type-options', 'nosniff', 'cache-control', 'no-store'];
  if (isDraining) headers.push('connection', 'close');
  reply.raw.writeHead(200, headers);
  reply.raw.end(text);
}

function refuseAnyQuery({ query }: RecognisedRequest): void {
  for (const name in query as object) throw RequestProblem.unknownField(name);
}

import type { FastifyInstance, FastifyReply } from 'fastify';
import { FleetError } from '@app/fleet';
import { compiledCheck, HeartbeatRequest, lenientReader, type HeartbeatResponse, type Reading } from '@app/wire';
import { hostIdPipe } from '../access/uuid.pipe.js';
import { recognised, type ProcessServerCaller, type RecognisedRequest } from '../access/caller.js';
import type { UseCases } from '../app.module.js';
import { acceptJson, parseAnyJson } from '../problems/json-body.js';
import { isAboutHead } from '../problems/problem-of.js';
import { sendProblem } from '../problems/problem.filter.js';
import { RequestProblem } from '../problems/request-problem.js';
import { textOf } from './heartbeat.mapping.js';
import { HeartbeatsController } from './heartbeats.controller.js';
import { refusalOf } from './plain-lane.js';

type UsedHere = Pick<UseCases, 'callers' | 'receiver' | 'clock' | 'randomness' | 'refusedHeartbeats'>;

/**
 * The one route on Fastify itself: nine of ten calls of a fleet are heartbeats, and Nest's pipeline would cost more than
 * the commit. It asks in the same order as the others: host id, credential, query, body. What the compiled check does not
 * let pass is read member by member: a member that cannot be used is no reason to refuse a heartbeat.
 */
export async function serveHeartbeats(
  fastify: FastifyInstance,
  { callers, receiver, clock, randomness, refusedHeartbeats }: UsedHere,
): Promise<void> {
  const controller = new HeartbeatsController(receiver, clock);
  const isHeartbeat = compiledCheck(HeartbeatRequest);
  const read = lenientReader(HeartbeatRequest);

  const senderOf = (request: RecognisedRequest): ProcessServerCaller =>
    callers.processServer(request.headers, hostIdPipe.transform((request.params as { hostId: string }).hostId));

  /** Also for what Fastify itself refuses, before the route is asked. */
  const refuse = (error: unknown, request: RecognisedRequest, reply: FastifyReply): void => {
    const send = (): void => sendProblem(error, request, reply, randomness);
    if (!request.caller && error instanceof FleetError) return send(); // the credential itself was refused
    try {
      request.caller ??= senderOf(request);
    } catch (denied) {
      if (isAboutHead(error)) return send();
      return sendProblem(denied, request, reply, randomness); // an unknown sender is told nothing about its body
    }
    void refusedHeartbeats.note(error, request.caller as ProcessServerCaller, recognised(request).actor).then(send);
  };

  await fastify.register((scope, _options, done) => {
    acceptJson(scope, parseAnyJson);
    scope.setErrorHandler(refuse);
    scope.post('/v1/process-servers/:hostId/heartbeats', (request: RecognisedRequest, reply: FastifyReply): void => {
      const sent = (response: HeartbeatResponse): void =>
        sendAccepted(request, reply, textOf(response), receiver.isDraining);
      const refused = (error: unknown): void => sendProblem(error, request, reply, randomness);
      const refusal = refusalOf(request.raw);
      try {
        if (refusal) request.caller = senderOf(request);
        if (refusal) return refused(refusal.error);
        const { hostId } = (request.caller = senderOf(request));
        refuseAnyQuery(request);
        const { body } = request;
        const reading = isHeartbeat(body) ? null : mustBeUsable(read(body));
        controller
          .heartbeat(hostId, reading?.usable ?? (body as HeartbeatRequest), recognised(request), reading)
          .then(sent, refused);
      } catch (error) {
        refuse(error, request, reply);
      }
    });
    done();
  });
}

/** @throws RequestProblem `validation_failed` for a body that is no object or names no usable generation. */
function mustBeUsable(reading: Reading<HeartbeatRequest> | null): Reading<HeartbeatRequest> {
  if (!reading) throw RequestProblem.field('body', 'the body must be a JSON object');
  if (reading.faults.length > 0) throw RequestProblem.fields(reading.faults);
  return reading;
}

/** What `reply.send` and the hooks of every answer would make of it, in one step. */
function sendAccepted({ id }: RecognisedRequest, reply: FastifyReply, text: string, isDraining: boolean): void {
  reply.hijack();
  const length = String(Buffer.byteLength(text)); // names of ignored members may be in any script
  const headers = [
    'content-type',
    'application/json; charset=utf-8',
    'content-length',
    length,
    'x-request-id',
    id,
    'x-content-type-options',
    'nosniff',
    'cache-control',
    'no-store',
  ];
  if (isDraining) headers.push('connection', 'close');
  reply.raw.writeHead(200, headers);
  reply.raw.end(text);
}

function refuseAnyQuery({ query }: RecognisedRequest): void {
  for (const name in query as object) throw RequestProblem.unknownField(name);
}

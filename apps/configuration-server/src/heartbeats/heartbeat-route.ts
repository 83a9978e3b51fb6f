import type { FastifyInstance, FastifyReply } from 'fastify';
import { FleetError } from '@app/fleet';
import {
  compileValidator,
  HeartbeatRequest,
  lenientReader,
  type HeartbeatResponse,
  type Reading,
} from '@app/api-contract';
import { hostIdPipe } from '../access/uuid.pipe.js';
import { getPrincipal, type ProcessServerPrincipal, type AuthenticatedRequest } from '../access/principal.js';
import type { AppServices } from '../app.module.js';
import { registerJsonParser, parseAnyJson } from '../problems/json-body.js';
import { isHeaderProblem } from '../problems/problem-details.js';
import { sendProblem } from '../access/problem.filter.js';
import { RequestProblem } from '../problems/request-problem.js';
import { serializeHeartbeatResponse } from './heartbeat.mapper.js';
import { HeartbeatsController } from './heartbeats.controller.js';
import { priorVerdictOf } from './fast-path/heartbeat-fast-path.js';

type HeartbeatRouteServices = Pick<
  AppServices,
  'authenticator' | 'receiver' | 'clock' | 'randomness' | 'rejectedHeartbeats'
>;

/**
 * The one route on Fastify itself: nine of ten calls of a fleet are heartbeats, and Nest's pipeline would cost more than
 * the commit. It asks in the same order as the others: host id, credential, query, body. What the compiled check does not
 * let pass is read member by member: a member that cannot be used is no reason to refuse a heartbeat.
 */
export async function registerHeartbeatRoute(
  fastify: FastifyInstance,
  { authenticator, receiver, clock, randomness, rejectedHeartbeats }: HeartbeatRouteServices,
): Promise<void> {
  const controller = new HeartbeatsController(receiver, clock);
  const isHeartbeat = compileValidator(HeartbeatRequest);
  const read = lenientReader(HeartbeatRequest);

  const authenticateSender = (request: AuthenticatedRequest): ProcessServerPrincipal =>
    authenticator.authenticateProcessServer(
      request.headers,
      hostIdPipe.transform((request.params as { hostId: string }).hostId),
    );

  /** Also for what Fastify itself refuses, before the route is asked. */
  const reject = (error: unknown, request: AuthenticatedRequest, reply: FastifyReply): void => {
    const send = (): void => sendProblem(error, request, reply, randomness);
    if (!request.principal && error instanceof FleetError) return send(); // the credential itself was refused
    try {
      request.principal ??= authenticateSender(request);
    } catch (denied) {
      if (isHeaderProblem(error)) return send();
      return sendProblem(denied, request, reply, randomness); // an unknown sender is told nothing about its body
    }
    void rejectedHeartbeats
      .record(error, request.principal as ProcessServerPrincipal, getPrincipal(request).actor)
      .then(send);
  };

  await fastify.register((scope, _options, done) => {
    registerJsonParser(scope, parseAnyJson);
    scope.setErrorHandler(reject);
    scope.post('/v1/process-servers/:hostId/heartbeats', (request: AuthenticatedRequest, reply: FastifyReply): void => {
      const onAccepted = (response: HeartbeatResponse): void =>
        sendAcceptedResponse(request, reply, serializeHeartbeatResponse(response), receiver.isDraining);
      const onRejected = (error: unknown): void => sendProblem(error, request, reply, randomness);
      const priorVerdict = priorVerdictOf(request.raw);
      try {
        if (priorVerdict) request.principal = authenticateSender(request);
        if (priorVerdict) return onRejected(priorVerdict.error);
        const { hostId } = (request.principal = authenticateSender(request));
        rejectQueryParameters(request);
        const { body } = request;
        const reading = isHeartbeat(body) ? null : assertUsable(read(body));
        controller
          .heartbeat(hostId, reading?.usable ?? (body as HeartbeatRequest), getPrincipal(request), reading)
          .then(onAccepted, onRejected);
      } catch (error) {
        reject(error, request, reply);
      }
    });
    done();
  });
}

/** @throws RequestProblem `validation_failed` for a body that is no object or names no usable generation. */
function assertUsable(reading: Reading<HeartbeatRequest> | null): Reading<HeartbeatRequest> {
  if (!reading) throw RequestProblem.field('body', 'the body must be a JSON object');
  if (reading.errors.length > 0) throw RequestProblem.fields(reading.errors);
  return reading;
}

/** What `reply.send` and the hooks of every answer would make of it, in one step. */
function sendAcceptedResponse(
  { id }: AuthenticatedRequest,
  reply: FastifyReply,
  text: string,
  isDraining: boolean,
): void {
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

function rejectQueryParameters({ query }: AuthenticatedRequest): void {
  for (const name in query as object) throw RequestProblem.unknownField(name);
}

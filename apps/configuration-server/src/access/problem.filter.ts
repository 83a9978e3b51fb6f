import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { FleetError, Randomness } from '@app/fleet';
import type { AuthGuard } from './auth.guard.js';
import { isProcessServerCall, getPrincipal, type AuthenticatedRequest, type Permission } from './principal.js';
import { exceededQuota } from './rate-limit.js';
import { connectionState } from '../edge/connection-state.js';
import type { RejectedHeartbeatRecorder } from './rejected-heartbeat-recorder.js';
import { isHeaderProblem, PROBLEM_MEDIA_TYPE, toProblem, retryAfterSeconds } from '../problems/problem-details.js';

/**
 * Sends every error as application/problem+json. If Fastify rejects a body before the guard has run, the caller is authenticated
 * first, so an unauthorised caller learns nothing about its body. A rejected heartbeat of an authenticated sender is recorded.
 */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly randomness: Randomness,
    private readonly guard: AuthGuard,
    private readonly rejectedHeartbeats: RejectedHeartbeatRecorder,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<AuthenticatedRequest>();
    const send = (problem: unknown): void =>
      sendProblem(problem, request, http.getResponse<FastifyReply>(), this.randomness);
    const { permission, statedPermission } = request;
    if (statedPermission === 'process_server') return void this.rejectHeartbeat(error, request, send);
    if (permission !== undefined || statedPermission === undefined || isHeaderProblem(error)) return send(error);
    void this.guard.authenticate(request, statedPermission).then(() => send(error), send);
  }

  private async rejectHeartbeat(
    error: unknown,
    request: AuthenticatedRequest,
    send: (problem: unknown) => void,
  ): Promise<void> {
    try {
      if (request.permission === undefined)
        request.principal = await this.guard.authenticate(request, 'process_server');
    } catch (denied) {
      return send(isHeaderProblem(error) ? error : denied);
    }
    const { principal: caller, isRejectionRecorded = false } = request;
    if (caller?.kind === 'process_server' && !isRejectionRecorded)
      await this.rejectedHeartbeats.record(error, caller, getPrincipal(request).actor);
    send(error);
  }
}

/** Of permissions with another challenge than `Bearer`. */
const CHALLENGES: Partial<Record<Permission, string>> = {
  passphrase: 'Passphrase, Enrolment',
  preflight: 'Passphrase, Enrolment',
  passphrase_or_reader: 'Passphrase, Enrolment, Bearer',
};

export function sendProblem(
  error: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
  randomness: Randomness,
): void {
  const problem = toProblem(error, request.id, isProcessServerCall(request));
  if (problem.code === 'internal_error') request.log.error({ err: error, requestId: request.id }, 'request failed');
  const quota = error instanceof FleetError ? exceededQuota(error.details) : null;
  if (quota) (request as AuthenticatedRequest).quota = quota;
  const retryAfter = retryAfterSeconds(error, problem, randomness.random());
  // A retry before the quota is reset would be rejected again.
  if (retryAfter !== null)
    reply.header(
      'retry-after',
      Math.max(retryAfter, (problem.status === 429 && (request as AuthenticatedRequest).quota?.resetSeconds) || 0),
    );
  if (problem.status === 401)
    reply.header('www-authenticate', CHALLENGES[(request as AuthenticatedRequest).permission ?? 'anyone'] ?? 'Bearer');
  reply.problemCode = problem.code;
  connectionState(request.raw.socket).markRejected(request.raw);
  reply.header('x-request-id', problem.requestId); // hooks do not run for a request without a route
  void reply.status(problem.status).header('content-type', PROBLEM_MEDIA_TYPE).send(JSON.stringify(problem));
}

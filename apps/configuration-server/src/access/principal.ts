import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { operatorName, type Actor, type Enrolment, type Role } from '@app/fleet';
import { API_KEY_PREFIX } from '@app/platform';
import type { CallDeadline } from './call-deadline.js';
import type { Quota } from './rate-limit.js';

/** Required role of a caller. `passphrase` includes enrolments, and `preflight` also those that have ended. `reader` includes operators and admins, `operator` includes admins. `anyone` has no rate limit: for health checks. */
export type Permission =
  | 'anyone'
  | 'passphrase'
  | 'preflight'
  | 'passphrase_or_reader'
  | 'process_server'
  | 'process_server_or_operator'
  | 'reader'
  | 'operator'
  | 'admin'
  | 'metrics';

/** The authenticated caller. */
export type Principal =
  | { readonly kind: 'anyone' }
  | { readonly kind: 'passphrase'; readonly passphraseId: string; readonly retiresAt: Date | null }
  | { readonly kind: 'enrolment'; readonly enrolment: Enrolment }
  | ProcessServerPrincipal
  | { readonly kind: 'api_key'; readonly name: string; readonly role: Role };

export interface ProcessServerPrincipal {
  readonly kind: 'process_server';
  readonly hostId: string;
  readonly generation: number;
  readonly credentialHash: string;
}

/** Identity that a rejected caller presented. */
export interface PresentedIdentity {
  readonly keyId?: string;
  readonly keyName?: string;
  /** The first characters of a well-formed API key. */
  readonly keyPrefix?: string;
  /** The enrolment of a genuine token. */
  readonly enrolmentId?: string;
}

export type AuthenticatedRequest = FastifyRequest & {
  principal?: Principal;
  /** Set for a rejected caller. */
  presented?: PresentedIdentity;
  permission?: Permission;
  /** Set for a rate-limited caller. */
  quota?: Quota;
  /** Deadline of the response. */
  deadline?: CallDeadline;
  /** For a heartbeat: the transaction that rejects it records the event. */
  isRejectionRecorded?: boolean;
};

/** The caller of a route, and the actor of its events. */
export interface AuthenticatedCall {
  readonly principal: Principal;
  readonly actor: Actor;
}

/** Only process servers get an instruction. Where operators are allowed as well, an API key marks an operator. */
export function isProcessServerCall({
  permission = 'process_server',
  headers,
}: Pick<AuthenticatedRequest, 'permission' | 'headers'>): boolean {
  if (permission === 'process_server_or_operator') return !headers.authorization?.includes(` ${API_KEY_PREFIX}`);
  return permission === 'process_server' || permission === 'passphrase' || permission === 'preflight';
}

export function getPrincipal(request: AuthenticatedRequest): AuthenticatedCall {
  const principal = request.principal ?? { kind: 'anyone' };
  const name = principal.kind === 'api_key' ? operatorName(principal.name) : 'process-server';
  return { principal, actor: { name, address: request.clientAddress, requestId: request.id } };
}

/** Parameter of a controller method: the caller. */
export const CurrentPrincipal = createParamDecorator((_: unknown, context: ExecutionContext) =>
  getPrincipal(context.switchToHttp().getRequest<AuthenticatedRequest>()),
);

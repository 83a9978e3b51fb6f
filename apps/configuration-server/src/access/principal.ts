import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { operatorName, type Actor, type Role } from '@app/fleet';
import { API_KEY_PREFIX } from '@app/platform';
import type { CallDeadline } from './call-deadline.js';
import type { Quota } from './rate-limit.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** The address of the client, canonical; behind trusted proxies not that of the connection. */
    readonly clientAddress: string;
    /** What the route of the request states; undefined where it states none. */
    readonly statedPermission: Permission | undefined;
  }
}

/** What a caller must be. `reader` includes operators and admins, `operator` includes admins. `anyone` is not limited either: for health checks. */
export type Permission =
  | 'anyone'
  | 'passphrase'
  | 'process_server'
  | 'process_server_or_operator'
  | 'reader'
  | 'operator'
  | 'admin'
  | 'metrics';

/** Who is calling, as recognised at the door. */
export type Principal =
  | { readonly kind: 'anyone' }
  | { readonly kind: 'passphrase'; readonly passphraseId: string }
  | ProcessServerPrincipal
  | { readonly kind: 'api_key'; readonly name: string; readonly role: Role };

export interface ProcessServerPrincipal {
  readonly kind: 'process_server';
  readonly hostId: string;
  readonly generation: number;
  readonly credentialHash: string;
}

/** What a refused caller is known by. */
export interface PresentedIdentity {
  readonly keyId?: string;
  readonly keyName?: string;
  /** The first characters of what has the form of an API key. */
  readonly keyPrefix?: string;
}

export type AuthenticatedRequest = FastifyRequest & {
  principal?: Principal;
  /** Of a caller that may not. */
  presented?: PresentedIdentity;
  permission?: Permission;
  /** Of a caller that is limited. */
  quota?: Quota;
  /** When it is answered at the latest. */
  deadline?: CallDeadline;
  /** Of a heartbeat: the transaction that rejects it writes the event. */
  isRejectionRecorded?: boolean;
};

/** The caller of a route, and the name under which its events are written. */
export interface AuthenticatedCall {
  readonly principal: Principal;
  readonly actor: Actor;
}

/** Whether it is a process server that asks: it alone is told what to do next. Where an operator may ask as well, an API key tells. */
export function isProcessServerCall({
  permission = 'process_server',
  headers,
}: Pick<AuthenticatedRequest, 'permission' | 'headers'>): boolean {
  if (permission === 'process_server_or_operator') return !headers.authorization?.includes(` ${API_KEY_PREFIX}`);
  return permission === 'process_server' || permission === 'passphrase';
}

export function getPrincipal(request: AuthenticatedRequest): AuthenticatedCall {
  const principal = request.principal ?? { kind: 'anyone' };
  const name = principal.kind === 'api_key' ? operatorName(principal.name) : 'process-server';
  return { principal, actor: { name, address: request.clientAddress, requestId: request.id } };
}

/** Parameter of a controller method: who is calling. */
export const CurrentPrincipal = createParamDecorator((_: unknown, context: ExecutionContext) =>
  getPrincipal(context.switchToHttp().getRequest<AuthenticatedRequest>()),
);

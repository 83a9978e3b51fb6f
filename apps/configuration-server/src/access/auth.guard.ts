import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import { isReservedPropertyName } from '../problems/json-shape.js';
import { RequestProblem } from '../problems/request-problem.js';
import { permissionOf } from './endpoint.decorator.js';
import { CallDeadline } from './call-deadline.js';
import type { Principal, Permission, AuthenticatedRequest } from './principal.js';
import { type Authenticator } from './authenticator.js';
import { hostIdPipe } from './uuid.pipe.js';

/** Lets a request through to its route when its caller may. A path that names no host id is told so first. */
export class AuthGuard implements CanActivate {
  constructor(
    private readonly authenticator: Authenticator,
    private readonly responseTimeoutMs: number,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const permission = permissionOf(context.getHandler());
    if (!permission) throw new Error(`route ${context.getHandler().name} states no permission`);
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    request.principal = await authenticateWithin(this.responseTimeoutMs, this.authenticator, request, permission);
    const problem =
      findUnknownQueryParameter(context, Object.keys(request.query as object)) ??
      findUnexpectedBody(context, request.body) ??
      findUnsupportedPrecondition(request);
    if (problem) throw problem;
    return true;
  }
}

/**
 * Who is calling, for a route of this permission; the request has its deadline from here.
 * @throws RequestProblem when the path names no host id, and otherwise by the promise: see `Callers.admit`.
 */
export function authenticateWithin(
  withinMs: number,
  authenticator: Authenticator,
  request: AuthenticatedRequest,
  permission: Permission,
): Promise<Principal> {
  request.permission = permission;
  request.deadline = new CallDeadline(withinMs);
  const { hostId: given } = request.params as { hostId?: string };
  const hostId = given === undefined ? null : hostIdPipe.transform(given);
  return request.deadline.within(authenticator.authorize(permission, request, hostId));
}

/** Whether a route has a parameter of this kind. */
function hasParameterOfKind(context: ExecutionContext, kind: RouteParamtypes): boolean {
  const parameters = Reflect.getMetadata(ROUTE_ARGS_METADATA, context.getClass(), context.getHandler().name) as
    Record<string, unknown> | undefined;
  return Object.keys(parameters ?? {}).some((key) => key.startsWith(`${kind}:`));
}

/** A route that takes no query knows no parameter; of the others, the checks of their class do not see all names. */
function findUnknownQueryParameter(context: ExecutionContext, names: readonly string[]): RequestProblem | null {
  if (names.length === 0) return null;
  const unknown = hasParameterOfKind(context, RouteParamtypes.QUERY) ? names.find(isReservedPropertyName) : names[0];
  return unknown === undefined ? null : RequestProblem.unknownField(unknown);
}

const findUnexpectedBody = (context: ExecutionContext, body: unknown): RequestProblem | null =>
  body === undefined || hasParameterOfKind(context, RouteParamtypes.BODY)
    ? null
    : RequestProblem.field('body', 'this call takes no body');

/** To ignore If-Match would change what its sender did not see. A heartbeat changes nothing that its sender could protect. */
const findUnsupportedPrecondition = ({
  method,
  headers,
  permission,
}: Pick<AuthenticatedRequest, 'method' | 'headers' | 'permission'>): RequestProblem | null =>
  headers['if-match'] === undefined || method === 'GET' || method === 'HEAD' || permission === 'process_server'
    ? null
    : new RequestProblem('if_match_not_supported', IF_MATCH_NOT_SUPPORTED);
const IF_MATCH_NOT_SUPPORTED =
  'ETags of this server are weak and If-Match does not protect a change. Name the generation that you saw instead: ?generation= of DELETE, generation in the body of a purge.';

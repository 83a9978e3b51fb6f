import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import { isReservedPropertyName } from '../problems/json-shape.js';
import { RequestProblem } from '../problems/request-problem.js';
import { permissionOf } from './endpoint.decorator.js';
import { CallDeadline, RESPONSE_TIMEOUT_MS } from './call-deadline.js';
import type { Principal, Permission, AuthenticatedRequest } from './principal.js';
import { type Authenticator } from './authenticator.js';
import { hostIdPipe } from './uuid.pipe.js';

/** Authorises each request for its route. A malformed host id in the path is rejected before the caller is authenticated. */
export class AuthGuard implements CanActivate {
  constructor(
    private readonly authenticator: Authenticator,
    private readonly responseTimeoutMs = RESPONSE_TIMEOUT_MS,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const permission = permissionOf(context.getHandler());
    if (!permission) throw new Error(`route ${context.getHandler().name} has no permission`);
    const request = context.switchToHttp().getRequest<AuthenticatedRequest>();
    request.principal = await this.authenticate(request, permission);
    const problem =
      findUnknownQueryParameter(context, Object.keys(request.query as object)) ??
      findUnexpectedBody(context, request.body) ??
      findUnsupportedPrecondition(request);
    if (problem) throw problem;
    return true;
  }

  /**
   * Authorises the caller of a route with this permission and sets the deadline of the request.
   * @throws RequestProblem for a malformed host id, otherwise as `Authenticator.authorize`.
   */
  authenticate(request: AuthenticatedRequest, permission: Permission): Promise<Principal> {
    request.permission = permission;
    request.deadline = new CallDeadline(this.responseTimeoutMs);
    const { hostId: given } = request.params as { hostId?: string };
    const hostId = given === undefined ? null : hostIdPipe.transform(given);
    return request.deadline.within(this.authenticator.authorize(permission, request, hostId));
  }
}

/** Whether a route has a path parameter of this kind. */
function hasParameterOfKind(context: ExecutionContext, kind: RouteParamtypes): boolean {
  const parameters = Reflect.getMetadata(ROUTE_ARGS_METADATA, context.getClass(), context.getHandler().name) as
    Record<string, unknown> | undefined;
  return Object.keys(parameters ?? {}).some((key) => key.startsWith(`${kind}:`));
}

/** Rejects query parameters of routes without a query DTO, and names that the DTO check of the other routes never sees. */
function findUnknownQueryParameter(context: ExecutionContext, names: readonly string[]): RequestProblem | null {
  if (names.length === 0) return null;
  const unknown = hasParameterOfKind(context, RouteParamtypes.QUERY) ? names.find(isReservedPropertyName) : names[0];
  return unknown === undefined ? null : RequestProblem.unknownField(unknown);
}

const findUnexpectedBody = (context: ExecutionContext, body: unknown): RequestProblem | null =>
  body === undefined || hasParameterOfKind(context, RouteParamtypes.BODY)
    ? null
    : RequestProblem.field('body', 'this call must not have a body');

/** Ignoring If-Match could overwrite a change that the sender has not seen. A heartbeat overwrites nothing that If-Match could protect. */
const findUnsupportedPrecondition = ({
  method,
  headers,
  permission,
}: Pick<AuthenticatedRequest, 'method' | 'headers' | 'permission'>): RequestProblem | null =>
  headers['if-match'] === undefined || method === 'GET' || method === 'HEAD' || permission === 'process_server'
    ? null
    : new RequestProblem('if_match_not_supported', IF_MATCH_NOT_SUPPORTED);
const IF_MATCH_NOT_SUPPORTED =
  'ETags of this server are weak and If-Match does not protect a change. Send the generation that you read instead: ?generation= with DELETE, generation in the body of a purge.';

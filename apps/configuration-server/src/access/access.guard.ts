import type { CanActivate, ExecutionContext } from '@nestjs/common';
import { ROUTE_ARGS_METADATA } from '@nestjs/common/constants.js';
import { RouteParamtypes } from '@nestjs/common/enums/route-paramtypes.enum.js';
import { isNeverAField } from '../problems/plain-shape.js';
import { RequestProblem } from '../problems/request-problem.js';
import { beginsEarly, permissionOf } from './call.decorator.js';
import { CallDeadline } from './call-deadline.js';
import type { Caller, Permission, RecognisedRequest } from './caller.js';
import { type Callers } from './callers.js';
import { hostIdPipe } from './uuid.pipe.js';

/** Lets a request through to its route when its caller may. A path that names no host id is told so first. */
export class AccessGuard implements CanActivate {
  constructor(
    private readonly callers: Callers,
    private readonly answerWithinMs: number,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const permission = permissionOf(context.getHandler());
    if (!permission) throw new Error(`route ${context.getHandler().name} states no permission`);
    const request = context.switchToHttp().getRequest<RecognisedRequest>();
    let isExpected = false;
    const admission = recogniseWithin(
      this.answerWithinMs,
      this.callers,
      request,
      permission,
      () => (isExpected = true),
    );
    if (isExpected && beginsEarly(context.getHandler())) request.admission = mindedLater(admission);
    else request.caller = await admission;
    const problem =
      unknownQuery(context, Object.keys(request.query as object)) ??
      unknownBody(context, request.body) ??
      unknownPrecondition(request);
    if (!problem) return true;
    await admission;
    throw problem;
  }
}

/**
 * Who is calling, for a route of this permission; the request has its deadline from here.
 * @throws RequestProblem when the path names no host id, and otherwise by the promise: see `Callers.admit`.
 */
export function recogniseWithin(
  withinMs: number,
  callers: Callers,
  request: RecognisedRequest,
  permission: Permission,
  expected?: () => void,
): Promise<Caller> {
  request.permission = permission;
  request.deadline = new CallDeadline(withinMs);
  const { hostId: given } = request.params as { hostId?: string };
  const hostId = given === undefined ? null : hostIdPipe.transform(given);
  return request.deadline.within(callers.admit(permission, request, hostId, expected));
}

/** Whether a route has a parameter of this kind. */
function takes(context: ExecutionContext, kind: RouteParamtypes): boolean {
  const parameters = Reflect.getMetadata(ROUTE_ARGS_METADATA, context.getClass(), context.getHandler().name) as
    Record<string, unknown> | undefined;
  return Object.keys(parameters ?? {}).some((key) => key.startsWith(`${kind}:`));
}

/** A route that takes no query knows no parameter; of the others, the checks of their class do not see all names. */
function unknownQuery(context: ExecutionContext, names: readonly string[]): RequestProblem | null {
  if (names.length === 0) return null;
  const unknown = takes(context, RouteParamtypes.QUERY) ? names.find(isNeverAField) : names[0];
  return unknown === undefined ? null : RequestProblem.unknownField(unknown);
}

const unknownBody = (context: ExecutionContext, body: unknown): RequestProblem | null =>
  body === undefined || takes(context, RouteParamtypes.BODY)
    ? null
    : RequestProblem.field('body', 'this call takes no body');

/** To ignore If-Match would change what its sender did not see. */
const unknownPrecondition = ({
  method,
  headers,
}: Pick<RecognisedRequest, 'method' | 'headers'>): RequestProblem | null =>
  headers['if-match'] === undefined || method === 'GET' || method === 'HEAD'
    ? null
    : new RequestProblem('if_match_not_supported', NO_IF_MATCH);
const NO_IF_MATCH =
  'ETags of this server are weak and If-Match does not protect a change. Name the generation that you saw instead: ?generation= of DELETE, generation in the body of a purge.';

/** A promise that may fail before anybody waits for it: that would end the process. */
function mindedLater<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => undefined);
  return promise;
}

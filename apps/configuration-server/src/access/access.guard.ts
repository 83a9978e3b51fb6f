import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { canonicalHostId } from '@app/wire';
import { RequestProblem } from '../problems/request-problem.js';
import { permissionOf } from './call.decorator.js';
import type { RecognisedRequest } from './caller.js';
import { Callers } from './callers.js';

/** Lets a request through to its route when its caller may. A path that names no host id is told so first. */
@Injectable()
export class AccessGuard implements CanActivate {
  constructor(private readonly callers: Callers) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const permission = permissionOf(context.getHandler());
    if (!permission) throw new Error(`route ${context.getHandler().name} states no permission`);
    const request = context.switchToHttp().getRequest<RecognisedRequest>();
    const { hostId: given } = request.params as { hostId?: string };
    const hostId = given === undefined ? null : canonicalHostId(given);
    if (given !== undefined && !hostId) throw RequestProblem.field('hostId', 'hostId must be a UUID');
    request.caller = await this.callers.admit(permission, request, hostId);
    return true;
  }
}

import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { from, lastValueFrom, type Observable } from 'rxjs';
import type { AuthenticatedRequest } from './principal.js';

/** Ends a handler at the deadline that the guard has set. */
@Injectable()
export class DeadlineInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { deadline } = context.switchToHttp().getRequest<AuthenticatedRequest>();
    return deadline ? from(deadline.within(lastValueFrom(next.handle()))) : next.handle();
  }
}

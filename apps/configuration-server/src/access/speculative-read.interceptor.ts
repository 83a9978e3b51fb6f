import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { from, lastValueFrom, type Observable } from 'rxjs';
import type { AuthenticatedRequest } from './principal.js';

/**
 * Holds an answer back until its caller is let in. The key of a caller is looked up for every call; where it was let in a moment
 * ago, a read begins beside that look instead of after it. What the read came to, a problem too, is told to nobody who is refused.
 */
@Injectable()
export class SpeculativeReadInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { pendingAuthorization } = context.switchToHttp().getRequest<AuthenticatedRequest>();
    return pendingAuthorization
      ? from(releaseAfterAuthorization(pendingAuthorization, lastValueFrom(next.handle())))
      : next.handle();
  }
}

async function releaseAfterAuthorization(
  pendingAuthorization: Promise<unknown>,
  work: Promise<unknown>,
): Promise<unknown> {
  work.catch(() => undefined); // who is refused is told so at once, and nobody asks what his read came to
  await pendingAuthorization;
  return work;
}

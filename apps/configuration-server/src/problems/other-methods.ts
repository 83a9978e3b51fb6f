import { METHODS } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { RequestProblem } from './request-problem.js';

/** Node gives requests for a tunnel to a listener of their own. */
const ROUTED = METHODS.filter((method) => method !== 'CONNECT');

/**
 * Answers 405 with `Allow` to a method that a path does not have. Create it before the first route; call `refuse` after the last.
 * As for a path that does not exist, no credential is needed: the document of the routes is public.
 */
export class OtherMethods {
  private readonly methodsOf = new Map<string, string[]>();

  constructor(private readonly fastify: FastifyInstance) {
    fastify.addHook('onRoute', ({ url, method }) => {
      this.methodsOf.set(url, [...(this.methodsOf.get(url) ?? []), ...[method].flat()]);
    });
  }

  refuse(): void {
    const { fastify } = this;
    for (const method of ROUTED) if (!fastify.supportedMethods.includes(method)) fastify.addHttpMethod(method);
    for (const [url, methods] of [...this.methodsOf]) {
      const allow = [...new Set(methods)].sort().join(', ');
      fastify.route({
        method: ROUTED.filter((method) => !methods.includes(method)),
        url,
        exposeHeadRoute: false,
        onRequest: (request, reply, done) => {
          reply.header('allow', allow);
          done(
            new RequestProblem(
              'method_not_allowed',
              `This path does not have the method ${request.method}; it has ${allow}.`,
            ),
          );
        },
        handler: () => undefined,
      });
    }
  }
}

import { METHODS } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { RequestProblem } from '../problems/request-problem.js';

/** Node emits CONNECT requests as a separate event. */
const ROUTED_METHODS = METHODS.filter((method) => method !== 'CONNECT');

/**
 * Responds with 405 and `Allow` to a method that a path does not support. Create it before the first route; call `register` after the last.
 * As for an unknown path, no credential is needed: the document of the routes is public.
 */
export class MethodNotAllowedRoutes {
  private readonly methodsByUrl = new Map<string, string[]>();

  constructor(private readonly fastify: FastifyInstance) {
    fastify.addHook('onRoute', ({ url, method }) => {
      this.methodsByUrl.set(url, [...(this.methodsByUrl.get(url) ?? []), ...[method].flat()]);
    });
  }

  register(): void {
    const { fastify } = this;
    for (const method of ROUTED_METHODS) if (!fastify.supportedMethods.includes(method)) fastify.addHttpMethod(method);
    for (const [url, methods] of [...this.methodsByUrl]) {
      const allow = [...new Set(methods)].sort().join(', ');
      fastify.route({
        method: ROUTED_METHODS.filter((method) => !methods.includes(method)),
        url,
        exposeHeadRoute: false,
        onRequest: (request, reply, done) => {
          reply.header('allow', allow);
          done(
            new RequestProblem(
              'method_not_allowed',
              `This path does not support the method ${request.method}; it supports ${allow}.`,
            ),
          );
        },
        handler: () => undefined,
      });
    }
  }
}

import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { AuthenticatedRequest, Permission } from './principal.js';
import { rateLimitHeaders } from './rate-limit.js';
import type { RejectedRequestAudit } from './rejected-request-audit.js';
import type { RoutePermission } from './route-permissions.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** The permission that the route declares; undefined without one. */
    readonly statedPermission: Permission | undefined;
  }
}

/** Registers the permission of each request, and the quota and the audit of each response. */
export function registerAccessHooks(
  fastify: FastifyInstance,
  routes: readonly RoutePermission[],
  audit: RejectedRequestAudit,
): void {
  const permissions = new Map(routes.map(({ method, path, permission }) => [`${method} /${path}`, permission]));
  fastify.decorateRequest('statedPermission', {
    getter(this: FastifyRequest) {
      return permissions.get(`${this.method === 'HEAD' ? 'GET' : this.method} ${this.routeOptions.url}`);
    },
  });
  fastify.addHook('onSend', (request, reply, payload, done) => {
    const { quota } = request as AuthenticatedRequest;
    if (quota) reply.headers(rateLimitHeaders(quota));
    const audited = reply.statusCode < 400 ? null : audit.record(request, reply.problemCode);
    if (!audited) return done(null, payload);
    void audited.then(() => done(null, payload));
  });
}

import type { Server } from 'node:https';
import { Inject, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { Clock } from '@app/fleet';
import { maxOpenSockets } from '@app/platform';
import { APP_OPTIONS } from '../site/app-options.js';
import { Jobs } from '../site/jobs.js';
import { construct, createToken, provide } from '../site/provide.js';
import { ClientAddresses } from './client-address.js';
import { ConnectionLimiter } from './connection-limiter.js';
import { HttpServer } from './http-server.js';
import { MethodNotAllowedRoutes } from './method-not-allowed-routes.js';
import { RejectedConnections } from './proxy-protocol.js';
import { RateLimitedLog } from './rate-limited-log.js';
import { ResponseStatistics } from './response-statistics.js';
import { TlsCertificate } from './tls-certificate.js';
import { UnreadResponses } from './unread-responses.js';

const CERTIFICATE_RELOAD_MS = 10_000;
const CERTIFICATE_CHECK_MS = 24 * 3_600_000;

/** Null without TLS. */
export const CERTIFICATE = createToken<TlsCertificate | null>('TlsCertificate');

const PROVIDERS = [
  provide(RateLimitedLog, [APP_OPTIONS, Clock], ({ logger }, clock) => new RateLimitedLog(logger, clock)),
  construct(RejectedConnections, [RateLimitedLog]),
  construct(ResponseStatistics, []),
  provide(UnreadResponses, [APP_OPTIONS], ({ unreadLimits }) => new UnreadResponses(unreadLimits)),
  provide(
    ClientAddresses,
    [APP_OPTIONS],
    ({ settings: { http } }) => new ClientAddresses(http.trustedProxies, http.proxyHeader),
  ),
  provide(
    ConnectionLimiter,
    [APP_OPTIONS],
    ({ settings: { http } }) =>
      new ConnectionLimiter(http.tls !== null, Math.min(http.maxConnections, maxOpenSockets())),
  ),
  HttpServer,
  provide(MethodNotAllowedRoutes, [HttpServer], ({ fastify }) => new MethodNotAllowedRoutes(fastify)),
  provide(
    CERTIFICATE,
    [APP_OPTIONS, HttpServer],
    ({ settings: { http }, clock, logger }, { fastify }) =>
      http.tls && new TlsCertificate(http.tls, fastify.server as unknown as Server, clock, logger),
  ),
];

/** The HTTP server below the routes. */
@Module({ providers: PROVIDERS, exports: PROVIDERS })
export class EdgeModule implements OnApplicationBootstrap {
  constructor(
    private readonly methodNotAllowed: MethodNotAllowedRoutes,
    @Inject(CERTIFICATE) certificate: TlsCertificate | null,
    jobs: Jobs,
  ) {
    if (!certificate) return;
    jobs.add('certificate-reload', CERTIFICATE_RELOAD_MS, () => certificate.reloadAndLog());
    jobs.add('certificate-check', CERTIFICATE_CHECK_MS, async () => certificate.warnWhenInvalid());
  }

  onApplicationBootstrap(): void {
    this.methodNotAllowed.register();
  }
}

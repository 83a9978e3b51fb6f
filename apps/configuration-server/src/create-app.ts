import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { HeartbeatReceiver } from '@app/fleet';
import type { Settings } from '@app/platform';
import { Authenticator } from './access/authenticator.js';
import { sendProblem } from './access/problem.filter.js';
import { RejectedRequestAudit } from './access/rejected-request-audit.js';
import { registerAccessHooks } from './access/request-hooks.js';
import { assertEveryRouteHasPermission, routePermissions } from './access/route-permissions.js';
import { API_CONTROLLERS, AppModule } from './app.module.js';
import { createHttpAdapter } from './edge/http-adapter.js';
import { HttpServer } from './edge/http-server.js';
import { attachHeartbeatFastPath } from './heartbeats/fast-path/index.js';
import { serveDocs } from './openapi/serve-docs.js';
import type { AppParts } from './site/app-options.js';
import { nestLogger } from './site/nest-logger.js';

/**
 * Creates one replica on a migrated database. `init` starts its modules and jobs, `listen` opens the port, and `close` completes the
 * requests in flight. Several replicas can run concurrently.
 */
export async function createApp(settings: Settings, parts: AppParts): Promise<NestFastifyApplication> {
  assertEveryRouteHasPermission(API_CONTROLLERS);
  const options = { ...parts, settings };
  const { logger, randomness } = parts;
  const adapter = createHttpAdapter(
    options,
    () => http,
    (error, request, reply) => sendProblem(error, request, reply, randomness),
  );
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.forRoot(options), adapter, {
    bodyParser: false,
    logger: nestLogger(logger),
    abortOnError: false,
  });
  const http = app.get(HttpServer);
  const receiver = app.get(HeartbeatReceiver);
  http.registerHooks(() => receiver.isDraining);
  registerAccessHooks(http.fastify, routePermissions(API_CONTROLLERS), app.get(RejectedRequestAudit));
  await serveDocs(http.fastify, app.get(Authenticator));
  http.serveConnections((handOffToNode) =>
    settings.http.heartbeatFastPath ? attachHeartbeatFastPath(app, handOffToNode) : handOffToNode,
  );
  return app;
}

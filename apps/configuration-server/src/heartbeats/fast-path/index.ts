import type { Socket } from 'node:net';
import type { INestApplicationContext } from '@nestjs/common';
import { HeartbeatReceiver } from '@app/fleet';
import { Authenticator } from '../../access/authenticator.js';
import { HttpServer } from '../../edge/http-server.js';
import { APP_OPTIONS, type AppOptions } from '../../site/app-options.js';
import { FastPathConnection, type FastPathOptions } from './fast-path-connection.js';
import { DeferredResponses } from './deferred-responses.js';

/**
 * Serves heartbeats on the socket itself, because Node's HTTP server costs more than all other work of a heartbeat. Every connection
 * starts on the fast path. With the first bytes that are not exactly one ordinary heartbeat, or with the first rejected heartbeat, the
 * connection moves to `handOffToNode` for good, together with all unanswered bytes. So the fast path writes only one kind of response,
 * and the controller writes every error. Returns a function that serves a new connection.
 */
export function attachHeartbeatFastPath(
  app: INestApplicationContext,
  handOffToNode: (socket: Socket) => void,
): (socket: Socket) => void {
  const { statistics: metrics, clients, headers, requestTimeoutMs, keepAliveMs } = app.get(HttpServer);
  const { clock } = app.get<AppOptions>(APP_OPTIONS);
  const [receiver, callers] = [app.get(HeartbeatReceiver), app.get(Authenticator)];
  const options: FastPathOptions = {
    receiver,
    callers,
    clock,
    metrics,
    clients,
    requestTimeoutMs,
    keepAliveMs,
    headers,
  };
  const responses = new DeferredResponses(clock, keepAliveMs, headers);
  return (socket) => void new FastPathConnection(socket, options, responses, handOffToNode);
}

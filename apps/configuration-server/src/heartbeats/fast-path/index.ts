import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { FastPathConnection, type FastPathOptions } from './fast-path-connection.js';
import { DeferredResponses } from './deferred-responses.js';

/**
 * Serves heartbeats on the socket itself, because Node's HTTP server costs more than all other work of a heartbeat. Every connection
 * starts on the fast path. With the first bytes that are not exactly one ordinary heartbeat, or with the first rejected heartbeat, the
 * connection moves to `handOffToNode` for good, together with all unanswered bytes. So the fast path writes only one kind of response,
 * and the controller writes every error. Returns a function that serves a new connection.
 */
export function attachHeartbeatFastPath(
  fastify: FastifyInstance,
  options: FastPathOptions,
  handOffToNode: (socket: Socket) => void,
): (socket: Socket) => void {
  const connectionBySocket = new Set<FastPathConnection>();
  const responses = new DeferredResponses(options.clock, options.keepAliveMs, options.headers);
  fastify.addHook('preClose', (done) => {
    for (const connection of connectionBySocket) connection.closeIfIdle();
    done();
  });
  return (socket) => {
    const connection: FastPathConnection = new FastPathConnection(socket, options, responses, {
      onLeave: () => connectionBySocket.delete(connection),
      handOffToNode: () => handOffToNode(socket),
    });
    connectionBySocket.add(connection);
  };
}

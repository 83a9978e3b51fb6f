import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { FastPathConnection, type FastPathOptions } from './fast-path-connection.js';
import { DeferredResponses } from './deferred-responses.js';

/**
 * Serves heartbeats on the connection itself: Node's HTTP server costs more than all that is done with them. Every connection begins
 * here. With the first bytes that are not exactly one ordinary heartbeat, or with the first rejected heartbeat, it goes to
 * `handOffToNode` for good, together with everything that has no response yet. So only one response is written here, and the
 * controller names every error. Returns what serves a new connection.
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

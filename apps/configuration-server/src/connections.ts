import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * The open connections of a server. Node's own list leaves out those that have not carried a whole request yet, and one of
 * them would hold up the end of a drain for ever.
 */
export class Connections {
  private readonly open = new Set<Socket>();
  /** Those that can carry requests: with TLS not the bare ones, which are in use below. */
  private readonly carrying = new Set<Socket>();

  constructor(server: Server, isTls: boolean) {
    server.on('connection', (socket: Socket) => follow(socket, this.open));
    server.on(isTls ? 'secureConnection' : 'connection', (socket: Socket) => follow(socket, this.carrying));
  }

  /** Ends those on which nothing is being answered. */
  closeIdle(): void {
    for (const socket of this.carrying) if (!isAnswering(socket)) socket.destroy();
  }

  closeAll(): void {
    for (const socket of this.open) socket.destroy();
  }
}

/** Node's own note of the answer that is under way; to note each one ourselves would cost every request two listeners. */
const isAnswering = (socket: Socket & { readonly _httpMessage?: ServerResponse | null }): boolean => Boolean(socket._httpMessage);

function follow(socket: Socket, sockets: Set<Socket>): void {
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
}

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/**
 * The open connections of a server, and how many requests are being answered on each. Node's own list leaves out those that
 * have not carried a whole request yet, and one of them would hold up the end of a drain for ever.
 */
export class Connections {
  private readonly open = new Set<Socket>();
  /** Those that can carry requests: with TLS not the bare ones, which are in use below. */
  private readonly carrying = new Set<Socket>();
  private readonly answering = new Map<Socket, number>();

  constructor(server: Server, isTls: boolean) {
    server.on('connection', (socket: Socket) => follow(socket, this.open));
    server.on(isTls ? 'secureConnection' : 'connection', (socket: Socket) => follow(socket, this.carrying));
    server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      this.answering.set(socket, (this.answering.get(socket) ?? 0) + 1);
      response.once('close', () => {
        const left = (this.answering.get(socket) ?? 1) - 1;
        if (left > 0) this.answering.set(socket, left);
        else this.answering.delete(socket);
      });
    });
  }

  /** Ends those on which nothing is being answered. */
  closeIdle(): void {
    for (const socket of this.carrying) if (!this.answering.has(socket)) socket.destroy();
  }

  closeAll(): void {
    for (const socket of this.open) socket.destroy();
  }
}

function follow(socket: Socket, sockets: Set<Socket>): void {
  sockets.add(socket);
  socket.once('close', () => sockets.delete(socket));
}

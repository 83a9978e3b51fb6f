import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** One address for several servers. New connections go to the server selected last; open connections stay. */
export class MovedAddress {
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private target: number,
  ) {
    server.on('connection', (client) => this.join(client));
  }

  static async before(port: number): Promise<MovedAddress> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new MovedAddress(server, port);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  leadTo(port: number): void {
    this.target = port;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((closed) => this.server.close(closed));
  }

  private join(client: Socket): void {
    const server = connect(this.target, '127.0.0.1');
    const part = (): void => {
      for (const socket of [client, server]) {
        this.sockets.delete(socket);
        socket.destroy();
      }
    };
    for (const socket of [client, server]) {
      this.sockets.add(socket);
      socket.on('error', part).on('close', part);
    }
    client.pipe(server).pipe(client);
  }
}

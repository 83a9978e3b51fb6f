import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { DatabaseAddress } from '@app/fleet-mysql';

/** A way to the database that a test can cut: shut, it ends every connection and takes no new one. */
export class GateProxy {
  private readonly sockets = new Set<Socket>();
  private isOpen = true;

  private constructor(
    private readonly server: Server,
    private readonly target: DatabaseAddress,
  ) {}

  static async before(target: DatabaseAddress): Promise<GateProxy> {
    const server = createServer();
    const gate = new GateProxy(server, target);
    server.on('connection', (client) => gate.pass(client));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return gate;
  }

  get address(): { readonly host: string; readonly port: number } {
    return { host: '127.0.0.1', port: (this.server.address() as AddressInfo).port };
  }

  shut(): void {
    this.isOpen = false;
    for (const socket of this.sockets) socket.destroy();
  }

  open(): void {
    this.isOpen = true;
  }

  async close(): Promise<void> {
    this.shut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private pass(client: Socket): void {
    if (!this.isOpen) {
      client.destroy();
      return;
    }
    const { socketPath, host = '127.0.0.1', port = 3306 } = this.target;
    const database = socketPath ? connect(socketPath) : connect(port, host);
    for (const [from, to] of [
      [client, database],
      [database, client],
    ] as const) {
      this.sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.sockets.delete(from);
        to.destroy();
      });
    }
  }
}

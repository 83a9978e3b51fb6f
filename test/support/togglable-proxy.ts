import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { DatabaseAddress } from '@app/fleet-mysql';

/** A database proxy that a test can disable: it then closes every connection and accepts no new one. */
export class TogglableProxy {
  private readonly sockets = new Set<Socket>();
  private isEnabled = true;

  private constructor(
    private readonly server: Server,
    private readonly target: DatabaseAddress,
  ) {}

  static async inFrontOf(target: DatabaseAddress): Promise<TogglableProxy> {
    const server = createServer();
    const proxy = new TogglableProxy(server, target);
    server.on('connection', (client) => proxy.forward(client));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get address(): { readonly host: string; readonly port: number } {
    return { host: '127.0.0.1', port: (this.server.address() as AddressInfo).port };
  }

  disable(): void {
    this.isEnabled = false;
    for (const socket of this.sockets) socket.destroy();
  }

  enable(): void {
    this.isEnabled = true;
  }

  /** Stops to forward on the open connections, as a database that hangs. `disable` closes them. */
  freeze(): void {
    for (const socket of this.sockets) socket.unpipe();
  }

  async close(): Promise<void> {
    this.disable();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private forward(client: Socket): void {
    if (!this.isEnabled) {
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

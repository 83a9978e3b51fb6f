import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { DatabaseAddress } from '@app/fleet-mysql';

const TIME_QUERY = Buffer.from('UTC_TIMESTAMP(3)');
const TIME = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}/;

/**
 * A database proxy that steps the wall clock of the database: it shifts the time in the result of the one statement that reads it.
 * The text keeps its length.
 */
export class ClockProxy {
  shiftMs = 0;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly target: DatabaseAddress,
  ) {}

  static async inFrontOf(target: DatabaseAddress): Promise<ClockProxy> {
    const server = createServer();
    const proxy = new ClockProxy(server, target);
    server.on('connection', (client) => proxy.forward(client));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  /** URL of the proxy for DATABASE_URL. */
  get url(): string {
    const { user, password, database } = this.target;
    return `mysql://${user}:${encodeURIComponent(password)}@127.0.0.1:${(this.server.address() as AddressInfo).port}/${database}`;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private forward(client: Socket): void {
    const { socketPath, host = '127.0.0.1', port = 3306 } = this.target;
    const database = socketPath ? connect(socketPath) : connect(port, host);
    let isTimeQuery = false;
    client.on('data', (bytes) => {
      isTimeQuery = bytes.includes(TIME_QUERY);
      database.write(bytes);
    });
    database.on('data', (bytes) => client.write(isTimeQuery ? this.shifted(bytes) : bytes));
    for (const [one, other] of [
      [client, database],
      [database, client],
    ] as const) {
      this.sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.sockets.delete(one);
        other.destroy();
      });
    }
  }

  private shifted(bytes: Buffer): Buffer {
    const text = bytes.toString('latin1');
    const [time] = TIME.exec(text) ?? [];
    if (time === undefined) return bytes;
    const at = new Date(Date.parse(`${time.replace(' ', 'T')}Z`) + this.shiftMs);
    return Buffer.from(text.replace(TIME, at.toISOString().replace('T', ' ').replace('Z', '')), 'latin1');
  }
}

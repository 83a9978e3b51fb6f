import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import timers from 'node:timers';
import type { DatabaseAddress } from '@app/fleet-mysql';

/** The error response to a COMMIT, and whether the server has committed. */
export interface CommitError {
  readonly errno: number;
  readonly committed: boolean;
}

/**
 * When a connection is cut at a COMMIT: before the server receives it; while the server processes it; or after the server has
 * committed, before the client gets the response.
 */
export type Cut = 'before it is sent' | 'while it is processed' | 'before the response';

/** Excludes the isolation level READ COMMITTED of the session set-up. */
const COMMIT = /(?<!READ )COMMIT/;

const { setTimeout } = timers;
/** The driver keeps the timer of a query for seconds after its connection is lost. Unreferenced timers do not delay the end of a run. */
const unrefTimeout = ((work: () => void, ms: number) => setTimeout(work, ms).unref()) as typeof setTimeout;

/** A database proxy that cuts connections during a COMMIT. */
export class CommitCuttingProxy {
  private readonly sockets = new Set<Socket>();
  /** The texts that clients sent, one for each round trip. */
  readonly sent: string[] = [];
  private armed: Cut | CommitError | null = null;
  private cutCount = 0;

  private constructor(
    private readonly server: Server,
    private readonly target: DatabaseAddress,
  ) {}

  static async inFrontOf(target: DatabaseAddress): Promise<CommitCuttingProxy> {
    timers.setTimeout = unrefTimeout;
    const server = createServer();
    const proxy = new CommitCuttingProxy(server, target);
    server.on('connection', (client) => proxy.forward(client));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get address(): { readonly host: string; readonly port: number } {
    return { host: '127.0.0.1', port: (this.server.address() as AddressInfo).port };
  }

  /** Cuts the connection at the next COMMIT, once. */
  cutNextCommit(where: Cut): void {
    this.armed = where;
  }

  /** Responds to the next COMMIT with an error, once, and ends the connection. The COMMIT is executed or never sent. */
  failNextCommit(error: CommitError): void {
    this.armed = error;
  }

  /** Number of cuts, so that a test can verify that one occurred. */
  get cuts(): number {
    return this.cutCount;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
    timers.setTimeout = setTimeout;
  }

  private forward(client: Socket): void {
    const { socketPath, host = '127.0.0.1', port = 3306 } = this.target;
    const server = socketPath ? connect(socketPath) : connect(port, host);
    const disconnect = (): void => {
      for (const socket of [client, server]) {
        this.sockets.delete(socket);
        socket.destroy();
      }
    };
    let responsesAreDropped = false;
    let errorResponse: CommitError | null = null;
    const fail = ({ errno }: CommitError): unknown => client.end(errorPacket(errno), disconnect);
    for (const socket of [client, server]) {
      this.sockets.add(socket);
      socket.on('error', disconnect).on('close', disconnect);
    }
    client.on('data', (sent) => {
      const text = sent.toString('latin1');
      this.sent.push(text);
      const cut = this.armed && COMMIT.test(text) ? this.armed : null;
      if (!cut) {
        server.write(sent);
        return;
      }
      this.armed = null;
      this.cutCount += 1;
      if (typeof cut === 'object') {
        if (cut.committed) {
          errorResponse = cut;
          server.write(sent);
        } else fail(cut);
      } else if (cut === 'before it is sent') disconnect();
      else if (cut === 'while it is processed') server.write(sent, disconnect);
      else {
        responsesAreDropped = true;
        server.write(sent);
      }
    });
    server.on('data', (response) => {
      if (errorResponse) fail(errorResponse);
      else if (responsesAreDropped) disconnect();
      else client.write(response);
    });
  }
}

/** The response packet for a failed statement. */
function errorPacket(errno: number): Buffer {
  const body = Buffer.concat([Buffer.from([0xff, errno & 0xff, errno >> 8]), Buffer.from('#HY000made on purpose')]);
  return Buffer.concat([Buffer.from([body.length, 0, 0, 1]), body]);
}

import { createConnection, type Connection, type ConnectionOptions, type PoolConnection } from 'mysql2';
import { runQuery } from './connection-transaction.js';
import { isConnectionLost, isWriteRejected } from './database-errors.js';

/** TLS to the server, in the driver's words. */
export interface DatabaseTls {
  /** PEM; without it the certificate of the server is not verified. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized: boolean;
  readonly verifyIdentity: boolean;
}

export interface DatabaseHost {
  readonly host: string;
  readonly port: number;
}

/** Where the database is: a Unix socket, or a host with a port; or several hosts that replicate to each other. */
export interface DatabaseAddress {
  readonly socketPath?: string;
  readonly host?: string;
  readonly port?: number;
  /** Tried after `host`, in this order. */
  readonly others?: readonly DatabaseHost[];
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly ssl?: DatabaseTls;
}

/** How the driver reaches one server. */
export type ServerAddress = Omit<DatabaseAddress, 'others'>;

/** What a server says of itself. */
export interface ServerState {
  /** The same on every connection to one server, and on no other server. */
  readonly identity: string;
  /** Null when it accepts writes; otherwise why not. */
  readonly readOnlyReason: string | null;
  /** On a Galera cluster, connections may be on several nodes. */
  readonly isClusterNode: boolean;
}

/** The server in use. Connections of an earlier choice are closed. */
export interface ChosenServer {
  readonly choice: number;
  readonly index: number;
  /** Null until a connection has shown it. */
  readonly identity: string | null;
  readonly address: ServerAddress;
}

export interface ServerChange {
  readonly from: string;
  readonly to: string;
}

/** No server of the address accepts writes now; the message has the reason of each. Trying again may succeed. */
export class NoPrimaryError extends Error {
  readonly fatal = true;

  constructor(
    message: string,
    /** What went wrong on the way to those that did not answer. */
    readonly errors: readonly Error[],
  ) {
    super(message);
  }
}

const PROBE_TIMEOUT_MS = 1_000;
const PROBE_INTERVAL_MS = 100;

const READ_STATE = `
  SHOW SESSION VARIABLES WHERE Variable_name IN ('hostname', 'port', 'socket', 'server_id', 'wsrep_on', 'wsrep_node_name',
    'read_only', 'super_read_only', 'innodb_read_only', 'transaction_read_only', 'tx_read_only')`;
const READ_CLUSTER_STATE = `SHOW STATUS WHERE Variable_name = 'wsrep_ready'`;
const READ_ONLY = ['read_only', 'super_read_only', 'innodb_read_only', 'transaction_read_only', 'tx_read_only'];
const IDENTITY = ['hostname', 'port', 'socket', 'server_id', 'wsrep_node_name'];

/** What the server at the other end of a connection says of itself. */
export async function readServerState(connection: Connection | PoolConnection, timeout: number): Promise<ServerState> {
  const value = await variables(connection, READ_STATE, timeout);
  const isClusterNode = value.get('wsrep_on') === 'ON';
  const readOnly = READ_ONLY.find((name) => !['OFF', '0', undefined].includes(value.get(name)));
  const isPartitioned =
    isClusterNode && (await variables(connection, READ_CLUSTER_STATE, timeout)).get('wsrep_ready') === 'OFF';
  return {
    identity: IDENTITY.map((name) => value.get(name) ?? '').join(' '),
    readOnlyReason: readOnly ? `${readOnly} is ${value.get(readOnly)}` : isPartitioned ? 'wsrep_ready is OFF' : null,
    isClusterNode,
  };
}

async function variables(
  connection: Connection | PoolConnection,
  sql: string,
  timeout: number,
): Promise<Map<string, string>> {
  const rows = (await runQuery(connection, { sql, timeout })) as Record<string, string>[];
  return new Map(rows.map((row) => Object.values(row) as [string, string]));
}

/**
 * The servers of one address, of which all pools of a process use one at a time: the first that accepts writes. It is kept until
 * it refuses writes or connections; then the others are tried in order. A single server is used whether it accepts writes or
 * not; it is another one when its address leads elsewhere, as behind a balancer or a name that was moved (decision 25).
 */
export class DatabaseServers {
  private readonly servers: readonly ServerAddress[];
  private readonly changeListeners = new Set<() => void>();
  private chosen: ChosenServer | null = null;
  private choosing: Promise<void> | null = null;
  private lastProbeAtMs = -Infinity;
  private noPrimary = new NoPrimaryError('none was asked', []);
  private changeCount = 0;

  constructor(
    { others = [], ...first }: DatabaseAddress,
    private readonly onChange: (change: ServerChange) => void = () => undefined,
  ) {
    this.servers = [first, ...others.map(({ host, port }) => ({ ...first, host, port }))];
    if (this.servers.length === 1) this.chosen = { choice: 0, index: 0, identity: null, address: first };
  }

  /** Null before the first is chosen. */
  get current(): ChosenServer | null {
    return this.chosen;
  }

  /** How often another server was chosen since the start. */
  get changes(): number {
    return this.changeCount;
  }

  /** @throws NoPrimaryError */
  async choose(): Promise<ChosenServer> {
    if (!this.chosen) await this.reselect();
    if (!this.chosen) throw this.noPrimary;
    return this.chosen;
  }

  /** Calls `leave` as soon as another server is chosen; the function returned ends that. */
  onServerChange(listener: () => void): () => void {
    this.changeListeners.add(listener);
    return () => void this.changeListeners.delete(listener);
  }

  /** A connection of this choice was lost or refused a write. Resolves when it is known which server to use. */
  async reportFailure(choice: number, error: unknown): Promise<void> {
    if (this.chosen?.choice !== choice) return;
    if (isWriteRejected(error) || (this.servers.length > 1 && isConnectionLost(error))) await this.reselect();
  }

  /** A new connection of this choice has shown its server. False when it is not the server that the others are connected to. */
  acceptsConnection(choice: number, { identity, isClusterNode }: ServerState): boolean {
    if (this.chosen?.choice !== choice) return false;
    if (this.chosen.identity === null) this.chosen = { ...this.chosen, identity };
    if (isClusterNode || this.chosen.identity === identity) return true;
    void this.reselect();
    return false;
  }

  private reselect(): Promise<void> {
    return (this.choosing ??= this.selectServer().finally(() => (this.choosing = null)));
  }

  /** All are asked at once, so that one without an answer costs no more than its own time. */
  private async selectServer(): Promise<void> {
    const pauseMs = this.lastProbeAtMs + PROBE_INTERVAL_MS - performance.now();
    if (pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    const states = this.servers.map((server) => probeServer(server));
    const currentIndex = this.chosen?.index ?? 0;
    const probeOrder = [currentIndex, ...this.servers.keys()].filter((index, at, all) => all.indexOf(index) === at);
    const reasons: string[] = [];
    const errors: Error[] = [];
    for (const index of probeOrder) {
      const state = await states[index];
      if (state && !(state instanceof Error) && (this.servers.length === 1 || state.readOnlyReason === null)) {
        this.use(index, state);
        break;
      }
      if (state instanceof Error) errors.push(state);
      reasons.push(
        `${serverLabel(this.servers[index])}: ${state instanceof Error ? state.message : state?.readOnlyReason}`,
      );
    }
    this.noPrimary = new NoPrimaryError(reasons.join('; '), errors);
    this.lastProbeAtMs = performance.now();
  }

  private use(index: number, { identity, isClusterNode }: ServerState): void {
    const before = this.chosen;
    const address = this.servers[index];
    if (!address) return;
    if (before?.index === index && (isClusterNode || before.identity === null || before.identity === identity)) {
      this.chosen = { ...before, identity };
      return;
    }
    this.chosen = { choice: (before?.choice ?? 0) + 1, index, identity, address };
    if (!before) return;
    this.changeCount += 1;
    for (const listener of [...this.changeListeners]) listener();
    this.onChange({
      from: `${serverLabel(before.address)} (${before.identity})`,
      to: `${serverLabel(address)} (${identity})`,
    });
  }
}

/** How an operator knows a server. */
export const serverLabel = (server: ServerAddress | undefined): string =>
  server?.socketPath ?? `${server?.host}:${server?.port}`;

/** On a connection of its own, opened by no pool. */
async function probeServer(server: ServerAddress): Promise<ServerState | Error> {
  const connection = createConnection({
    ...server,
    connectTimeout: PROBE_TIMEOUT_MS,
    maxPreparedStatements: 1,
  } as ConnectionOptions);
  try {
    connection.on('error', () => undefined); // the query that fails says it as well
    return await readServerState(connection, PROBE_TIMEOUT_MS);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  } finally {
    connection.destroy();
  }
}

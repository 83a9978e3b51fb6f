import { createConnection, type Connection, type ConnectionOptions, type PoolConnection } from 'mysql2';
import { runQuery } from './connection-transaction.js';
import { isConnectionLost, isWriteRejected } from './database-errors.js';

/** TLS options of the driver. */
export interface DatabaseTls {
  /** PEM. Without a CA, the certificate of the server is not verified. */
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

/** Address of the database: a Unix socket, one host and port, or several hosts that replicate to each other. */
export interface DatabaseAddress {
  readonly socketPath?: string;
  readonly host?: string;
  readonly port?: number;
  /** Hosts to try after `host`, in this order. */
  readonly others?: readonly DatabaseHost[];
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly ssl?: DatabaseTls;
}

/** Address of one server. */
export type ServerAddress = Omit<DatabaseAddress, 'others'>;

/** What a server reports about itself. */
export interface ServerState {
  /** Identifies the server: equal on all connections to it, different on every other server. */
  readonly identity: string;
  /** Null when the server accepts writes; otherwise the reason. */
  readonly readOnlyReason: string | null;
  /** On a Galera cluster, the connections of one address may lead to different nodes. */
  readonly isClusterNode: boolean;
}

/** The current server. Connections of an earlier choice are closed. */
export interface ChosenServer {
  readonly choice: number;
  readonly index: number;
  /** Null until the first connection. */
  readonly identity: string | null;
  readonly address: ServerAddress;
}

export interface ServerChange {
  readonly from: string;
  readonly to: string;
}

/** No server of the address accepts writes at present. The message has the reason of each server. A retry may succeed. */
export class NoPrimaryError extends Error {
  readonly fatal = true;

  constructor(
    message: string,
    /** Connection errors of the servers that did not respond. */
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

/** Reads the state of the server that a connection leads to. */
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
 * The servers of one address. All pools of a process use the same server: the first that accepts writes. When it rejects writes
 * or connections, the others are tried in order. A single server is used even if it is read only; it counts as changed when its
 * address leads to another server, for example behind a load balancer or after a DNS change (decision 25).
 */
export class DatabaseServers {
  private readonly servers: readonly ServerAddress[];
  private readonly changeListeners = new Set<() => void>();
  private chosen: ChosenServer | null = null;
  private choosing: Promise<void> | null = null;
  private lastProbeAtMs = -Infinity;
  private noPrimary = new NoPrimaryError('no server was probed', []);
  private changeCount = 0;

  constructor(
    { others = [], ...first }: DatabaseAddress,
    private readonly onChange: (change: ServerChange) => void = () => undefined,
  ) {
    this.servers = [first, ...others.map(({ host, port }) => ({ ...first, host, port }))];
    if (this.servers.length === 1) this.chosen = { choice: 0, index: 0, identity: null, address: first };
  }

  /** Null before the first choice. */
  get current(): ChosenServer | null {
    return this.chosen;
  }

  /** Number of changes of server since the start. */
  get changes(): number {
    return this.changeCount;
  }

  /** @throws NoPrimaryError */
  async choose(): Promise<ChosenServer> {
    if (!this.chosen) await this.reselect();
    if (!this.chosen) throw this.noPrimary;
    return this.chosen;
  }

  /** Calls `listener` whenever another server is chosen. Returns the function that removes the listener. */
  onServerChange(listener: () => void): () => void {
    this.changeListeners.add(listener);
    return () => void this.changeListeners.delete(listener);
  }

  /** A connection of this choice was lost or rejected a write. Resolves once the server to use is known. */
  async reportFailure(choice: number, error: unknown): Promise<void> {
    if (this.chosen?.choice !== choice) return;
    if (isWriteRejected(error) || (this.servers.length > 1 && isConnectionLost(error))) await this.reselect();
  }

  /** Checks the server of a new connection. False when the other connections of this choice lead to another server. */
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

  /** Probes all servers at once, so that servers that do not respond cost one timeout together. */
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

/** Name of a server in logs. */
export const serverLabel = (server: ServerAddress | undefined): string =>
  server?.socketPath ?? `${server?.host}:${server?.port}`;

/** Reads the state on a separate connection, outside of every pool. */
async function probeServer(server: ServerAddress): Promise<ServerState | Error> {
  const connection = createConnection({
    ...server,
    connectTimeout: PROBE_TIMEOUT_MS,
    maxPreparedStatements: 1,
  } as ConnectionOptions);
  try {
    connection.on('error', () => undefined); // the query fails with the same error
    return await readServerState(connection, PROBE_TIMEOUT_MS);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  } finally {
    connection.destroy();
  }
}

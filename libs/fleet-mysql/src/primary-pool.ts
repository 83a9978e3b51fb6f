import { createPool, type ConnectionOptions, type Pool, type PoolConnection } from 'mysql2';
import { FleetError } from '@app/fleet';
import { readServerState, type ChosenServer, type DatabaseServers } from './database-servers.js';

export interface PoolOptions {
  readonly connections: number;
  /** How long a statement waits for a row lock, in whole seconds. */
  readonly lockWaitSeconds: number;
}

/** Timeout of the statements that set a session up, and of ROLLBACK. */
export const SESSION_TIMEOUT_MS = 1_000;
/** Callers that may wait for a connection. Further callers get `database_unavailable` at once. */
export const MAX_QUEUED_REQUESTS = 5_000;
const SESSION_SQL_MODE =
  'STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,ONLY_FULL_GROUP_BY,NO_ENGINE_SUBSTITUTION';

/** A connection pool to the current server. All sessions have the same settings. A change of server closes the connections. */
export class PrimaryPool {
  private active: { readonly choice: number; readonly pool: Pool } | null = null;
  private readonly connected = new Set<PoolConnection>();
  /** Why the last connection could not be made; null after one that could. */
  private lastError: Error | null = null;
  private readonly clusterNodes = new WeakMap<PoolConnection, Promise<boolean>>();
  private readonly unsubscribe: () => void;

  constructor(
    private readonly servers: DatabaseServers,
    private readonly settings: PoolOptions,
  ) {
    this.unsubscribe = servers.onServerChange(() => this.discardPool());
  }

  /** The choice of server that the next connection will use. */
  get choice(): number {
    return this.servers.current?.choice ?? 0;
  }

  get size(): number {
    return this.connected.size;
  }

  /** A connection, unless none is free in time: one that comes later goes straight back. */
  acquireConnection(ms: number): Promise<PoolConnection> {
    return new Promise((resolve, reject) => {
      const onTimeout = (): void =>
        reject(
          new FleetError({ code: 'database_unavailable' }, this.lastError ? { cause: this.lastError } : undefined),
        );
      let timedOut = false;
      const timer = setTimeout(
        () => {
          timedOut = true;
          onTimeout();
        },
        Math.max(1, ms),
      );
      const acquireFrom = (server: ChosenServer): void =>
        this.poolOf(server).getConnection((error, connection) => {
          clearTimeout(timer);
          this.lastError = error;
          if (error) (/queue limit/i.test(error.message) ? onTimeout : reject)(error);
          else if (timedOut) connection.release();
          else resolve(connection);
        });
      const { current } = this.servers;
      if (current) acquireFrom(current);
      else
        this.servers
          .choose()
          .then(acquireFrom)
          .catch((error: unknown) => (clearTimeout(timer), reject(error as Error)));
    });
  }

  /** Reports an error on a connection of this choice. Resolves once the server to use is known, or after `withinMs`. */
  async reportFailure(choice: number, error: unknown, withinMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, Math.max(0, withinMs))));
    await Promise.race([this.servers.reportFailure(choice, error), timeout]);
    clearTimeout(timer);
  }

  /** Whether the connection's server is a Galera node. */
  async isClusterNode(connection: PoolConnection): Promise<boolean> {
    return this.clusterNodes.get(connection) ?? false;
  }

  /** Errors are ignored: a connection that fails to close is closed. */
  close(): Promise<void> {
    this.unsubscribe();
    return new Promise((resolve) => (this.active ? this.active.pool.end(() => resolve()) : resolve()));
  }

  /** Callers that wait for a connection get a retryable error and retry on the server that is then current. */
  private discardPool(): void {
    this.active?.pool.end(() => undefined);
    this.active = null;
  }

  private poolOf({ choice, address }: ChosenServer): Pool {
    if (this.active?.choice === choice) return this.active.pool;
    const pool = createPool({
      ...(address as ConnectionOptions),
      connectionLimit: this.settings.connections,
      maxIdle: this.settings.connections,
      queueLimit: MAX_QUEUED_REQUESTS,
      timezone: 'Z',
      charset: 'utf8mb4_unicode_520_ci',
      connectTimeout: 3_000,
      supportBigNumbers: true,
      multipleStatements: true,
      enableKeepAlive: true,
      maxPreparedStatements: 1, // no statement is prepared; the default of 16,000 reserves half a megabyte for each connection
    });
    pool.on('connection', (connection) => this.setUp(connection, choice));
    this.active = { choice, pool };
    return pool;
  }

  private setUp(connection: PoolConnection, choice: number): void {
    const { lockWaitSeconds } = this.settings;
    this.connected.add(connection);
    for (const event of ['end', 'error']) connection.once(event, () => this.connected.delete(connection));
    // A session that could not be set up is of no use: the error closes it, and the next query says so.
    const ready = (error: unknown): void => void (error && connection.destroy());
    const set = (sql: string): unknown => connection.query({ sql, timeout: SESSION_TIMEOUT_MS }, ready);
    set(
      `SET time_zone = '+00:00', sql_mode = '${SESSION_SQL_MODE}', innodb_lock_wait_timeout = ${lockWaitSeconds}, lock_wait_timeout = ${lockWaitSeconds}`,
    );
    set('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
    // On a Galera node, a read sees every earlier commit of every node. Other servers do not know the variable.
    connection.query({ sql: 'SET SESSION wsrep_sync_wait = 1', timeout: SESSION_TIMEOUT_MS }, () => undefined);
    const state = readServerState(connection, SESSION_TIMEOUT_MS).then((found) => {
      if (!this.servers.acceptsConnection(choice, found)) connection.destroy();
      return found.isClusterNode;
    });
    state.catch(() => connection.destroy()); // the caller that acquires the connection gets the error too
    this.clusterNodes.set(connection, state);
  }
}

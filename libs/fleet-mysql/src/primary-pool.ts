import { createPool, type ConnectionOptions, type Pool, type PoolConnection } from 'mysql2';
import { FleetError } from '@app/fleet';
import { readServerState, type ChosenServer, type DatabaseServers } from './database-servers.js';

export interface SessionSettings {
  readonly connections: number;
  /** How long a statement waits for a row lock, in whole seconds. */
  readonly lockWaitSeconds: number;
}

/** To set a session up, or to undo what was begun. */
export const CLEAN_WITHIN_MS = 1_000;
/** Callers that may wait for a connection; more are told at once that the database is not to be had. */
export const LONGEST_WAITING_LINE = 5_000;
const SESSION_SQL_MODE =
  'STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,ONLY_FULL_GROUP_BY,NO_ENGINE_SUBSTITUTION';

/** Connections to the server in use, whose sessions are all alike. When another server is chosen, they are closed. */
export class PrimaryPool {
  private open: { readonly choice: number; readonly pool: Pool } | null = null;
  /** Why the last connection could not be made; null after one that could. */
  private lastError: Error | null = null;
  private readonly clusterNodes = new WeakMap<PoolConnection, Promise<boolean>>();
  private readonly stopListening: () => void;

  constructor(
    private readonly servers: DatabaseServers,
    private readonly settings: SessionSettings,
  ) {
    this.stopListening = servers.whenLeft(() => this.leave());
  }

  /** The choice of server that the next connection belongs to. */
  get choice(): number {
    return this.servers.current?.choice ?? 0;
  }

  /** A connection, unless none is free in time: one that comes later goes straight back. */
  connectionWithin(ms: number): Promise<PoolConnection> {
    return new Promise((resolve, reject) => {
      const late = (): void =>
        reject(
          new FleetError({ code: 'database_unavailable' }, this.lastError ? { cause: this.lastError } : undefined),
        );
      let givenUp = false;
      const timer = setTimeout(
        () => {
          givenUp = true;
          late();
        },
        Math.max(1, ms),
      );
      const take = (server: ChosenServer): void =>
        this.poolOf(server).getConnection((error, connection) => {
          clearTimeout(timer);
          this.lastError = error;
          if (error) (/queue limit/i.test(error.message) ? late : reject)(error);
          else if (givenUp) connection.release();
          else resolve(connection);
        });
      const { current } = this.servers;
      if (current) take(current);
      else
        this.servers
          .choose()
          .then(take)
          .catch((error: unknown) => (clearTimeout(timer), reject(error as Error)));
    });
  }

  /** Tells of an error on a connection of this choice. Resolves when it is known which server to use, or after `withinMs`. */
  async failed(choice: number, error: unknown, withinMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, Math.max(0, withinMs))));
    await Promise.race([this.servers.failed(choice, error), late]);
    clearTimeout(timer);
  }

  /** Whether the session is on a Galera node. */
  async isClusterNode(connection: PoolConnection): Promise<boolean> {
    return this.clusterNodes.get(connection) ?? false;
  }

  /** A connection that could not be ended in order is gone just as well. */
  close(): Promise<void> {
    this.stopListening();
    return new Promise((resolve) => (this.open ? this.open.pool.end(() => resolve()) : resolve()));
  }

  /** Callers that wait for a connection get an error after which they try again, on the server in use then. */
  private leave(): void {
    this.open?.pool.end(() => undefined);
    this.open = null;
  }

  private poolOf({ choice, address }: ChosenServer): Pool {
    if (this.open?.choice === choice) return this.open.pool;
    const pool = createPool({
      ...(address as ConnectionOptions),
      connectionLimit: this.settings.connections,
      maxIdle: this.settings.connections,
      queueLimit: LONGEST_WAITING_LINE,
      timezone: 'Z',
      charset: 'utf8mb4_unicode_520_ci',
      connectTimeout: 3_000,
      supportBigNumbers: true,
      multipleStatements: true,
      enableKeepAlive: true,
    });
    pool.on('connection', (connection) => this.setUp(connection, choice));
    this.open = { choice, pool };
    return pool;
  }

  private setUp(connection: PoolConnection, choice: number): void {
    const { lockWaitSeconds } = this.settings;
    // A session that could not be set up is of no use: the error closes it, and the next query says so.
    const ready = (error: unknown): void => void (error && connection.destroy());
    const set = (sql: string): unknown => connection.query({ sql, timeout: CLEAN_WITHIN_MS }, ready);
    set(
      `SET time_zone = '+00:00', sql_mode = '${SESSION_SQL_MODE}', innodb_lock_wait_timeout = ${lockWaitSeconds}, lock_wait_timeout = ${lockWaitSeconds}`,
    );
    set('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
    // On a Galera node: a read sees all that was committed anywhere before it. Elsewhere unknown, and not needed.
    connection.query({ sql: 'SET SESSION wsrep_sync_wait = 1', timeout: CLEAN_WITHIN_MS }, () => undefined);
    const state = readServerState(connection, CLEAN_WITHIN_MS).then((found) => {
      if (!this.servers.found(choice, found)) connection.destroy();
      return found.isClusterNode;
    });
    state.catch(() => connection.destroy()); // the error also reaches the caller that takes the connection
    this.clusterNodes.set(connection, state);
  }
}

import { createPool, type Pool, type PoolConnection } from 'mysql2';
import { FleetError, type Randomness } from '@app/fleet';
import { answerOf, ConnectionTransaction, type Answer, type Transaction } from './connection-transaction.js';
import { CommitOutcomeUnknown, errorNumber, isConnectionLost, isDuplicateKey, isOutOfTime, isRolledBack, isTransient } from './database-errors.js';

export { RecordChanged, type GuardedStatement, type Statement, type Transaction } from './connection-transaction.js';

/** Where the database is: a Unix socket, or a host with a port. */
export interface DatabaseAddress {
  readonly socketPath?: string;
  readonly host?: string;
  readonly port?: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

export interface SessionSettings {
  readonly connections: number;
  /** How long a statement waits for a row lock, in whole seconds. */
  readonly lockWaitSeconds: number;
}

export interface TransactionOptions {
  /** Events of which the transaction writes one at least: when a commit's outcome is unknown, they tell. Without one the work must bear a repetition. */
  readonly provedByEvents?: readonly string[];
  /** Errors that are thrown on to the caller instead of tried again, unless an attempt before may still be committed. */
  readonly final?: readonly number[];
  /** When to give up, on the monotonic clock; 5 s from now unless told. */
  readonly giveUpAt?: number;
}

/** Transactions that write events give up after this long, so that a reader 10 s behind misses none. */
const GIVE_UP_AFTER_MS = 5_000;

export const giveUpAtFromNow = (): number => performance.now() + GIVE_UP_AFTER_MS;
const RETRY_PAUSE_MS = 40;
const ANSWER_WITHIN_MS = 1_000;
/** To set a session up, or to undo what was begun. */
const CLEAN_WITHIN_MS = 1_000;
/** Callers that may wait for a connection; more are told at once that the database is not to be had. */
export const LONGEST_WAITING_LINE = 5_000;
const SESSION_SQL_MODE = 'STRICT_TRANS_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,ONLY_FULL_GROUP_BY,NO_ENGINE_SUBSTITUTION';

/** An attempt that sent its COMMIT, and failed. */
interface SentCommit<A> {
  readonly answer: A;
  /** Whether the server may still commit it, or has. */
  readonly isUnknown: boolean;
}

/** A pool of connections whose sessions are all alike: UTC, strict, READ COMMITTED, bounded lock waits. */
export class Database {
  private readonly pool: Pool;
  /** Whether the server at the other end is a Galera node; known once the session is set up. */
  private readonly clusterNodes = new WeakMap<PoolConnection, Promise<boolean>>();

  constructor(
    address: DatabaseAddress,
    private readonly randomness: Randomness,
    { connections, lockWaitSeconds }: SessionSettings,
  ) {
    this.pool = createPool({
      ...address,
      connectionLimit: connections,
      maxIdle: connections,
      queueLimit: LONGEST_WAITING_LINE,
      timezone: 'Z',
      charset: 'utf8mb4_unicode_520_ci',
      connectTimeout: 3_000,
      supportBigNumbers: true,
      multipleStatements: true,
      enableKeepAlive: true,
    });
    this.pool.on('connection', (connection) => {
      // A session that could not be set up is of no use: the error closes it, and the next query says so.
      const ready = (error: unknown): void => void (error && connection.destroy());
      const set = (sql: string): unknown => connection.query({ sql, timeout: CLEAN_WITHIN_MS }, ready);
      set(`SET time_zone = '+00:00', sql_mode = '${SESSION_SQL_MODE}', innodb_lock_wait_timeout = ${lockWaitSeconds}, lock_wait_timeout = ${lockWaitSeconds}`);
      set('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
      // On a Galera node: a read sees all that was committed anywhere before it. Elsewhere unknown, and not needed.
      connection.query({ sql: 'SET SESSION wsrep_sync_wait = 1', timeout: CLEAN_WITHIN_MS }, () => undefined);
      const isClusterNode = this.isClusterNode(connection);
      isClusterNode.catch(() => connection.destroy()); // the error also reaches the caller that takes the connection
      this.clusterNodes.set(connection, isClusterNode);
    });
  }

  /**
   * Whether the session is on a Galera node. Such a node may abort a transaction between two statements of one text, and then
   * runs those that are left by themselves; so each statement goes in a round trip of its own there (decision 19).
   */
  protected async isClusterNode(connection: PoolConnection): Promise<boolean> {
    const rows = await answerOf(connection, { sql: `SHOW SESSION VARIABLES WHERE Variable_name = 'wsrep_on' AND Value = 'ON'`, timeout: CLEAN_WITHIN_MS });
    return Array.isArray(rows) && rows.length > 0;
  }

  /** A single read, in 5 s unless told. @throws FleetError `database_unavailable` when no server answers. */
  async rows<Row>(sql: string, parameters: readonly unknown[] = [], withinMs = GIVE_UP_AFTER_MS): Promise<Row[]> {
    const giveUpAt = performance.now() + withinMs;
    return this.attempting((leftMs) => this.onConnection((connection) => new ConnectionTransaction(connection, leftMs, false).rows<Row>(sql, parameters), leftMs), giveUpAt);
  }

  /** A single SELECT that the server itself ends after so long: null then. */
  async rowsWithin<Row>(ms: number, sql: string, parameters: readonly unknown[] = []): Promise<Row[] | null> {
    const seconds = ms / 1000;
    // MariaDB reads the first comment, MySQL the second, and a MariaDB that knows such hints both.
    if (!sql.startsWith('SELECT ')) throw new Error('only a SELECT can be limited');
    const limited = sql.replace('SELECT ', `/*M!100600 SET STATEMENT max_statement_time = ${seconds} FOR */ SELECT /*+ MAX_EXECUTION_TIME(${ms}) */ `);
    return this.rows<Row>(limited, parameters).catch((error: unknown) => {
      if (isOutOfTime(error)) return null;
      throw error;
    });
  }

  /**
   * Runs `work` in a transaction, whole again after a deadlock, a lock wait, a duplicate key or a lost connection. When a COMMIT
   * before has failed, the events are looked for first: if they are there, that attempt's answer stands.
   * After a COMMIT of unknown outcome `mayBeUnderWay` tells `work` to wait for whatever is locked: it may be that attempt's.
   * @throws FleetError `database_unavailable` after 5 s; what `work` throws otherwise.
   */
  async transaction<A>(work: (transaction: Transaction, mayBeUnderWay: boolean) => Promise<A>, options: TransactionOptions = {}): Promise<A> {
    let sent: SentCommit<A> | null = null;
    const committed = async (transaction: Transaction): Promise<boolean> =>
      (await transaction.rows('SELECT 1 FROM event AS e WHERE e.id IN (?) LIMIT 1', [options.provedByEvents])).length === 1;
    const attempt = (leftMs: () => number) => async (connection: PoolConnection): Promise<A> => {
      const transaction = new ConnectionTransaction(connection, leftMs, (await this.clusterNodes.get(connection)) === false);
      if (sent && options.provedByEvents && (await committed(transaction))) return sent.answer;
      await transaction.begin();
      const answer = await work(transaction, sent?.isUnknown ?? false);
      if (leftMs() <= 0) throw new FleetError({ code: 'database_unavailable' });
      try {
        await transaction.commit();
      } catch (error) {
        // The answer of an attempt that may have been done is kept: one that was rolled back after it is none.
        if (!(sent?.isUnknown && isRolledBack(error))) sent = { answer, isUnknown: !isRolledBack(error) };
        throw isRolledBack(error) ? error : new CommitOutcomeUnknown(error);
      }
      return answer;
    };
    const isFinal = (error: unknown): boolean => !(sent?.isUnknown && options.provedByEvents) && (options.final ?? []).includes(errorNumber(error));
    return this.attempting((leftMs) => this.onConnection(attempt(leftMs), leftMs), options.giveUpAt, isFinal);
  }

  /** Whether a server answers within a second; for health checks, so nothing is tried twice. */
  async answers(): Promise<boolean> {
    const ask = (connection: PoolConnection): Promise<Answer> => answerOf(connection, { sql: 'SELECT 1', timeout: ANSWER_WITHIN_MS });
    return this.onConnection(ask, () => ANSWER_WITHIN_MS).then(() => true, () => false);
  }

  /** A connection that could not be ended in order is gone just as well. */
  close(): Promise<void> {
    return new Promise((resolve) => this.pool.end(() => resolve()));
  }

  private async attempting<A>(
    work: (leftMs: () => number) => Promise<A>,
    giveUpAt = giveUpAtFromNow(),
    isFinal: (error: unknown) => boolean = () => false,
  ): Promise<A> {
    const leftMs = (): number => giveUpAt - performance.now();
    for (;;) {
      try {
        return await work(leftMs);
      } catch (error) {
        if (isFinal(error) || !(isTransient(error) || isDuplicateKey(error))) throw error;
        if (leftMs() <= RETRY_PAUSE_MS) throw new FleetError({ code: 'database_unavailable' }, { cause: error });
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS * this.randomness.fraction()));
    }
  }

  /** A connection, unless none is free in time: one that comes later goes straight back. */
  private connectionWithin(ms: number): Promise<PoolConnection> {
    return new Promise((resolve, reject) => {
      const late = (): void => reject(new FleetError({ code: 'database_unavailable' }));
      let givenUp = false;
      const timer = setTimeout(() => {
        givenUp = true;
        late();
      }, Math.max(1, ms));
      this.pool.getConnection((error, connection) => {
        clearTimeout(timer);
        if (error) (/queue limit/i.test(error.message) ? late : reject)(error);
        else if (givenUp) connection.release();
        else resolve(connection);
      });
    });
  }

  /** Gives the connection back clean, or not at all. */
  private async onConnection<A>(work: (connection: PoolConnection) => Promise<A>, leftMs: () => number): Promise<A> {
    const connection = await this.connectionWithin(leftMs());
    try {
      const answer = await work(connection);
      connection.release();
      return answer;
    } catch (error) {
      if (isConnectionLost(error)) connection.destroy();
      else await answerOf(connection, { sql: 'ROLLBACK', timeout: CLEAN_WITHIN_MS }).then(() => connection.release(), () => connection.destroy());
      throw error;
    }
  }
}

import type { PoolConnection } from 'mysql2';
import { FleetError, type Randomness } from '@app/fleet';
import { runQuery, ConnectionTransaction, type Transaction } from './connection-transaction.js';
import {
  CommitOutcomeUnknown,
  errorNumber,
  isConnectionLost,
  isDuplicateKey,
  isRolledBack,
  isTransient,
} from './database-errors.js';
import { DatabaseServers, type DatabaseAddress } from './database-servers.js';
import { SESSION_TIMEOUT_MS, MAX_QUEUED_REQUESTS, PrimaryPool, type PoolOptions } from './primary-pool.js';

export {
  OptimisticLockError,
  type GuardedStatement,
  type Statement,
  type Transaction,
} from './connection-transaction.js';

export interface TransactionOptions {
  /** Events of which the transaction writes at least one. They prove a commit of unknown outcome. Without them, `work` must be idempotent. */
  readonly commitProofEventIds?: readonly string[];
  /** Errors that are thrown instead of retried, unless an earlier attempt may still be committed. */
  readonly nonRetryable?: readonly number[];
  /** Deadline on the monotonic clock; 5 s from now by default. */
  readonly deadline?: number;
}

/** Limit of a transaction. Event readers stay 10 s behind and so miss no event that is committed late. */
export const TRANSACTION_TIMEOUT_MS = 5_000;
/** Common limits of all batches that are written to the database. */
export const DATABASE_BATCHES = {
  maxQueued: MAX_QUEUED_REQUESTS,
  timeoutMs: TRANSACTION_TIMEOUT_MS,
  nowMs: (): number => performance.now(),
};

const newDeadline = (): number => performance.now() + TRANSACTION_TIMEOUT_MS;
const RETRY_BACKOFF_MS = 40;

/** The connections of a pool. */
export interface PoolUsage {
  readonly inUse: number;
  readonly idle: number;
  readonly limit: number;
  /** Reads and transactions that wait for a connection. */
  readonly pending: number;
}

/** An attempt that sent its COMMIT, and failed. */
interface SentCommit<A> {
  readonly result: A;
  /** Whether the server may have committed it, or may still do so. */
  readonly isUnknown: boolean;
}

/** Reads and transactions on the current server. Sessions use UTC, strict mode, READ COMMITTED and bounded lock waits. */
export class Database {
  private readonly pool: PrimaryPool;
  private inUse = 0;
  private pending = 0;

  /** Databases that share `servers` use the same server. */
  constructor(
    servers: DatabaseServers | DatabaseAddress,
    private readonly randomness: Randomness,
    private readonly settings: PoolOptions,
  ) {
    this.pool = new PrimaryPool(servers instanceof DatabaseServers ? servers : new DatabaseServers(servers), settings);
  }

  /**
   * Whether the connection leads to a Galera node. Such a node may abort a transaction between two statements of one text and
   * then run the rest outside of it, so each statement is sent in a separate round trip there (decision 19).
   */
  protected isClusterNode(connection: PoolConnection): Promise<boolean> {
    return this.pool.isClusterNode(connection);
  }

  /** A single read, within 5 s by default. @throws FleetError `database_unavailable` when no server responds. */
  async rows<Row>(sql: string, parameters: readonly unknown[] = [], withinMs = TRANSACTION_TIMEOUT_MS): Promise<Row[]> {
    const deadline = performance.now() + withinMs;
    return this.withRetries(
      (remainingMs) =>
        this.withConnection(
          (connection) => new ConnectionTransaction(connection, remainingMs, false).rows<Row>(sql, parameters),
          remainingMs,
        ),
      deadline,
    );
  }

  /**
   * Runs `work` in a transaction, and again after a deadlock, a lock wait, a duplicate key or a lost connection. After a failed
   * COMMIT, the events are looked up first: if they exist, the result of the earlier attempt is returned.
   * After a COMMIT of unknown outcome, `previousCommitMayBePending` makes `work` wait for locked rows: that attempt may have locked them.
   * @throws FleetError `database_unavailable` after 5 s; otherwise the error of `work`.
   */
  async transaction<A>(
    work: (transaction: Transaction, previousCommitMayBePending: boolean) => Promise<A>,
    options: TransactionOptions = {},
  ): Promise<A> {
    let sent: SentCommit<A> | null = null;
    const committed = async (transaction: Transaction): Promise<boolean> =>
      (await transaction.rows('SELECT 1 FROM event AS e WHERE e.id IN (?) LIMIT 1', [options.commitProofEventIds]))
        .length === 1;
    const attempt =
      (remainingMs: () => number) =>
      async (connection: PoolConnection): Promise<A> => {
        const transaction = new ConnectionTransaction(connection, remainingMs, !(await this.isClusterNode(connection)));
        if (sent && options.commitProofEventIds && (await committed(transaction))) return sent.result;
        await transaction.begin();
        const result = await work(transaction, sent?.isUnknown ?? false);
        if (remainingMs() <= 0) throw new FleetError({ code: 'database_unavailable' });
        try {
          await transaction.commit();
        } catch (error) {
          // The result of an attempt that may be committed is kept when a later attempt is rolled back.
          if (!(sent?.isUnknown && isRolledBack(error))) sent = { result, isUnknown: !isRolledBack(error) };
          throw isRolledBack(error) ? error : new CommitOutcomeUnknown(error);
        }
        return result;
      };
    const isNonRetryable = (error: unknown): boolean =>
      !(sent?.isUnknown && options.commitProofEventIds) && (options.nonRetryable ?? []).includes(errorNumber(error));
    return this.withRetries(
      (remainingMs) => this.withConnection(attempt(remainingMs), remainingMs),
      options.deadline,
      isNonRetryable,
    );
  }

  get usage(): PoolUsage {
    const { inUse, pending, pool, settings } = this;
    return { inUse, idle: Math.max(0, pool.size - inUse), limit: settings.connections, pending };
  }

  close(): Promise<void> {
    return this.pool.close();
  }

  private async withRetries<A>(
    work: (remainingMs: () => number) => Promise<A>,
    deadline = newDeadline(),
    isNonRetryable: (error: unknown) => boolean = () => false,
  ): Promise<A> {
    const remainingMs = (): number => deadline - performance.now();
    for (;;) {
      const { choice } = this.pool;
      try {
        return await work(remainingMs);
      } catch (error) {
        const reconsidered = this.pool.reportFailure(choice, error, remainingMs());
        if (isNonRetryable(error) || !(isTransient(error) || isDuplicateKey(error))) throw error;
        if (remainingMs() <= RETRY_BACKOFF_MS) throw new FleetError({ code: 'database_unavailable' }, { cause: error });
        await reconsidered;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_BACKOFF_MS * this.randomness.random()));
    }
  }

  /** Releases the connection after a rollback, or destroys it. */
  private async withConnection<A>(
    work: (connection: PoolConnection) => Promise<A>,
    remainingMs: () => number,
  ): Promise<A> {
    this.pending += 1;
    const connection = await this.pool.acquireConnection(remainingMs()).finally(() => (this.pending -= 1));
    this.inUse += 1;
    try {
      const result = await work(connection);
      connection.release();
      return result;
    } catch (error) {
      if (isConnectionLost(error)) connection.destroy();
      else
        await runQuery(connection, { sql: 'ROLLBACK', timeout: SESSION_TIMEOUT_MS }).then(
          () => connection.release(),
          () => connection.destroy(),
        );
      throw error;
    } finally {
      this.inUse -= 1;
    }
  }
}

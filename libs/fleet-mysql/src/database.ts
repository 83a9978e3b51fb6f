import type { PoolConnection } from 'mysql2';
import { FleetError, type Randomness } from '@app/fleet';
import { answerOf, ConnectionTransaction, type Transaction } from './connection-transaction.js';
import {
  CommitOutcomeUnknown,
  errorNumber,
  isConnectionLost,
  isDuplicateKey,
  isOutOfTime,
  isRolledBack,
  isTransient,
} from './database-errors.js';
import { DatabaseServers, type DatabaseAddress } from './database-servers.js';
import { CLEAN_WITHIN_MS, PrimaryPool, type SessionSettings } from './primary-pool.js';

export { RecordChanged, type GuardedStatement, type Statement, type Transaction } from './connection-transaction.js';

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

/** An attempt that sent its COMMIT, and failed. */
interface SentCommit<A> {
  readonly answer: A;
  /** Whether the server may still commit it, or has. */
  readonly isUnknown: boolean;
}

/** Reads and transactions on the server in use, in sessions that are all alike: UTC, strict, READ COMMITTED, bounded lock waits. */
export class Database {
  private readonly pool: PrimaryPool;

  /** Pools that share `servers` are connected to the same server. */
  constructor(
    servers: DatabaseServers | DatabaseAddress,
    private readonly randomness: Randomness,
    settings: SessionSettings,
  ) {
    this.pool = new PrimaryPool(servers instanceof DatabaseServers ? servers : new DatabaseServers(servers), settings);
  }

  /**
   * Whether the session is on a Galera node. Such a node may abort a transaction between two statements of one text, and then
   * runs those that are left by themselves; so each statement goes in a round trip of its own there (decision 19).
   */
  protected isClusterNode(connection: PoolConnection): Promise<boolean> {
    return this.pool.isClusterNode(connection);
  }

  /** A single read, in 5 s unless told. @throws FleetError `database_unavailable` when no server answers. */
  async rows<Row>(sql: string, parameters: readonly unknown[] = [], withinMs = GIVE_UP_AFTER_MS): Promise<Row[]> {
    const giveUpAt = performance.now() + withinMs;
    return this.attempting(
      (leftMs) =>
        this.onConnection(
          (connection) => new ConnectionTransaction(connection, leftMs, false).rows<Row>(sql, parameters),
          leftMs,
        ),
      giveUpAt,
    );
  }

  /** A single SELECT that the server itself ends after so long: null then. */
  async rowsWithin<Row>(ms: number, sql: string, parameters: readonly unknown[] = []): Promise<Row[] | null> {
    const seconds = ms / 1000;
    // MariaDB reads the first comment, MySQL the second, and a MariaDB that knows such hints both.
    if (!sql.startsWith('SELECT ')) throw new Error('only a SELECT can be limited');
    const limited = sql.replace(
      'SELECT ',
      `/*M!100600 SET STATEMENT max_statement_time = ${seconds} FOR */ SELECT /*+ MAX_EXECUTION_TIME(${ms}) */ `,
    );
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
  async transaction<A>(
    work: (transaction: Transaction, mayBeUnderWay: boolean) => Promise<A>,
    options: TransactionOptions = {},
  ): Promise<A> {
    let sent: SentCommit<A> | null = null;
    const committed = async (transaction: Transaction): Promise<boolean> =>
      (await transaction.rows('SELECT 1 FROM event AS e WHERE e.id IN (?) LIMIT 1', [options.provedByEvents]))
        .length === 1;
    const attempt =
      (leftMs: () => number) =>
      async (connection: PoolConnection): Promise<A> => {
        const transaction = new ConnectionTransaction(connection, leftMs, !(await this.isClusterNode(connection)));
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
    const isFinal = (error: unknown): boolean =>
      !(sent?.isUnknown && options.provedByEvents) && (options.final ?? []).includes(errorNumber(error));
    return this.attempting((leftMs) => this.onConnection(attempt(leftMs), leftMs), options.giveUpAt, isFinal);
  }

  close(): Promise<void> {
    return this.pool.close();
  }

  private async attempting<A>(
    work: (leftMs: () => number) => Promise<A>,
    giveUpAt = giveUpAtFromNow(),
    isFinal: (error: unknown) => boolean = () => false,
  ): Promise<A> {
    const leftMs = (): number => giveUpAt - performance.now();
    for (;;) {
      const { choice } = this.pool;
      try {
        return await work(leftMs);
      } catch (error) {
        const reconsidered = this.pool.failed(choice, error, leftMs());
        if (isFinal(error) || !(isTransient(error) || isDuplicateKey(error))) throw error;
        if (leftMs() <= RETRY_PAUSE_MS) throw new FleetError({ code: 'database_unavailable' }, { cause: error });
        await reconsidered;
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS * this.randomness.fraction()));
    }
  }

  /** Gives the connection back clean, or not at all. */
  private async onConnection<A>(work: (connection: PoolConnection) => Promise<A>, leftMs: () => number): Promise<A> {
    const connection = await this.pool.connectionWithin(leftMs());
    try {
      const answer = await work(connection);
      connection.release();
      return answer;
    } catch (error) {
      if (isConnectionLost(error)) connection.destroy();
      else
        await answerOf(connection, { sql: 'ROLLBACK', timeout: CLEAN_WITHIN_MS }).then(
          () => connection.release(),
          () => connection.destroy(),
        );
      throw error;
    }
  }
}

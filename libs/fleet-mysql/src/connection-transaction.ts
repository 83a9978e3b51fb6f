import type { Connection, PoolConnection, QueryOptions, ResultSetHeader, RowDataPacket } from 'mysql2';
import { errorNumber, ER_CHECKREAD } from './database-errors.js';

/** A statement and the values of its placeholders. */
export interface Statement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** A statement with an optimistic lock: when it does not match, the whole transaction is retried. */
export interface GuardedStatement extends Statement {
  /** Number of rows that it must match; any number if absent. */
  readonly expectedRows?: number;
}

/** A guarded statement did not match: the record changed after it was read. The whole transaction is retried. */
export class OptimisticLockError extends Error {
  readonly errno = ER_CHECKREAD;

  constructor() {
    super('the record changed during the transaction');
  }
}

/** A transaction in progress. Array parameters expand, as in `IN (?)`. */
export interface Transaction {
  rows<Row>(sql: string, parameters?: readonly unknown[]): Promise<Row[]>;
  /** Returns the number of matched rows, changed or not. */
  write(sql: string, parameters?: readonly unknown[]): Promise<number>;
  /** Runs the statements in order; in one round trip unless on a Galera node. @throws OptimisticLockError */
  executeAll(statements: readonly GuardedStatement[]): Promise<void>;
  /**
   * Runs `first`; if it matches `expected` rows, runs the rest and commits. Returns the number of rows that `first` matched. If
   * there are fewer, the rest is skipped and the transaction continues.
   */
  executeAndCommitIfExact(first: Statement, expected: number, rest: readonly Statement[]): Promise<number>;
}

/** Error of a scalar subquery that returns two rows. */
const ER_SUBQUERY_NO_1_ROW = 1242;

export type QueryResult = RowDataPacket[] | ResultSetHeader;

/** Uses the callback API: the promise API of the driver captures a stack trace for every statement. */
export const runQuery = (
  connection: Pick<Connection, 'query'>,
  options: QueryOptions,
  parameters: readonly unknown[] = [],
): Promise<QueryResult> =>
  new Promise((resolve, reject) => {
    connection.query<RowDataPacket[]>(options, [...parameters], (error, result) =>
      error ? reject(error) : resolve(result),
    );
  });

/** A transaction on one connection. */
export class ConnectionTransaction implements Transaction {
  private pendingBegin: readonly Statement[] = [];
  private isCommitted = false;

  constructor(
    private readonly connection: PoolConnection,
    private readonly remainingMs: () => number,
    private readonly multiStatement: boolean,
  ) {}

  async begin(): Promise<void> {
    if (this.multiStatement) this.pendingBegin = [{ sql: 'START TRANSACTION', parameters: [] }];
    else await this.send('START TRANSACTION');
  }

  async rows<Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return (await this.send(sql, parameters)) as Row[];
  }

  async write(sql: string, parameters: readonly unknown[] = []): Promise<number> {
    return ((await this.send(sql, parameters)) as ResultSetHeader).affectedRows;
  }

  async executeAll(statements: readonly GuardedStatement[]): Promise<void> {
    const matched = this.multiStatement ? await this.sendAll(statements) : [];
    for (const [index, { sql, parameters, expectedRows }] of statements.entries()) {
      const result = matched[index] ?? (await this.send(sql, parameters));
      if (expectedRows !== undefined && (result as ResultSetHeader).affectedRows !== expectedRows)
        throw new OptimisticLockError();
    }
  }

  async executeAndCommitIfExact(first: Statement, expected: number, rest: readonly Statement[]): Promise<number> {
    if (this.multiStatement) return this.executeBatchAndCommit(first, expected, rest);
    const matched = await this.write(first.sql, first.parameters);
    if (matched === expected) for (const { sql, parameters } of rest) await this.write(sql, parameters);
    return matched;
  }

  async commit(): Promise<void> {
    if (!this.isCommitted && this.pendingBegin.length === 0) await this.send('COMMIT');
  }

  /** The server skips the statements after a failed one, so a subquery of two rows fails on purpose when too few rows matched. */
  private async executeBatchAndCommit(first: Statement, expected: number, rest: readonly Statement[]): Promise<number> {
    const check = {
      sql: 'SET @matched = ROW_COUNT(); SET @whole = IF(@matched = ?, 1, (SELECT 1 UNION SELECT 2))',
      parameters: [expected],
    };
    try {
      await this.sendAll([first, check, ...rest, { sql: 'COMMIT', parameters: [] }]);
      this.isCommitted = true;
      return expected;
    } catch (error) {
      if (errorNumber(error) !== ER_SUBQUERY_NO_1_ROW) throw error;
      const [row] = await this.rows<{ matched: number }>('SELECT @matched AS matched');
      return row?.matched ?? 0;
    }
  }

  private async send(sql: string, parameters: readonly unknown[] = []): Promise<QueryResult> {
    return (await this.sendAll([{ sql, parameters }]))[0] as QueryResult;
  }

  /** Sends the statements in one round trip. Returns the result of each. */
  private async sendAll(statements: readonly Statement[]): Promise<QueryResult[]> {
    if (statements.length === 0) return [];
    const { pendingBegin } = this;
    this.pendingBegin = [];
    const all = [...pendingBegin, ...statements];
    const sql = all.map((statement) => statement.sql).join(';');
    const result = await runQuery(
      this.connection,
      this.withTimeout(sql),
      all.flatMap(({ parameters }) => parameters),
    );
    const results = all.length === 1 ? [result] : (result as unknown as QueryResult[]);
    return results.slice(pendingBegin.length);
  }

  private withTimeout(sql: string): { sql: string; timeout: number } {
    return { sql, timeout: Math.max(1, Math.ceil(this.remainingMs())) };
  }
}

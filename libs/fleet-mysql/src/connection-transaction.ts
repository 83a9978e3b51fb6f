import type { Connection, PoolConnection, QueryOptions, ResultSetHeader, RowDataPacket } from 'mysql2';
import { errorNumber, ROW_CHANGED } from './database-errors.js';

/** A statement and what its question marks stand for. */
export interface Statement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** A statement that finds what was read before it, or the whole transaction is tried again. */
export interface GuardedStatement extends Statement {
  /** Rows that it must match, unless any number will do. */
  readonly matches?: number;
}

/** A guarded statement did not match: the record is not what was read, and the whole transaction is tried again. */
export class RecordChanged extends Error {
  readonly errno = ROW_CHANGED;

  constructor() {
    super('the record changed under the transaction');
  }
}

/** One transaction's connection. Arrays in parameters expand, as in `IN (?)`. */
export interface Transaction {
  rows<Row>(sql: string, parameters?: readonly unknown[]): Promise<Row[]>;
  /** Rows matched, not only those changed. */
  write(sql: string, parameters?: readonly unknown[]): Promise<number>;
  /** Writes one after the other; together where statements are joined. @throws RecordChanged */
  writeEach(statements: readonly GuardedStatement[]): Promise<void>;
  /**
   * The first statement of a transaction that has no more to do when `first` matches as many rows as expected: then the rest
   * is written, and all is committed. Returns the rows matched by `first`; with fewer, the rest was left out and the transaction goes on.
   */
  writeWhole(first: Statement, expected: number, rest: readonly Statement[]): Promise<number>;
}

/** What a subquery of two rows, where one is due, is refused with. */
const MORE_THAN_ONE_ROW = 1242;

export type Answer = RowDataPacket[] | ResultSetHeader;

/** By callback: the driver's own promises note a stack trace for every statement. */
export const answerOf = (
  connection: Pick<Connection, 'query'>,
  options: QueryOptions,
  parameters: readonly unknown[] = [],
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    connection.query<RowDataPacket[]>(options, [...parameters], (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
  });

/** A transaction on one connection. */
export class ConnectionTransaction implements Transaction {
  private beginning: readonly Statement[] = [];
  private isCommitted = false;

  constructor(
    private readonly connection: PoolConnection,
    private readonly leftMs: () => number,
    private readonly joins: boolean,
  ) {}

  async begin(): Promise<void> {
    if (this.joins) this.beginning = [{ sql: 'START TRANSACTION', parameters: [] }];
    else await this.ask('START TRANSACTION');
  }

  async rows<Row>(sql: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return (await this.ask(sql, parameters)) as Row[];
  }

  async write(sql: string, parameters: readonly unknown[] = []): Promise<number> {
    return ((await this.ask(sql, parameters)) as ResultSetHeader).affectedRows;
  }

  async writeEach(statements: readonly GuardedStatement[]): Promise<void> {
    const matched = this.joins ? await this.askEach(statements) : [];
    for (const [index, { sql, parameters, matches }] of statements.entries()) {
      const answer = matched[index] ?? (await this.ask(sql, parameters));
      if (matches !== undefined && (answer as ResultSetHeader).affectedRows !== matches) throw new RecordChanged();
    }
  }

  async writeWhole(first: Statement, expected: number, rest: readonly Statement[]): Promise<number> {
    if (this.joins) return this.writeJoined(first, expected, rest);
    const matched = await this.write(first.sql, first.parameters);
    if (matched === expected) for (const { sql, parameters } of rest) await this.write(sql, parameters);
    return matched;
  }

  async commit(): Promise<void> {
    if (!this.isCommitted && this.beginning.length === 0) await this.ask('COMMIT');
  }

  /** A statement that fails keeps those behind it from being run; so a subquery of two rows ends it where too few rows were matched. */
  private async writeJoined(first: Statement, expected: number, rest: readonly Statement[]): Promise<number> {
    const check = {
      sql: 'SET @matched = ROW_COUNT(); SET @whole = IF(@matched = ?, 1, (SELECT 1 UNION SELECT 2))',
      parameters: [expected],
    };
    try {
      await this.askEach([first, check, ...rest, { sql: 'COMMIT', parameters: [] }]);
      this.isCommitted = true;
      return expected;
    } catch (error) {
      if (errorNumber(error) !== MORE_THAN_ONE_ROW) throw error;
      const [row] = await this.rows<{ matched: number }>('SELECT @matched AS matched');
      return row?.matched ?? 0;
    }
  }

  private async ask(sql: string, parameters: readonly unknown[] = []): Promise<Answer> {
    return (await this.askEach([{ sql, parameters }]))[0] as Answer;
  }

  /** In one round trip; an answer for each. */
  private async askEach(statements: readonly Statement[]): Promise<Answer[]> {
    if (statements.length === 0) return [];
    const { beginning } = this;
    this.beginning = [];
    const all = [...beginning, ...statements];
    const sql = all.map((statement) => statement.sql).join(';');
    const answer = await answerOf(
      this.connection,
      this.timed(sql),
      all.flatMap(({ parameters }) => parameters),
    );
    const answers = all.length === 1 ? [answer] : (answer as unknown as Answer[]);
    return answers.slice(beginning.length);
  }

  private timed(sql: string): { sql: string; timeout: number } {
    return { sql, timeout: Math.max(1, Math.ceil(this.leftMs())) };
  }
}
